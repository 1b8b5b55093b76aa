"""The Batch API against a real server: every call answered once, billed once, and found again after a death."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptops.backends.batch import Batched, gathering, lines, provider, sending
from promptops.backends.batch.sending import Pauses
from promptops.backends.openai import OpenAI
from promptops.budget import Budget
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.errors import (
    AccessError,
    BudgetError,
    CallError,
    QuotaError,
    RefusedError,
    RejectedError,
    ThrottledError,
)
from promptops.store import Batches, Database, key
from promptops.testing import KEY, MODEL, End, FakeOpenAI
from promptops.tokens import counter
from promptops.types import Call, Message, Reply, Tags, Totals

COUNTER = counter(tokenizer="o200k_base")
Outcome = Reply | BaseException


def ask(text: str, run: str = "run", words: int = 50) -> Call:
    """A question that the fake provider answers with ``text``."""
    return Call((Message("user", f"<document>\n{text}\n</document>"),), words, tags=Tags(run=run, step="map"))


def asked(number: int) -> list[Call]:
    """So many different questions."""
    return [ask(f"text {index} says") for index in range(number)]


async def answers(client: Client, calls: list[Call]) -> list[Outcome]:
    """What each call came to, asked all at once."""
    try:
        return await asyncio.gather(*map(client.complete, calls), return_exceptions=True)
    finally:
        await client.aclose()


def send(client: Client, calls: list[Call]) -> list[Outcome]:
    """The same, in an event loop of its own."""
    return asyncio.run(answers(client, calls))


def texts(outcomes: list[Outcome]) -> list[str | None]:
    """The answers, ``None`` for a failure."""
    return [outcome.text if isinstance(outcome, Reply) else None for outcome in outcomes]


def known(client: Client) -> Totals:
    """The ledger, without what is possibly billed."""
    return Totals.sum(row.totals for row in client.ledger.rows("run") if not row.possibly_billed)


def possibly(client: Client) -> int:
    """Attempts that stand as possibly billed."""
    return sum(row.totals.calls for row in client.ledger.rows("run") if row.possibly_billed)


def sizes(server: FakeOpenAI) -> list[int]:
    """The number of calls in each batch."""
    return [len(batch.lines) for batch in server.batches.made]


Connect = Callable[..., Client]


@pytest.fixture
def connect(fake_openai: FakeOpenAI, tmp_path: Path) -> Iterator[Connect]:
    """Makes clients over one store file, each with a connection of its own, as in processes of their own."""
    with ExitStack() as opened:

        def make(*, fresh: bool = False, key: str = KEY, budget: Budget | None = None, **more: Any) -> Client:
            inner = OpenAI("gpt-4o-mini", base_url=fake_openai.base_url, api_key=key, counter=COUNTER, window=8_000)
            database = Database(tmp_path / "store.db")
            options = {"quiet": 0.06, "pauses": Pauses(0.01, 1.2, 0.05)} | more
            backend = Batched(inner, database, fresh=fresh, **options)
            patience = Patience(first_wait=0.01, longest_wait=0.05)
            return opened.enter_context(Client(backend, database, budget=budget, fresh=fresh, patience=patience))

        yield make


def test_what_is_asked_together_is_one_batch(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Results are matched by id, whatever their order; the ledger is the bill at half the list price."""
    client = connect()
    assert texts(send(client, asked(20))) == [f"text {index} says" for index in range(20)]
    assert sizes(fake_openai) == [20]
    billed, sums = fake_openai.billed, known(client)
    assert (sums.calls, sums.input_tokens, sums.output_tokens) == (20, billed["input_tokens"], billed["output_tokens"])
    assert sums.usd == (Decimal("0.075") * billed["input_tokens"] + Decimal("0.3") * billed["output_tokens"]) / 10**6
    assert not client.database.query("SELECT 1 FROM batches UNION SELECT 1 FROM batch_calls")


def test_the_reply_is_the_models_own(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """What came in a batch answers the same call asked at once, and the other way round."""
    client = connect()
    send(client, asked(2))
    assert isinstance(client.backend, Batched)
    with Client(client.backend.inner, client.database) as plain:
        assert all(isinstance(reply, Reply) and reply.stored for reply in send(plain, asked(2)))
        send(plain, [ask("another")])
    (reply,) = send(connect(), [ask("another")])
    assert isinstance(reply, Reply)
    assert reply.stored
    assert sizes(fake_openai) == [2]


@pytest.mark.parametrize("fault", ["500", "429", "503", "no_choices", "error200"])
def test_only_what_failed_is_sent_again(fault: str, connect: Connect, fake_openai: FakeOpenAI) -> None:
    """In a next batch, which holds nothing else."""
    fake_openai.fail(fault, "", fault)
    client = connect()
    assert None not in texts(send(client, asked(10)))
    assert sizes(fake_openai) == [10, 2]
    first = Counter(one.body["messages"][0]["content"] for one in fake_openai.requests)
    assert sorted(first.values()) == [1] * 8 + [2] * 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [("400", RejectedError), ("content_filter", RefusedError), ("401", AccessError), ("quota", QuotaError)],
)
def test_what_no_other_try_mends_is_not_sent_again(
    fault: str, error: type[CallError], connect: Connect, fake_openai: FakeOpenAI
) -> None:
    """It fails by itself; the others have their answers."""
    fake_openai.fail(fault)
    outcomes = send(connect(), asked(3))
    assert [type(outcome) for outcome in outcomes] == [error, Reply, Reply]
    assert sizes(fake_openai) == [3]


def test_an_expired_batch_gives_what_it_has(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """The rest goes again; nothing is billed twice."""
    fake_openai.batches.ends.append(End("expired", after=3))
    client = connect()
    assert None not in texts(send(client, asked(8)))
    assert sizes(fake_openai) == [8, 5]
    assert fake_openai.billed["calls"] == known(client).calls == 8
    assert possibly(client) == 0


def test_a_batch_that_is_cancelled_at_the_provider_is_not_sent_again(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """What was done is kept; the rest is one clear line, and is sent when the run is run again."""
    fake_openai.batches.ends.append(End("cancelled", after=3))
    outcomes = send(connect(), asked(8))
    assert len([one for one in outcomes if isinstance(one, Reply)]) == 3
    left = [str(one) for one in outcomes if not isinstance(one, Reply)]
    assert all("cancelled at the provider; run again" in line for line in left)
    assert sizes(fake_openai) == [8]
    assert None not in texts(send(connect(), asked(8)))
    assert sizes(fake_openai) == [8, 5]


def test_a_validation_that_fails_says_why(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """For all of its calls, of which none is billed or sent again."""
    fake_openai.batches.ends.append(End("failed", faults=[("invalid_request", "No such thing.", None)]))
    client = connect()
    outcomes = send(client, asked(3))
    assert all(isinstance(one, RejectedError) and "No such thing." in str(one) for one in outcomes)
    assert (sizes(fake_openai), known(client).calls, possibly(client)) == ([3], 0, 0)


def test_a_validation_that_names_a_line_costs_that_line_only(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """The others go again without it."""
    fake_openai.batches.ends.append(End("failed", faults=[("invalid_json", "Line 2 is wrong.", 2)]))
    outcomes = send(connect(), asked(4))
    assert [type(one) for one in outcomes] == [Reply, RejectedError, Reply, Reply]
    assert sizes(fake_openai) == [4, 3]


def test_a_line_of_a_batch_that_another_run_sent_names_no_call(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Its order is not known any more, so all of it is sent again rather than the wrong call refused."""
    fake_openai.batches.ends.append(End("failed", faults=[("invalid_json", "Line 1 is wrong.", 1)]))
    fake_openai.batches.delay = 0.2
    asyncio.run(stopped(connect(), asked(3), lambda: fake_openai.batches.asked.get("state")))
    assert None not in texts(send(connect(), asked(3)[::-1]))
    assert sizes(fake_openai) == [3, 3]


def test_an_account_without_credit_stops_the_run(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """As it does outside of batches."""
    fault = ("billing_hard_limit_reached", "Billing hard limit has been reached.", None)
    fake_openai.batches.ends.append(End("failed", faults=[fault]))
    assert all(isinstance(one, QuotaError) for one in send(connect(), asked(2)))


def test_a_full_queue_is_filled_in_parts(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """More than the account may have waiting goes in halves, one after the other."""
    fake_openai.batches.most_calls = 3
    client = connect()
    assert None not in texts(send(client, asked(8)))
    assert sizes(fake_openai) == [8, 4, 2, 2, 4, 2, 2]
    assert known(client).calls == fake_openai.billed["calls"] == 8


def test_a_file_that_is_too_large_for_the_server_goes_in_parts(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Gateways take less than providers do."""
    fake_openai.batches.broken["upload"] = [413, 413]
    client = connect()
    assert None not in texts(send(client, asked(4)))
    assert sizes(fake_openai) == [1, 1, 2]
    assert known(client).calls == 4


def test_a_call_that_no_queue_takes_is_throttled(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """It waits as long as a queue takes to empty."""
    fake_openai.batches.most_calls = 0
    backend = connect().backend

    async def once() -> Outcome:
        (outcome,) = await asyncio.gather(backend.complete(ask("one")), return_exceptions=True)
        await backend.aclose()
        return outcome

    outcome = asyncio.run(once())
    assert isinstance(outcome, ThrottledError)
    assert outcome.retry_after == 60.0


def test_a_line_that_cannot_be_read_is_possibly_billed(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Its call is sent again; what it may have cost stands apart, so that no sum claims to know."""
    fake_openai.fail("", "malformed")
    client = connect()
    assert None not in texts(send(client, asked(4)))
    assert sizes(fake_openai) == [4, 1]
    assert (known(client).calls, possibly(client), fake_openai.billed["calls"]) == (4, 1, 5)


@pytest.mark.parametrize(
    ("line", "read"),
    [(b"", False), (b"{}", False), (b"[1]", False), (b"null", False), (b'{"custom_id": "xyz"}', False),
     (b'{"custom_id": 7}', False), (b"\xff", False), (b"[" * 9_999, False), (b'{"custom_id": "00ff"}', True)],
)  # fmt: skip
def test_any_line_can_be_read_or_not(line: bytes, read: bool) -> None:
    """None is an exception."""
    assert (lines.parsed(line) is not None) is read


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.sampled_from(["response", "error", "status_code", "body", "code", "message",
    "choices", "usage", "request_id"]), inner, max_size=4), max_leaves=12))  # fmt: skip
def test_any_entry_is_a_reply_or_an_error_of_ours(value: Any) -> None:
    """Whatever JSON stands in a line."""
    backend = OpenAI("gpt-4o-mini", base_url="http://127.0.0.1:9/v1", counter=COUNTER)
    for entry in ({"response": value}, {"error": value}, {"response": {"status_code": 200, "body": value}}):
        assert isinstance(lines.outcome(entry, ask("one"), backend), Reply | CallError)


def test_half_a_character_fails_its_own_call(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """No line can hold it; the others go."""
    outcomes = send(connect(), [ask("one"), ask("half \ud800"), ask("끝줄\u2028\x85 two")])
    assert [type(one) for one in outcomes] == [Reply, RejectedError, Reply]
    assert sizes(fake_openai) == [2]


def test_a_wrong_key_is_said_once(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """And nothing is sent with it again."""
    outcomes = send(connect(key="wrong"), asked(3))
    assert all(isinstance(one, AccessError) and "set OPENAI_API_KEY" in str(one) for one in outcomes)
    assert fake_openai.batches.asked == {"upload": 1}
    assert None not in texts(send(connect(), asked(3)))


def test_a_server_without_a_batch_api_is_one_clear_line(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """It names the mend."""
    fake_openai.batches.enabled = False
    (outcome,) = send(connect(), [ask("one")])
    assert isinstance(outcome, AccessError)
    assert str(outcome).endswith("this server has no Batch API (404); run without --batch")


def test_a_level_too_large_for_one_batch_is_several(
    connect: Connect, fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the number of calls and by the size of the file."""
    monkeypatch.setattr(sending, "MOST_CALLS", 4)
    assert None not in texts(send(connect(), asked(10)))
    assert sorted(sizes(fake_openai)) == [2, 4, 4]
    backend = connect().backend
    assert isinstance(backend, Batched)
    length = len(lines.written(bytes(32), ask("text 0 means"), backend.inner))
    monkeypatch.setattr(sending, "MOST_BYTES", 3 * length)
    fake_openai.batches.made.clear()
    assert None not in texts(send(connect(), [ask(f"text {index} means") for index in range(9)]))
    assert sizes(fake_openai) == [3, 3, 3]


def test_a_full_batch_does_not_wait_for_quiet(
    connect: Connect, fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing more that could join it."""
    monkeypatch.setattr(gathering, "MOST_CALLS", 3)
    assert None not in texts(send(connect(quiet=3_600.0), asked(6)))
    assert sizes(fake_openai) == [3, 3]


def test_nothing_is_sent_while_more_is_prepared(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """A document that is still being read will ask as well."""
    client = connect()

    async def work() -> list[Outcome]:
        with client.preparing():
            early = asyncio.ensure_future(client.complete(ask("early")))
            await asyncio.sleep(0.4)
            assert not fake_openai.batches.asked
            late = asyncio.ensure_future(client.complete(ask("late")))
        try:
            return [await early, await late]
        finally:
            await client.aclose()

    assert texts(asyncio.run(work())) == ["early", "late"]
    assert sizes(fake_openai) == [2]


async def until(condition: Callable[[], object]) -> None:
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


async def stopped(client: Client, calls: list[Call], when: Callable[[], object]) -> None:
    """A run that is interrupted."""
    task = asyncio.ensure_future(answers(client, calls))
    await until(when)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_stopped_run_leaves_its_batch_and_the_next_finds_it(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Nothing is sent twice, and what it cost is in the ledger once, as known."""
    fake_openai.batches.delay = 0.3
    first = connect()
    asyncio.run(stopped(first, asked(5), lambda: fake_openai.batches.asked.get("state")))
    assert isinstance(first.backend, Batched)
    assert list(first.backend.under_way) == ["batch_1"]
    assert possibly(first) == 5
    second = connect()
    assert None not in texts(send(second, asked(7)))
    assert sizes(fake_openai) == [5, 2]
    assert possibly(second) == 0
    assert known(second).calls == fake_openai.billed["calls"] == 7
    assert known(second).input_tokens == fake_openai.billed["input_tokens"]


def test_results_that_were_not_all_asked_for_wait_on(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """A later run that asks for a part leaves the rest to the next."""
    fake_openai.batches.delay = 0.2
    asyncio.run(stopped(connect(), asked(5), lambda: fake_openai.batches.asked.get("state")))
    assert None not in texts(send(connect(), asked(2)))
    assert None not in texts(send(connect(), asked(5)))
    assert sizes(fake_openai) == [5]


def test_what_had_expired_meanwhile_is_taken_and_the_rest_sent_again(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Long after the process that sent it."""
    fake_openai.batches.ends.append(End("expired", after=2))
    fake_openai.batches.delay = 0.2
    asyncio.run(stopped(connect(), asked(5), lambda: fake_openai.batches.asked.get("state")))
    client = connect()
    assert None not in texts(send(client, asked(5)))
    assert sizes(fake_openai) == [5, 3]
    assert known(client).calls == fake_openai.billed["calls"] == 5


@pytest.mark.parametrize("quiet", [0.01, 3_600.0], ids=["sent", "waiting"])
def test_closing_the_client_tells_whoever_waits(quiet: float, connect: Connect, fake_openai: FakeOpenAI) -> None:
    """None of them waits for ever."""
    fake_openai.batches.delay = 3_600.0
    client = connect(quiet=quiet)

    async def work() -> Outcome:
        going = asyncio.ensure_future(client.complete(ask("one")))
        there = (lambda: fake_openai.batches.asked.get("state")) if quiet < 1 else (lambda: attempts(client))
        await until(there)
        await client.aclose()
        (outcome,) = await asyncio.gather(going, return_exceptions=True)
        return outcome

    assert isinstance(asyncio.run(work()), CallError)
    assert possibly(client) == (quiet < 1)


def attempts(client: Client) -> int:
    return int(client.database.query("SELECT count(*) FROM attempts")[0][0])


def test_a_run_stopped_before_anything_was_sent_costs_nothing(connect: Connect) -> None:
    """Nothing stands as possibly billed."""
    client = connect(quiet=3_600.0)
    asyncio.run(stopped(client, asked(3), lambda: attempts(client)))
    assert (possibly(client), known(client).calls) == (0, 0)


@pytest.mark.parametrize("status", [None, 400])
def test_a_call_given_up_during_the_upload_is_in_the_ledger(
    status: int | None, connect: Connect, fake_openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent all the same, unless the provider refuses the upload."""
    client, reached = connect(), asyncio.Event()
    upload = provider.Provider.upload

    async def slow(self: provider.Provider, file: IO[bytes]) -> str:
        reached.set()
        await asyncio.sleep(0.2)
        return await upload(self, file)

    async def work() -> list[Outcome]:
        going = [asyncio.ensure_future(client.complete(call)) for call in asked(2)]
        await reached.wait()
        going[0].cancel()
        outcomes = await asyncio.gather(*going, return_exceptions=True)
        await client.aclose()
        return outcomes

    monkeypatch.setattr(provider.Provider, "upload", slow)
    fake_openai.batches.broken["upload"] = [status] if status else []
    asyncio.run(work())
    assert sizes(fake_openai) == ([] if status else [2])
    assert (known(client).calls, possibly(client)) == ((0, 0) if status else (1, 1))
    monkeypatch.undo()
    assert None not in texts(send(connect(), asked(2)))
    assert (known(client).calls, possibly(client)) == (2, 0)
    assert known(client).input_tokens == fake_openai.billed["input_tokens"]


@pytest.mark.parametrize("status", [500, 502])
def test_a_batch_whose_beginning_was_not_heard_is_found(status: int, connect: Connect, fake_openai: FakeOpenAI) -> None:
    """It was begun, but the answer was lost: its token is in the provider's list."""
    fake_openai.batches.broken["create"] = [status]
    client = connect()
    assert None not in texts(send(client, asked(3)))
    assert sizes(fake_openai) == [3]
    assert fake_openai.batches.asked["list"] == 1
    assert known(client).calls == fake_openai.billed["calls"] == 3


def test_a_batch_that_was_never_begun_is_sent(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """A process died between its claim and the provider."""
    database = connect().database
    dead = database.execute(
        "INSERT INTO attempts (at, run, chain, step, template, document, model, status, calls, input, cached, output,"
        " reasoning, picodollars, estimated) VALUES (0, 1, 1, 1, 1, 1, 1, 'sent', 1, 9, 0, 9, 0, 9, 1)"
    )
    client = connect()
    keys = [key(call, client.backend.identity) for call in asked(2)]
    token, mine = Batches(database).claim([(key, dead) for key in keys], anew=False)
    assert mine == set(keys)
    Batches(database).release(token)
    assert None not in texts(send(client, asked(2)))
    assert sizes(fake_openai) == [2]
    assert possibly(client) == 0
    assert Batches(database).get(token) is None


@pytest.mark.parametrize("what", ["upload", "state", "content"])
def test_a_server_that_fails_for_a_while_loses_nothing(what: str, connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Whichever request it is."""
    fake_openai.batches.broken[what] = [503, 500]
    client = connect()
    assert None not in texts(send(client, asked(3)))
    assert sizes(fake_openai) == [3]
    assert known(client).calls == fake_openai.billed["calls"] == 3


def test_results_that_the_provider_has_deleted_are_asked_for_again(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """They were paid for, so that they stand as possibly billed."""
    fake_openai.batches.broken["content"] = [500]
    client = connect(pauses=Pauses(0.3, 1.0, 0.3))

    async def work() -> list[Outcome]:
        going = asyncio.ensure_future(answers(client, asked(2)))
        await until(lambda: fake_openai.batches.asked.get("content"))
        fake_openai.batches.forget()
        return await going

    assert None not in texts(asyncio.run(work()))
    assert sizes(fake_openai) == [2, 2]
    assert (known(client).calls, possibly(client), fake_openai.billed["calls"]) == (2, 2, 4)


def test_a_batch_of_another_account_is_not_paid_for_again(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """One line says which it is, and the two ways on."""
    fake_openai.batches.delay = 0.2
    asyncio.run(stopped(connect(), asked(2), lambda: fake_openai.batches.asked.get("state")))
    fake_openai.batches.made.clear()
    outcomes = send(connect(), asked(2))
    assert all(isinstance(one, AccessError) and "--fresh to ask everything again" in str(one) for one in outcomes)
    assert fake_openai.batches.asked["create"] == 1
    assert None not in texts(send(connect(fresh=True), asked(2)))


def test_fresh_asks_again(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Whatever waits in an earlier batch."""
    fake_openai.batches.delay = 0.1
    asyncio.run(stopped(connect(), asked(2), lambda: fake_openai.batches.asked.get("state")))
    assert None not in texts(send(connect(fresh=True), asked(2)))
    assert None not in texts(send(connect(fresh=True), asked(2)))
    assert sizes(fake_openai) == [2, 2, 2]


def test_two_at_once_send_the_same_calls_once(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Whoever claims a call sends it; the other waits for the same batch, and the ledger holds it once."""
    fake_openai.batches.delay = 0.3
    one, other = connect(), connect()

    async def both() -> list[list[Outcome]]:
        return list(await asyncio.gather(answers(one, asked(6)), answers(other, asked(9))))

    mine, theirs = asyncio.run(both())
    assert None not in texts(mine) + texts(theirs)
    assert sum(sizes(fake_openai)) == 9
    assert (known(one).calls, possibly(one)) == (9, 0)
    assert known(one).input_tokens == fake_openai.billed["input_tokens"]


def test_an_answer_that_came_meanwhile_is_not_sent_for(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """Another process may be done between a call's asking and its batch."""
    slow = connect(quiet=0.6)

    async def both() -> list[list[Outcome]]:
        return list(await asyncio.gather(answers(slow, asked(3)), answers(connect(), asked(3))))

    mine, theirs = asyncio.run(both())
    assert texts(mine) == texts(theirs) == ["text 0 says", "text 1 says", "text 2 says"]
    assert sizes(fake_openai) == [3]
    assert known(slow).calls == 3


def test_a_budget_holds_at_the_batch_price(connect: Connect, fake_openai: FakeOpenAI) -> None:
    """What could pass the cap waits for the refund of what went, and is not sent where there is none."""
    calls = [ask(f"text {index} " * 40, words=41) for index in range(60)]
    price = connect().backend.price
    assert price is not None
    whole = sum((price.cost(replace(Reply("").usage, input_tokens=COUNTER.count(call.messages[0].content) + 7,
                                    output_tokens=40)) for call in calls), Decimal(0))  # fmt: skip
    cap = whole * 2 / 5
    client = connect(budget=Budget(cap))
    outcomes = send(client, calls)
    spent = known(client).usd
    assert spent is not None
    assert Decimal("0.8") * cap <= spent <= cap
    assert {type(one) for one in outcomes} == {Reply, BudgetError}


def test_a_model_without_a_known_batch_price_has_none(fake_openai: FakeOpenAI) -> None:
    """Half of the list price would be a guess, which is wrong for some."""
    for model in ("o1-mini", "no-such-model"):
        inner = OpenAI(model, base_url=fake_openai.base_url, counter=COUNTER)
        assert Batched(inner, Database()).price is None


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(st.sampled_from(["", "", "", "500", "429", "400", "no_choices", "refusal", "length"]), max_size=12),
    ends=st.lists(
        st.sampled_from([End(), End("expired", after=0), End("expired", after=2), End("cancelled", after=1)]),
        max_size=3,
    ),
)
def test_whatever_happens_every_call_is_settled_and_the_ledger_is_the_bill(
    faults: list[str], ends: list[End], connect: Connect, fake_openai: FakeOpenAI
) -> None:
    """To the token; and no reply is paid for twice, however often it is run again."""
    fake_openai.fail(*faults)
    fake_openai.batches.ends.extend(ends)
    client, before = connect(fresh=True), Counter(fake_openai.billed)
    since = client.database.query("SELECT max(id) FROM attempts")[0][0] or 0
    outcomes = send(client, asked(6))
    fake_openai._faults.clear()
    fake_openai.batches.ends.clear()
    assert all(isinstance(one, Reply | CallError) for one in outcomes)
    rows = client.database.query("SELECT calls, input, output, status FROM attempts WHERE id > ?", (since,))
    billed = Counter(fake_openai.billed)
    billed.subtract(before)
    assert sum(row[0] for row in rows) == billed["calls"]
    assert sum(row[1] for row in rows) == billed["input_tokens"]
    assert sum(row[2] for row in rows) == billed["output_tokens"]
    assert not [row for row in rows if row[3] in ("sent", "possibly_billed")]


def test_a_run_without_credit_sends_no_further_batch() -> None:
    """What waited for the budget meanwhile is held back, and costs nothing."""
    with FakeOpenAI() as server:
        server.fail(*["quota"] * 10)
        database = Database()
        inner = OpenAI(MODEL, base_url=server.base_url, api_key=KEY, counter=counter(MODEL))
        batched = Batched(inner, database, quiet=0.1, pauses=Pauses(first=0.05))
        client = Client(batched, database, budget=Budget(max_tokens=100))
        calls = [Call((Message("user", f"number {n}"),), 20, tags=Tags(run="run")) for n in range(6)]

        async def all_of() -> list[Reply | BaseException]:
            found = await asyncio.gather(*map(client.complete, calls), return_exceptions=True)
            await client.aclose()
            return found

        found = asyncio.run(all_of())
        client.close()
        assert {type(one) for one in found} == {QuotaError}
        assert len(server.batches.made) == 1
