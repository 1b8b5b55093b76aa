"""Admission as a client has it: across threads and event loops, against a real server that limits."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import promptops as po
from promptops.backends.openai import OpenAI
from promptops.backends.scripted import Scripted
from promptops.budget import Budget
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.errors import CallError, QuotaError, RefusedError, RejectedError, ThrottledError, UsageError
from promptops.testing import KEY, MODEL, FakeOpenAI, Fault, Limiter
from promptops.tokens import counter
from promptops.types import Call, Message, Reply, Tags

COUNTER = counter(tokenizer="o200k_base")


def ask(text: str, document: str = "") -> Call:
    return Call((Message("user", text),), 20, tags=Tags(run="run", document=document or text))


def connected(server: FakeOpenAI, key: str = KEY, **options: object) -> Client:
    backend = OpenAI(MODEL, base_url=server.base_url, api_key=key, counter=COUNTER, window=8_000, timeout=5)
    return Client(backend, **options)  # type: ignore[arg-type]


def send(client: Client, *calls: Call) -> list[Reply | BaseException]:
    async def all_of_them() -> list[Reply | BaseException]:
        try:
            return await asyncio.gather(*map(client.complete, calls), return_exceptions=True)
        finally:
            await client.aclose()

    return asyncio.run(all_of_them())


def test_a_limit_is_learned_from_the_headers_and_kept() -> None:
    """Every call is answered, each once."""
    limiter = Limiter(requests=20, tokens=None, per=1.0)
    with FakeOpenAI(limiter=limiter) as server, connected(server, concurrency=64) as client:
        replies = send(client, *(ask(f"text {number}") for number in range(40)))
        assert client._admission._gate.limits["requests", False].capacity == 20
    assert all(isinstance(reply, Reply) for reply in replies)
    assert limiter.accepted == 40


def test_threads_and_loops_share_one_limit() -> None:
    """Two clients of one key and model, each in a thread of its own."""
    limiter = Limiter(requests=10, tokens=None, per=1.0)
    with (
        FakeOpenAI(limiter=limiter) as server,
        connected(server) as one,
        connected(server) as two,
        ThreadPoolExecutor(2) as threads,
    ):
        done = [
            threads.submit(send, client, *(ask(f"{name} {number}") for number in range(10)))
            for name, client in (("one", one), ("two", two))
        ]
        replies = [reply for future in done for reply in future.result()]
    assert all(isinstance(reply, Reply) for reply in replies)
    assert limiter.accepted == 20


def test_another_key_is_another_limit(fake_openai: FakeOpenAI) -> None:
    """And so is another server or model."""
    fake_openai.keys = None
    with connected(fake_openai) as one, connected(fake_openai) as same, connected(fake_openai, "other") as other:
        assert one._admission is same._admission
        assert one._admission is not other._admission


def test_a_told_limit_holds_across_clients(fake_openai: FakeOpenAI) -> None:
    """Three requests a minute: the fourth would wait for 20 seconds, and this client has less patience."""
    patience = Patience(longest_told=5.0)
    with connected(fake_openai, rpm=3, patience=patience) as one, connected(fake_openai, patience=patience) as two:
        replies = [*send(one, ask("a"), ask("b")), *send(two, ask("c"), ask("d"))]
    assert [type(reply) for reply in replies] == [Reply, Reply, Reply, ThrottledError]
    assert "the rate limit lets no further call through for " in str(replies[-1])
    assert len(fake_openai.requests) == 3


@pytest.mark.parametrize("option", ["rpm", "tpm"])
@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_lets_nothing_through_is_said_to_be_wrong(option: str, limit: float) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match=f"--{option} must be more than 0 a minute"):
        po.connect("extractive", **{option: limit})  # type: ignore[arg-type]


def test_who_is_told_to_wait_holds_no_place(fake_openai: FakeOpenAI) -> None:
    """Nor any of the budget."""
    rejected = threading.Event()
    fake_openai.fail(Fault("429", headers={"retry-after": "0.5"}))
    fake_openai._record = lambda *args: (FakeOpenAI._record(fake_openai, *args), rejected.set())  # type: ignore[method-assign,assignment]
    budget = Budget(max_tokens=100)
    with connected(fake_openai, concurrency=1, budget=budget) as client:

        async def looked_at() -> tuple[int, Reply]:
            task = asyncio.create_task(client.complete(ask("one")))
            await asyncio.to_thread(rejected.wait, 5)
            await asyncio.sleep(0.1)
            assert client._line is not None
            in_flight = client._line.in_flight
            reply = await task
            await client.aclose()
            return in_flight, reply

        in_flight, reply = asyncio.run(looked_at())
    assert in_flight == 0
    assert isinstance(reply, Reply)


def test_who_is_cancelled_while_waiting_gives_the_place_to_the_next() -> None:
    """Whether or not its turn had come."""

    async def answer(call: Call) -> str:
        await asyncio.sleep(0.05)
        return "x."

    client = Client(Scripted(answer=answer), concurrency=1)

    async def five() -> list[object]:
        tasks = [asyncio.create_task(client.complete(ask(str(number)))) for number in range(5)]
        await asyncio.sleep(0.02)
        for task in tasks[:3]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = asyncio.run(asyncio.wait_for(five(), 5))
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3 + [Reply] * 2
    assert client._line is not None
    assert client._line.in_flight == 0


@pytest.mark.parametrize(
    ("faults", "error", "sent"),
    [
        (["quota"], QuotaError, 1),
        (["content_filter"], RefusedError, 1),
        (["refusal"], RefusedError, 1),
        (["400"], RejectedError, 1),
        (["503", "529", "reset", "malformed", "429"], None, 6),
    ],
)
def test_each_verdict(faults: list[str], error: type[CallError] | None, sent: int, fake_openai: FakeOpenAI) -> None:
    """What passes is tried again; a quota, a refusal and a mistake are said at once."""
    fake_openai.fail(*faults)
    with connected(fake_openai, patience=Patience(first_wait=0.01, longest_wait=0.02)) as client:
        (outcome,) = send(client, ask("one"))
    assert isinstance(outcome, error or Reply)
    assert len(fake_openai.requests) == sent
