"""A fifth of all calls meets a fault, for each fault in turn: nothing is lost, nothing is paid twice, all is accounted.

By the server's own record of what it did.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from promptops.backends.openai import OpenAI
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.errors import AccessError, CallError, QuotaError, RefusedError
from promptops.prices import price
from promptops.store import Database
from promptops.testing import FAULTS, KEY, FakeOpenAI, Fault, Seen
from promptops.tokens import counter
from promptops.types import Call, Message, Reply, Tags, Totals

COUNTER = counter(tokenizer="o200k_base")
CALLS = 40
QUICK = Patience(first_wait=0.01, longest_wait=0.05)

STATUSES = ("408", "409", "425", "429", "500", "502", "503", "504", "529")
UNHEARD = {"drop", "reset", "reset_body", "hang", "malformed", "not_object", "error200"}
"""Faults after which the client cannot know whether it was billed, and what."""
ANSWERED = {"", "slow", "length", "empty", "no_usage", "zero_usage"}
"""What comes back as a reply, so that it must not be asked for again."""
ENDING = {"quota": QuotaError, "html": AccessError}
"""Faults that stop a run, since every further call would meet them."""
FAILING = {"content_filter": RefusedError, "refusal": RefusedError}
"""Faults that end one call, since it would meet them again."""


def calls(run: str) -> list[Call]:
    texts = (
        f"<document>\nText {number} says so. {'One more line of it. ' * 12}\n</document>" for number in range(CALLS)
    )
    return [Call((Message("user", text),), 60, tags=Tags(run)) for text in texts]


def send(server: FakeOpenAI, path: Path, run: str, seconds: float) -> list[Reply | BaseException]:
    """All calls at once, in a process's worth of client, each with so long."""
    backend = OpenAI(
        "gpt-4o-mini", base_url=server.base_url, api_key=KEY, counter=COUNTER, window=8_000, timeout=seconds
    )
    backend.price = price("gpt-4o-mini")

    async def go() -> list[Reply | BaseException]:
        try:
            return await asyncio.gather(*map(client.complete, calls(run)), return_exceptions=True)
        finally:
            await client.aclose()

    with Client(backend, Database(path), patience=QUICK, concurrency=16) as client:
        return asyncio.run(go())


def told(server: FakeOpenAI) -> list[Seen]:
    """What the server billed and the client can know of."""
    return [seen for seen in server.requests if seen.billed and seen.fault not in UNHEARD]


@pytest.mark.parametrize("fault", [*FAULTS, *STATUSES])
def test_a_storm_of_one_fault(fault: str, tmp_path: Path) -> None:
    """Every reply arrives, at the latest when it is run again; sums are the server's to the token."""
    path = tmp_path / "store.db"
    with FakeOpenAI() as server:
        pause, patience = (0.1 if fault == "slow" else 60.0), (2.0 if fault == "hang" else 30.0)
        server.fail(*[Fault(fault if turn % 5 == 2 else "", seconds=pause) for turn in range(CALLS)])
        outcomes = send(server, path, "first", patience)
        met = sum(seen.fault == fault for seen in server.requests)
        _check_ends(fault, outcomes, met)
        server.mend()
        replies = send(server, path, "second", patience)
        assert all(isinstance(reply, Reply) for reply in replies)
        answered = Counter(str(seen.body["messages"]) for seen in server.requests if seen.fault in ANSWERED)
        assert set(answered.values()) == {1}
        assert len(answered) == CALLS
        _check_sums(server, path, met)


def _check_ends(fault: str, outcomes: list[Reply | BaseException], met: int) -> None:
    """What the first sending of all of them comes to."""
    failures = [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]
    if fault in ENDING:
        assert met >= 1
        assert set(failures) == {ENDING[fault]}
    elif fault in FAILING:
        assert failures == [FAILING[fault]] * met
        assert met == CALLS // 5
    else:
        assert failures == []
        assert met >= CALLS // 5


def _check_sums(server: FakeOpenAI, path: Path, met: int) -> None:
    """The ledger is the bill; what was cut off stands apart, at no less than it can have cost."""
    with Client(OpenAI("m", base_url=server.base_url, counter=COUNTER), Database(path)) as client:
        rows = client.ledger.rows("model")
    known = Totals.sum(row.totals for row in rows if not row.possibly_billed)
    unheard = Totals.sum(row.totals for row in rows if row.possibly_billed)
    billed = told(server)
    assert (known.calls, known.input_tokens, known.output_tokens) == (
        len(billed),
        sum(seen.input_tokens for seen in billed),
        sum(seen.output_tokens for seen in billed),
    )
    assert unheard.calls == sum(seen.fault in UNHEARD for seen in server.requests)
    lost = [seen for seen in server.requests if seen.billed and seen.fault in UNHEARD]
    assert unheard.input_tokens >= sum(seen.input_tokens for seen in lost)
    assert unheard.output_tokens >= sum(seen.output_tokens for seen in lost)
    assert len(server.requests) <= 2 * CALLS + met


def test_the_faults_are_all_sorted() -> None:
    """Each fault of the fake provider stands in one of these lists, or is answered at the second try."""
    again = {"no_choices", "null_choices", "no_message"}
    sorted_out = [UNHEARD, ANSWERED - {""}, set(ENDING), set(FAILING), again]
    assert sorted(name for group in sorted_out for name in group) == sorted(FAULTS)
    assert all(issubclass(kind, CallError) for kind in (*ENDING.values(), *FAILING.values()))


def test_more_calls_at_once_than_a_machine_has_sockets_for(tmp_path: Path) -> None:
    """Fifteen hundred calls keep to their places, and none is lost to a connection that could not be made."""
    with FakeOpenAI(answer=lambda _: "Fine.") as server:
        backend = OpenAI("gpt-4o-mini", base_url=server.base_url, api_key=KEY, counter=COUNTER, window=8_000)
        with Client(backend, concurrency=64) as client:

            async def go() -> list[Reply]:
                asked = [Call((Message("user", f"{number}?"),), 9, tags=Tags("run")) for number in range(1_500)]
                return await asyncio.gather(*map(client.complete, asked))

            assert len(asyncio.run(go())) == len(server.requests) == 1_500
        assert server.most_in_flight <= 64
