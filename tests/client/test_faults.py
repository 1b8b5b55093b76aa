"""The client against a real server that fails: every reply arrives, and the ledger is what the server billed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from promptops.backends.openai import OpenAI
from promptops.backends.scripted import Scripted
from promptops.budget import Amount, Budget
from promptops.client import Client
from promptops.client.size import PromptSize
from promptops.client.verdict import HOPELESS, Patience, Verdict, again, verdict
from promptops.errors import (
    AccessError,
    BudgetError,
    CallError,
    QuotaError,
    RefusedError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnreachableError,
    WindowError,
)
from promptops.prices import price
from promptops.prompts.template import Prompt
from promptops.store import Around, Database
from promptops.testing import KEY, FakeOpenAI, Fault
from promptops.tokens import counter
from promptops.types import Call, Message, Reply, Tags, Tool, ToolCall, Totals, Usage

COUNTER = counter(tokenizer="o200k_base")
QUICK = Patience(first_wait=0.01, longest_wait=0.05)


def ask(text: str, run: str = "run", words: int = 50) -> Call:
    return Call((Message("user", f"<document>\n{text}\n</document>"),), words, tags=Tags(run=run, step="map"))


@pytest.fixture
def client(fake_openai: FakeOpenAI) -> Iterator[Client]:
    with connected(fake_openai) as made:
        yield made


def connected(server: FakeOpenAI, *, budget: Budget | None = None, timeout: float = 2.0, key: str = KEY) -> Client:
    backend = OpenAI(
        "gpt-4o-mini", base_url=server.base_url, api_key=key, counter=COUNTER, window=8_000, timeout=timeout
    )
    backend.price = price("gpt-4o-mini")
    return Client(backend, Database(), budget=budget, patience=QUICK, concurrency=64)


class Noting(Budget):
    """A budget that remembers what was set aside."""

    def __init__(self, max_tokens: int) -> None:
        super().__init__(max_tokens=max_tokens)
        self.most: list[Amount] = []

    async def reserve(self, most: Amount) -> None:
        self.most.append(most)
        await super().reserve(most)


def send(client: Client, *calls: Call) -> list[Reply | BaseException]:
    async def all_of_them() -> list[Reply | BaseException]:
        try:
            return await asyncio.gather(*map(client.complete, calls), return_exceptions=True)
        finally:
            await client.aclose()

    return asyncio.run(all_of_them())


def known(client: Client) -> Totals:
    return Totals.sum(row.totals for row in client.ledger.rows("run") if not row.possibly_billed)


PASSING = ["500", "502", "503", "504", "529", "429", "drop", "reset", "reset_body", "malformed", "no_choices"]


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_tried_again(fault: str, client: Client, fake_openai: FakeOpenAI) -> None:
    """The reply arrives, and each attempt has its row."""
    fake_openai.fail(fault)
    (reply,) = send(client, ask("one two three"))
    assert isinstance(reply, Reply)
    assert reply.text == "one two three"
    assert len(client.database.query("SELECT 1 FROM attempts")) == 2


def test_a_storm_of_every_fault_loses_nothing(fake_openai: FakeOpenAI) -> None:
    """Every reply arrives; known sums are what the server told it billed; the rest stands apart; nothing is resent."""
    fake_openai.rates = dict.fromkeys(PASSING, 0.02)
    with connected(fake_openai) as client:
        replies = send(client, *(ask(f"word{number} " * 30) for number in range(200)))
        assert all(isinstance(reply, Reply) for reply in replies)
        told = [one for one in fake_openai.requests if one.fault in ("", "no_choices")]
        sums = known(client)
        assert sums.calls == len(told)
        assert sums.input_tokens == sum(one.input_tokens for one in told)
        assert sums.output_tokens == sum(one.output_tokens for one in told)
        unknown = sum(row.totals.calls for row in client.ledger.rows("run") if row.possibly_billed)
        assert sums.calls + unknown >= fake_openai.billed["calls"]
        before = len(fake_openai.requests)
        send(client, *(ask(f"word{number} " * 30) for number in range(200)))
        assert len(fake_openai.requests) == before


def test_without_faults_the_ledger_is_what_the_server_billed_to_the_token(
    client: Client, fake_openai: FakeOpenAI
) -> None:
    """Input, output and calls, and the dollars of the price list."""
    send(client, *(ask(f"text {number} " * 20) for number in range(20)))
    billed, sums = fake_openai.billed, known(client)
    assert (sums.calls, sums.input_tokens, sums.output_tokens) == (20, billed["input_tokens"], billed["output_tokens"])
    listed = (Decimal("0.15") * billed["input_tokens"] + Decimal("0.6") * billed["output_tokens"]) / 10**6
    assert sums.usd == listed


@pytest.mark.parametrize("fault", ["reset", "reset_body", "hang"])
def test_a_cut_off_attempt_is_possibly_billed(fault: str, fake_openai: FakeOpenAI) -> None:
    """What is not known stands in its own row at the most it can be, and the budget counts it as spent."""
    fake_openai.fail(fault)
    budget = Budget(max_tokens=100_000)
    with connected(fake_openai, budget=budget, timeout=0.5) as client:
        (reply,) = send(client, ask("one two"))
        assert isinstance(reply, Reply)
        rows = {row.possibly_billed: row.totals for row in client.ledger.rows("run")}
        assert rows[True].calls == rows[False].calls == 1
        assert budget.settled.tokens == rows[True].tokens + rows[False].tokens


def test_a_throttled_call_waits_as_told(client: Client, fake_openai: FakeOpenAI) -> None:
    """Not less than the server asked for."""
    fake_openai.fail(Fault("429", headers={"retry-after": "1"}))
    loop_time = []

    async def timed() -> None:
        start = asyncio.get_running_loop().time()
        await client.complete(ask("one"))
        loop_time.append(asyncio.get_running_loop().time() - start)
        await client.aclose()

    asyncio.run(timed())
    assert loop_time[0] >= 1.0


@pytest.mark.parametrize(("told", "kept"), [(119.0, True), (121.0, True), (300.0, True), (301.0, False)])
def test_a_long_wait_that_is_told_is_kept_up_to_a_limit(told: float, kept: bool) -> None:
    """Five minutes are waited; for longer the call fails, and running again goes on."""
    error = ThrottledError("later", retry_after=told)
    assert verdict(error) is Verdict.THROTTLED
    assert again(error, 1, Patience()) is kept


def test_equal_calls_in_flight_are_sent_once(fake_openai: FakeOpenAI) -> None:
    """One is paid for, all are answered."""
    fake_openai.latency = 0.1
    with connected(fake_openai) as client:
        replies = send(client, *[ask("the same")] * 10)
        assert [reply.stored for reply in replies if isinstance(reply, Reply)].count(False) == 1
    assert len(fake_openai.requests) == 1


def test_equal_calls_of_several_event_loops_are_sent_once(fake_openai: FakeOpenAI) -> None:
    """Threads with a loop each share what is in flight; where the first is cancelled, another sends it."""
    fake_openai.latency = 0.3
    with connected(fake_openai) as client, ThreadPoolExecutor(4) as threads:

        async def cut_short() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.complete(ask("the same")), 0.2)
            await client.aclose()

        first = threads.submit(asyncio.run, cut_short())
        while not client._going:
            time.sleep(0.01)
        others = [threads.submit(send, client, ask("the same")) for _ in range(3)]
        first.result()
        replies = [other.result()[0] for other in others]
    assert sorted(reply.stored for reply in replies if isinstance(reply, Reply)) == [False, True, True]
    assert len(fake_openai.requests) == 2


def test_a_failing_twin_fails_all_of_its_like_and_none_later(client: Client, fake_openai: FakeOpenAI) -> None:
    """Equal calls share the failure; the next asking is a new one."""
    fake_openai.fail("content_filter")
    failures = send(client, *[ask("the same")] * 3)
    assert all(isinstance(failure, RefusedError) for failure in failures)
    (reply,) = send(client, ask("the same"))
    assert isinstance(reply, Reply)


@pytest.mark.parametrize(
    ("fault", "error"), [("quota", QuotaError), ("401", AccessError), ("404", AccessError), ("403", AccessError)]
)
def test_what_fails_every_call_stops_the_run_at_once(
    fault: str, error: type[CallError], client: Client, fake_openai: FakeOpenAI
) -> None:
    """No further call of the run is sent; another run may try."""
    fake_openai.fail(fault)
    (first,) = send(client, ask("one"))
    assert isinstance(first, error)

    async def one_after_another() -> list[BaseException | Reply]:
        fake_openai.fail(fault)
        kept = [await asyncio.gather(client.complete(ask(text)), return_exceptions=True) for text in ("a", "b", "c")]
        last = await client.complete(ask("d", run="another"))
        await client.aclose()
        return [one for (one,) in kept] + [last]

    before = len(fake_openai.requests)
    *failures, other = asyncio.run(one_after_another())
    assert all(isinstance(failure, error) for failure in failures)
    assert isinstance(other, Reply)
    assert len(fake_openai.requests) - before == 2


def test_a_few_malformed_first_calls_stop_the_run(client: Client, fake_openai: FakeOpenAI) -> None:
    """Ten thousand more would be rejected the same way."""
    fake_openai.fail(*["400"] * 9)
    outcomes = in_turn(client, *map(ask, "abcdef"))
    assert all(isinstance(one, RejectedError) for one in outcomes)
    assert len(fake_openai.requests) == HOPELESS


@pytest.mark.parametrize("fault", ["500", "malformed", "429"])
def test_a_server_that_only_fails_stops_the_run(fault: str, client: Client, fake_openai: FakeOpenAI) -> None:
    """After a few calls tried as long as patience allows; ten thousand documents would take hours to say the same."""
    client._patience = replace(QUICK, first_wait=0.001, longest_wait=0.002, throttled=6)
    fake_openai.rates = {fault: 1.0}
    outcomes = in_turn(client, *map(ask, "abcdefgh"))
    assert all(isinstance(one, (TransientError, ThrottledError)) for one in outcomes)
    assert len(fake_openai.requests) == HOPELESS * QUICK.attempts


def test_one_malformed_first_call_does_not_stop_the_run(client: Client, fake_openai: FakeOpenAI) -> None:
    """It may be that document's own fault."""
    fake_openai.fail("400")
    first, *rest = in_turn(client, *map(ask, "abc"))
    assert isinstance(first, RejectedError)
    assert all(isinstance(one, Reply) for one in rest)


def in_turn(client: Client, *calls: Call) -> list[Reply | BaseException]:
    """One after another, as ``send`` does at once."""

    async def each() -> list[Reply | BaseException]:
        found = [await asyncio.gather(client.complete(call), return_exceptions=True) for call in calls]
        await client.aclose()
        return [one for (one,) in found]

    return asyncio.run(each())


def test_an_unreachable_server_is_said_soon(fake_openai: FakeOpenAI) -> None:
    """A few short tries, one clear line."""
    client = connected(fake_openai)
    fake_openai.stop()
    (failure,) = send(client, ask("one"))
    client.close()
    assert isinstance(failure, UnreachableError)
    assert fake_openai.base_url.removesuffix("/v1") in str(failure)


def test_faults_that_do_not_pass_end_in_the_last_error(client: Client, fake_openai: FakeOpenAI) -> None:
    """A bounded number of attempts."""
    fake_openai.fail(*["500"] * 50)
    (failure,) = send(client, ask("one"))
    assert isinstance(failure, TransientError)
    assert failure.status == 500
    assert len(fake_openai.requests) == QUICK.attempts


@pytest.mark.parametrize("in_flight", [1, 64])
def test_a_budget_is_not_passed_and_is_used(in_flight: int, fake_openai: FakeOpenAI) -> None:
    """With 64 at once and a cap of two fifths of the job, by the server's own count."""
    fake_openai.latency = 0.01
    calls = [ask(f"text {number} " * 40, words=41) for number in range(200)]
    job = sum(COUNTER.count(call.messages[0].content) + 7 + 40 for call in calls)
    cap = job * 2 // 5
    with connected(fake_openai, budget=Budget(max_tokens=cap)) as client:
        client.concurrency = in_flight
        outcomes = send(client, *calls)
    spent = fake_openai.billed["input_tokens"] + fake_openai.billed["output_tokens"]
    assert spent <= cap
    assert spent >= 0.95 * cap
    assert {type(outcome) for outcome in outcomes} == {Reply, BudgetError}


def test_a_budget_holds_what_tools_take(fake_openai: FakeOpenAI) -> None:
    """Offered, asked for and answered, one or many, once it is known what the provider adds around messages."""
    about = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = tuple(Tool(f"weather_{number}", "The weather of a day.", about, strict=True) for number in range(5))
    said = (
        Message("user", "Look up '서울' and 'Paris'."),
        Message("assistant", "", (ToolCall("call_1", "weather_0", '{"city": "서울"}'),)),
        Message("tool", "rain", (), "call_1"),
    )
    for number in range(1, 6):
        calls = [Call(part, 60, tools=tools[:number], tool_choice=tools[0].name) for part in (said[:1], said)]
        for call in calls:
            budget = Noting(max_tokens=10_000)
            with connected(fake_openai, budget=budget) as client:
                for length in (1, 3):
                    send(client, Call((Message("user", "text"),) * length, 10))
                send(client, call)
            assert fake_openai.requests[-1].input_tokens + 60 <= budget.most[-1].tokens


def test_what_a_provider_adds_for_tools_is_set_aside_from_the_second_call_on() -> None:
    """It says so with its first usage; another set of tools is another matter."""
    budget = Noting(max_tokens=100_000)
    tools = (Tool("weather"),)
    backend = Scripted(answer=lambda call: Reply("fine.", Usage(500 if call.tools else 9, 0, 1)))
    client = Client(backend, budget=budget)
    calls = [replace(ask(text, words=10), tools=tools) for text in ("one", "two")]
    send(client, calls[0])
    send(client, calls[1])
    send(client, replace(ask("three", words=10), tools=(Tool("news"),)))
    assert [most.tokens >= 510 for most in budget.most] == [False, True, False]


def test_what_the_provider_counted_beyond_our_count_is_settled_and_ends_the_sending() -> None:
    """Nobody can know it before; from then on the cap holds."""
    client = Client(Scripted([Reply("an answer", Usage(990, 0, 20)), "never sent"]), budget=Budget(max_tokens=1_000))
    assert isinstance(send(client, ask("one"))[0], Reply)
    assert client.budget.settled.tokens == 1_010
    assert isinstance(send(client, ask("two"))[0], BudgetError)
    assert len(client.backend.calls) == 1  # type: ignore[attr-defined]


def test_a_call_that_cannot_fit_is_never_sent(client: Client, fake_openai: FakeOpenAI) -> None:
    """It is an error that says by how much."""
    (failure,) = send(client, ask("one " * 9_000))
    assert isinstance(failure, WindowError)
    assert "by 1," in str(failure)
    assert not fake_openai.requests


def test_the_store_answers_across_processes(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    """What one client paid for, another gets for nothing; --fresh asks again."""
    path = tmp_path / "store.db"
    for fresh, sent in ((False, 1), (False, 1), (True, 2)):
        backend = OpenAI("m", base_url=fake_openai.base_url, api_key=KEY, counter=COUNTER, window=8_000)
        with Client(backend, Database(path), fresh=fresh) as client:
            send(client, ask("one"), replace(ask("one"), tags=Tags(document="elsewhere.md")))
        assert len(fake_openai.requests) == sent


def test_what_the_provider_adds_is_learned_and_kept(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    """From its own usage; later reservations, and later processes, hold it."""
    path = tmp_path / "store.db"
    for number in range(3):
        backend = OpenAI("gpt-4o-mini", base_url=fake_openai.base_url, api_key=KEY, counter=COUNTER, window=8_000)
        with Client(backend, Database(path)) as client:
            before = client.overhead.around(1)
            assert (before.tokens, before.replies) == ((16, 0) if number == 0 else (7, number))
            send(client, ask(f"text {number}"))
            assert client.overhead.around(1).tokens == 4 + 3
            reserved = client.database.query("SELECT input FROM attempts ORDER BY id DESC LIMIT 1")[0][0]
            assert reserved == fake_openai.requests[-1].input_tokens


def test_a_number_of_messages_not_seen_yet_is_judged_from_the_nearest(client: Client) -> None:
    """And is still called assumed."""
    send(client, ask("text"))
    prompt = Prompt("t@1", (Message("user", "one"),))
    assert client.size(prompt) == PromptSize(1, exact=True, around=7, replies=1)
    assert client.size(prompt).total == 8
    assert client.overhead.around(3) == Around(7 + 2 * client.backend.overhead, 0)
