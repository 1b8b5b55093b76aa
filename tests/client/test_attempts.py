"""What happens to one attempt: whatever a backend does, and however it is cancelled."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

import promptops as po
from promptops.backends.openai import OpenAI
from promptops.backends.scripted import Scripted
from promptops.budget import Budget
from promptops.ceilings import Ceiling, ceiling
from promptops.client import Client
from promptops.client.attempts import _sound
from promptops.client.verdict import Patience
from promptops.errors import CallError, QuotaError, ThrottledError, TransientError, UsageError
from promptops.testing import KEY, FakeOpenAI
from promptops.tokens import counter
from promptops.types import Call, Message, Reply, Sampling, Source, Tags, ToolCall, Totals, Usage

COUNTER = counter(tokenizer="o200k_base")
QUICK = Patience(first_wait=0.001, longest_wait=0.002)


@pytest.mark.parametrize("asked", [Sampling(logprobs=0), Sampling(loras=(("style", 1.0),))])
def test_what_a_backend_cannot_do_is_refused_and_not_left_out(asked: Sampling) -> None:
    """Log-probabilities and adapters: in one line that names the model, and nothing is sent."""
    with po.connect() as client:
        with pytest.raises(UsageError, match=r"^extractive (gives no log-probabilities|has no adapters)"):
            asyncio.run(client.complete(Call((Message("user", "A river."),), 20, sampling=asked)))
        assert statuses(client) == {}


class Odd:
    """A backend that somebody wrote, which answers with whatever it is given."""

    name = identity = "odd"
    window, overhead, reasoning = 8_000, 0, 0
    counter, price = COUNTER, None

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def complete(self, call: Call) -> Reply:
        reply: Reply = self.answer
        return reply

    async def aclose(self) -> None:
        pass


def ask(text: str = "text") -> Call:
    return Call((Message("user", text),), 20, tags=Tags(run="run", document=text))


def statuses(client: Client) -> dict[str, int]:
    return dict(client.database.query("SELECT status, count(*) FROM attempts GROUP BY 1"))


def after(seconds: float) -> Callable[[Call], Awaitable[str]]:
    async def answer(call: Call) -> str:
        await asyncio.sleep(seconds)
        return "x."

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        "a text",
        None,
        Reply(None),
        Reply(b"x"),
        Reply("x", Usage(None)),
        Reply("x", Usage(-1)),
        Reply("x", Usage(10**30)),
    ],  # type: ignore[arg-type]
)
def test_what_is_no_reply_is_a_call_error_that_says_so(answer: Any) -> None:
    """People write backends of their own; it may have been billed."""
    client = Client(Odd(answer))
    with pytest.raises(CallError, match=r"odd failed: TypeError: (it answered with|the text|the usage)"):
        asyncio.run(client.complete(ask()))
    assert statuses(client) == {"possibly_billed": 1}


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a"), KeyError("b"), TimeoutError(), StopIteration(), asyncio.CancelledError()],
)
def test_whatever_a_backend_raises_fails_its_document_alone(error: BaseException) -> None:
    """Even a cancellation that nobody asked for; it may have been billed."""

    def answer(call: Call) -> str:
        if call.tags.document == "a":
            raise error
        return "fine."

    client = po.connect(Scripted(answer=answer))
    result = po.run("summarize", [Source("a", text="one"), Source("b", text="two")], client)
    assert [document.status for document in result.documents] == ["failed", "ok"]
    assert statuses(client) == {"ok": 1, "possibly_billed": 1}


def test_an_error_instead_of_sending_costs_nothing() -> None:
    """A backend that finds an option wrong has sent nothing."""

    def answer(call: Call) -> str:
        raise UsageError("that cannot be asked")

    client = Client(Scripted(answer=answer), budget=Budget(max_tokens=1_000))
    with pytest.raises(UsageError, match="that cannot be asked"):
        asyncio.run(client.complete(ask()))
    assert client.budget.settled.tokens == 0
    assert not any(row.possibly_billed for row in client.ledger.rows("run"))


@pytest.mark.parametrize(
    "lacking", ["name", "identity", "window", "overhead", "reasoning", "counter", "price", "aclose"]
)
def test_a_backend_that_lacks_something_is_told_what(lacking: str) -> None:
    """Wherever a model is named."""
    kept = {name: value for name, value in vars(Odd).items() if name not in (lacking, "__dict__", "__weakref__")}
    backend = type("Mine", (), kept)("x")
    for use in (po.connect, Client, lambda model: po.plan("summarize", Source("a", text="b"), model)):
        with pytest.raises(UsageError, match=f"Mine is no backend yet: it lacks {lacking} "):
            use(backend)


def test_what_was_cancelled_before_it_was_sent_is_not_spent() -> None:
    """Only attempts in flight count as spent, and cancelling a run sends nothing more."""
    client = Client(Scripted(answer=after(5)), budget=Budget(max_tokens=10**6), concurrency=2)
    text = "".join(f"Line {number} of the text is this one. " for number in range(400))

    async def cancelled() -> None:
        await asyncio.wait_for(po.arun("summarize", [Source("a", text=text)], client, chunk_tokens=100), 0.5)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert statuses(client) == {"sent": 2}
    assert client.budget.settled.tokens == sum(row.totals.tokens for row in client.ledger.rows("run"))


def test_cancelled_twins_stay_cancelled() -> None:
    """None of them takes the other's cancellation for a reason to send again."""
    client = Client(Scripted(answer=after(0.2)))

    async def three() -> list[Any]:
        tasks = [asyncio.create_task(client.complete(ask())) for _ in range(3)]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(one, asyncio.CancelledError) for one in asyncio.run(three()))
    assert statuses(client) == {"sent": 1}


def test_the_failure_that_a_cancelled_twin_waited_for_is_no_loose_end() -> None:
    """The one that sent the call has raised it; nothing else is to be said of it."""
    loose: list[dict[str, Any]] = []

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: loose.append(context))

        async def answer(call: Call) -> str:
            await asyncio.sleep(0.02)
            raise QuotaError("no credit")

        client = Client(Scripted(answer=answer))
        first, twin = (asyncio.create_task(client.complete(ask())) for _ in range(2))
        await asyncio.sleep(0.01)
        twin.cancel()
        with pytest.raises(QuotaError):
            await first
        with pytest.raises(asyncio.CancelledError):
            await twin
        await asyncio.sleep(0)

    asyncio.run(scene())
    gc.collect()
    assert not loose


def test_runs_leave_no_event_loop_behind(fake_openai: FakeOpenAI) -> None:
    """A client that lives as long as its process must not grow with every run."""
    with connected(fake_openai) as client:
        for number in range(4):
            sources = [Source(f"{number} {place}", text=f"River {place} of {number}.") for place in range(20)]
            assert po.run("summarize", sources, client, corpus=False).status == "ok"
        gc.collect()
        closed = [one for one in gc.get_objects() if isinstance(one, asyncio.AbstractEventLoop) and one.is_closed()]
        held = [one for one in closed if one in client._doors]
    assert len(held) <= 1
    assert client._line is not None
    assert not client._line._heap


def test_a_sibling_keeps_to_the_same_limits_and_is_heard(fake_openai: FakeOpenAI) -> None:
    """What was told of requests and tokens a minute, the places that may grow, and who listens."""
    with connected(fake_openai, rpm=7, tpm=90_000) as client:
        other = client.sibling("gpt-4o")
        limits = other._admission._gate.limits
        assert {key: limit.capacity for key, limit in limits.items()} == {
            ("requests", True): 7, ("tokens", True): 90_000
        }  # fmt: skip
        assert other._growing == client._growing is True
        heard: list[Totals] = []
        with client.listening(lambda _, totals: heard.append(totals)):
            asyncio.run(other.complete(ask()))
        assert [totals.calls for totals in heard] == [1]


def test_a_twin_sends_the_call_itself_where_the_first_is_cancelled() -> None:
    """Somebody still waits for it."""
    client = Client(Scripted(answer=after(0.1)))

    async def two() -> Reply:
        first, second = (asyncio.create_task(client.complete(ask())) for _ in range(2))
        await asyncio.sleep(0.02)
        first.cancel()
        return await second

    assert asyncio.run(two()).text == "x."


def test_each_kind_of_failure_has_its_own_patience() -> None:
    """Having waited for a place many times is no reason to give up on the first 500."""
    said = [*[ThrottledError("slow down", retry_after=0.0)] * 8, TransientError("500"), "an answer."]
    client = Client(Scripted(said), patience=QUICK)
    assert asyncio.run(client.complete(ask())).text == "an answer."


def connected(server: FakeOpenAI, **options: Any) -> Client:
    backend = OpenAI("gpt-4o-mini", base_url=server.base_url, api_key=KEY, counter=COUNTER, window=8_000)
    return Client(backend, **options)


def test_a_run_that_ends_leaves_another_its_cut_replies() -> None:
    """The other is killed then, and goes on without paying for them again."""
    asked: list[int] = []
    cut = asyncio.Event()

    async def answer(call: Call) -> Reply | str:
        if call.tags.document == "quick":
            return "fine."
        asked.append(call.take)
        if not call.take:
            return Reply("It was cut in the mid", finish="length")
        if len(asked) == 2:
            cut.set()
            await asyncio.sleep(60)
        return "whole."

    async def scene() -> po.Result:
        client = Client(Scripted(answer=answer))
        killed = asyncio.create_task(po.arun("summarize", [Source("slow", text="A line.")], client))
        await cut.wait()
        await po.arun("summarize", [Source("quick", text="Another line.")], client)
        killed.cancel()
        await asyncio.wait([killed])
        return await po.arun("summarize", [Source("slow", text="A line.")], client)

    assert asyncio.run(scene()).status == "ok"
    assert asked == [0, 1, 1]


def test_cut_replies_of_a_step_with_a_model_of_its_own_are_forgotten_too() -> None:
    """At the end of the run, like all others of it."""
    client = Client(Scripted(answer=lambda _: "whole."))
    other = Scripted(answer=lambda _: Reply("It was cut in the mid", finish="length"))
    other.identity = other.name = "scripted:other"
    result = po.run("summarize", [Source("one", text="A line.")], client, models={"map": other})
    assert (result.status, len(other.calls)) == ("incomplete", 2)
    assert not client.database.query("SELECT key FROM replies WHERE NOT final")


def test_a_run_that_ends_leaves_another_its_connections(fake_openai: FakeOpenAI) -> None:
    """Two runs at once on one client, the first of them over in no time."""
    fake_openai.latency = 0.05
    backend = OpenAI("m", base_url=fake_openai.base_url, api_key=KEY, counter=COUNTER, window=8_000)
    client = Client(backend, concurrency=4)
    long = "".join(f"Line {number} of the text is this one. " for number in range(400))

    async def both() -> list[po.Result]:
        sources = [Source("short", text="A line.")], [Source("long", text=long)]
        return await asyncio.gather(*(po.arun("summarize", texts, client, chunk_tokens=300) for texts in sources))

    assert [result.status for result in asyncio.run(both())] == ["ok", "ok"]
    assert set(statuses(client)) == {"ok"}


def test_half_a_character_in_a_reply_is_no_reason_to_pay_again() -> None:
    """Some servers cut an answer in the middle of an emoji; the rest of it is kept, and can be sent on."""
    client = Client(Scripted(["half \ud83d of it", "never asked"]))
    for stored in (False, True):
        reply = asyncio.run(client.complete(ask()))
        assert (reply.text, reply.stored) == ("half \ufffd of it", stored)


def test_what_is_kept_of_a_reply_is_whole_text() -> None:
    """Half characters in a text or in a tool's arguments could not be stored, and would be paid for again."""
    reply = _sound(Reply("a\ud83d", tool_calls=(ToolCall("1", "t", '{"a": "\ud83d"}'),)))
    assert (reply.text, reply.tool_calls[0].arguments) == ("a\ufffd", '{"a": "\ufffd"}')


def test_calls_that_are_held_back_cost_nothing_and_are_not_tried_again() -> None:
    """They raise the error that stopped their run, though that one may have been billed."""
    answered = 0

    def answer(call: Call) -> Exception:
        nonlocal answered
        answered += 1
        return QuotaError("no credit", billed=True, usage=Usage(10, 0, 1))

    backend, budget = Scripted(answer=answer), Budget(max_tokens=10_000)
    with Client(backend, budget=budget, concurrency=1) as client:

        async def all_of() -> list[Reply | BaseException]:
            those = (ask(f"number {n}") for n in range(10))
            return await asyncio.gather(*map(client.complete, those), return_exceptions=True)

        found = asyncio.run(all_of())
    assert {type(one) for one in found} == {QuotaError}
    assert (answered, budget.settled.tokens) == (1, 11)


def test_a_call_that_is_cancelled_while_it_waits_is_cancelled_like_any_other() -> None:
    """A time-out knows it by its class; and no cap of the process holds anything of it."""

    class Slow(Scripted):
        async def complete(self, call: Call) -> Reply:
            await asyncio.sleep(5)
            return await super().complete(call)

    with Client(Slow(answer=lambda _: "late"), concurrency=1) as client, ceiling(Ceiling(max_tokens=100_000)) as cap:

        async def both() -> None:
            first = asyncio.create_task(client.complete(ask("first")))
            await asyncio.sleep(0.05)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.complete(ask("second"))
            first.cancel()
            with suppress(asyncio.CancelledError):
                await first

        asyncio.run(both())
        assert cap.used is not None
        assert cap.budget._reserved.tokens == 0


def test_a_listener_that_fails_costs_nobody_a_reply(caplog: pytest.LogCaptureFixture) -> None:
    """What is paid for is kept, in the ledger and for the caller."""

    def listener(tags: Tags, totals: Totals) -> None:
        raise RuntimeError("broken")

    with Client(Scripted(answer=lambda _: "said")) as client, client.listening(listener):
        assert asyncio.run(client.complete(ask("one"))).text == "said"
        (row,) = client.ledger.rows("run")
    assert row.possibly_billed is False
    assert "a listener of the client failed" in caplog.text


def test_threads_of_one_client_pay_once_for_equal_calls() -> None:
    """Whichever asks while another's answer is on its way into the store."""

    class Slow(Scripted):
        async def complete(self, call: Call) -> Reply:
            await asyncio.sleep(0.001)
            return await super().complete(call)

    backend = Slow(answer=lambda _: "said")
    with Client(backend) as client:

        async def all_of() -> None:
            await asyncio.gather(*(client.complete(ask(str(number))) for number in range(30)))

        threads = [threading.Thread(target=lambda: asyncio.run(all_of())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(backend.calls) == 30
