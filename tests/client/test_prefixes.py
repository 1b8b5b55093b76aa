"""Calls with a common beginning: the first goes alone, the rest find it in the provider's prompt cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.backends.openai import OpenAI
from promptops.backends.scripted import Scripted
from promptops.client import Client, prefixes
from promptops.client.prefixes import Prefixed, discounted
from promptops.errors import RejectedError
from promptops.prices import FREE, price
from promptops.store import Database
from promptops.testing import KEY, FakeOpenAI, Fault
from promptops.tokens import counter
from promptops.types import Call, Message, Reply, Tags, Usage

COUNTER = counter(tokenizer="o200k_base")
RULES = "Keep to the rule that every river is named once and every bridge is counted. " * 100
DOCUMENT = "The delta has grown by another hand's breadth since the last flood, they say. " * 500


def asked(system: str, *users: str) -> list[Call]:
    return [Call((Message("system", system), Message("user", user)), 40, tags=Tags("run")) for user in users]


def send(server: FakeOpenAI, calls: Sequence[Call], *, priced: bool = True, **options: Any) -> Client:
    """All calls at once; the client, to look at its ledger."""
    backend = OpenAI("gpt-4o-mini", base_url=server.base_url, api_key=KEY, counter=COUNTER, window=60_000, **options)
    backend.price = price("gpt-4o-mini") if priced else None
    client = Client(backend, Database(), concurrency=64)

    async def all_of_them() -> None:
        await asyncio.gather(*map(client.complete, calls))
        await client.aclose()

    asyncio.run(all_of_them())
    return client


@pytest.mark.parametrize(
    "calls",
    [
        asked(RULES, *(f"River {number}?" for number in range(16))),
        asked("Answer.", *(f"{DOCUMENT}\n\nRiver {number}?" for number in range(16))),
    ],
    ids=["a long system message", "a long beginning of one message"],
)
def test_the_first_goes_alone_and_the_rest_hit(calls: list[Call]) -> None:
    """All but one read the beginning from the cache, and the ledger has the tokens and the price of that."""
    with FakeOpenAI(caching=True, latency=0.05) as server, send(server, calls) as client:
        assert [seen.cached_tokens > 1_000 for seen in server.requests] == [False] + [True] * 15
        billed, (row,) = server.billed, client.ledger.rows("run")
    assert row.totals.cached_input_tokens == billed["cached_tokens"]
    fresh = billed["input_tokens"] - billed["cached_tokens"]
    listed = Decimal("0.15") * fresh + Decimal("0.075") * billed["cached_tokens"]
    assert row.totals.usd == (listed + Decimal("0.6") * billed["output_tokens"]) / 10**6
    assert 0.5 < row.totals.cache_hit_rate < 1


def test_without_the_order_there_is_less_to_hit() -> None:
    """Where nothing is known of a cheaper price nobody waits, and what is sent together is read anew."""
    calls = asked(RULES, *(f"River {number}?" for number in range(16)))
    with FakeOpenAI(caching=True, latency=0.1) as server:
        with send(server, asked("Be brief.", *"abcd"), priced=False), send(server, calls, priced=False):
            # The server is known by then, or its first call would go alone.
            assert [seen.cached_tokens for seen in server.requests].count(0) > 4 + 1
        with send(server, asked(RULES, "One more river?"), priced=False):
            assert server.billed["cached_tokens"] > 1_000


def test_beginnings_within_beginnings() -> None:
    """One set of rules for all, and for each document several questions: three calls are read anew in turn."""
    documents = [f"{number}: {DOCUMENT}" for number in range(3)]
    calls = asked(RULES, *(f"{document}\n\nQuestion {number}?" for document in documents for number in range(5)))
    with FakeOpenAI(caching=True, latency=0.05) as server, send(server, calls):
        cached = sorted(seen.cached_tokens for seen in server.requests)
    assert cached[0] == 0
    assert all(1_000 < tokens < 3_000 for tokens in cached[1:3])
    assert all(tokens > 5_000 for tokens in cached[3:])


def test_a_hung_first_call_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait for so long and go."""
    monkeypatch.setattr(prefixes, "PATIENCE", 0.2)
    with FakeOpenAI(caching=True) as server:
        server.fail(Fault("hang", seconds=30))
        with send(server, asked(RULES, *"abcd"), timeout=3) as client:
            rows = {row.possibly_billed: row.totals.calls for row in client.ledger.rows("run")}
    assert rows == {True: 1, False: 4}


# The wrapper by itself


class Recorded:
    """Answers after a moment; fails, or never ends, where the text says so; tells who was under way with whom."""

    def __init__(self, *, cached: int = 0) -> None:
        self.cached = cached
        self.together: list[int] = []
        self._going = 0

    async def complete(self, call: Call) -> Reply:
        self._going += 1
        self.together.append(self._going)
        try:
            await asyncio.sleep(0.01)
            if "reject" in call.messages[-1].content:
                raise RejectedError("no")
            if "hang" in call.messages[-1].content:
                await asyncio.sleep(60)
        finally:
            self._going -= 1
        return Reply("yes", Usage(2_000, self.cached, 1))


def priced() -> Scripted:
    backend = Scripted([])
    backend.price = price("gpt-4o-mini")  # type: ignore[assignment]
    return backend


def counted(calls: Sequence[Call], tokens: int = 2_000) -> list[Call]:
    return [Call(call.messages, 40, input_tokens=tokens) for call in calls]


def gathered(inner: Recorded, calls: Sequence[Call], wrapper: Prefixed | None = None) -> list[Any]:
    """What all of them come to; a call that says ``cancel`` is cancelled soon."""
    prefixed = wrapper or Prefixed(inner.complete, priced())

    async def go() -> list[Any]:
        tasks = [asyncio.create_task(prefixed.complete(call)) for call in calls]
        await asyncio.sleep(0.005)
        for task, call in zip(tasks, calls, strict=True):
            if "cancel" in call.messages[-1].content or "hang" in call.messages[-1].content:
                task.cancel()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)

    return asyncio.run(go())


@pytest.mark.parametrize(("first", "ended"), [("reject", RejectedError), ("cancel", asyncio.CancelledError)])
def test_a_first_call_that_fails_lets_the_rest_go(first: str, ended: type[BaseException]) -> None:
    """Whatever became of it is its own."""
    outcomes = gathered(Recorded(), counted(asked(RULES, first, "b", "c")))
    assert isinstance(outcomes[0], ended)
    assert [outcome.text for outcome in outcomes[1:]] == ["yes", "yes"]


@settings(max_examples=40, deadline=None)
@given(st.lists(
    st.tuples(st.sampled_from("RST"), st.sampled_from("ABC"), st.sampled_from(["", "reject", "cancel", "hang"])),
    min_size=1, max_size=12,
))  # fmt: skip
def test_nobody_waits_for_ever(parts: list[tuple[str, str, str]]) -> None:
    """Whoever shares what with whom, and whoever fails or is cancelled while others wait for it."""
    calls = [asked(rules + RULES, document + DOCUMENT + end)[0] for rules, document, end in parts]
    prefixed = Prefixed(Recorded().complete, priced())
    for outcome, (_, _, end) in zip(gathered(Recorded(), counted(calls), prefixed), parts, strict=True):
        assert isinstance(outcome, Reply if end == "" else (RejectedError, asyncio.CancelledError))
    assert not prefixed._going


def test_short_prompts_go_at_once() -> None:
    """A provider keeps nothing of them."""
    inner = Recorded()
    gathered(inner, counted(asked(RULES, *"abcd"), tokens=1_000))
    assert max(inner.together) == 4


def test_a_provider_that_never_reads_from_a_cache_is_not_waited_for_again() -> None:
    """Until a reply tells of cached tokens."""
    inner = Recorded()
    prefixed = Prefixed(inner.complete, priced())
    for text in ("ab", "cdefgh", "ijkl"):
        gathered(inner, counted(asked(RULES, *text)), prefixed)
    assert inner.together[:3] == [1, 1, 1]
    inner.together.clear()
    inner.cached = 1_024
    gathered(inner, counted(asked("Other " + RULES, *"abcd")), prefixed)
    assert max(inner.together) == 4
    inner.together.clear()
    gathered(inner, counted(asked("Yet other " + RULES, *"abcd")), prefixed)
    assert inner.together[:2] == [1, 1]


def test_what_has_grown_cold_is_read_by_one_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers promise minutes, not hours."""
    inner = Recorded(cached=1_024)
    prefixed = Prefixed(inner.complete, priced())
    gathered(inner, counted(asked(RULES, *"ab")), prefixed)
    now = time.monotonic()
    for later, alone in ((200, False), (600, True)):
        inner.together.clear()
        monkeypatch.setattr(prefixes, "time", SimpleNamespace(monotonic=lambda later=later: now + later))
        gathered(inner, counted(asked(RULES, *f"{later}")), prefixed)
        assert (inner.together == [1, 1, 2]) is alone


def test_only_a_lower_price_for_cached_input_pays() -> None:
    """Not what is free, unpriced, or the same price either way."""
    backend = Scripted([])
    for known, pays in ((price("gpt-4o-mini"), True), (price("gpt-4"), False), (FREE, False), (None, False)):
        backend.price = known  # type: ignore[assignment]
        assert discounted(backend) is pays
