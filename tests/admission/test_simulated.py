"""Admission against rate limits in virtual time: minutes pass in milliseconds, and every run is the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.admission import Gate, Line, Ticket
from promptops.backends.limits import read_limits
from promptops.backends.verdicts import retry_after
from promptops.testing import Limiter
from promptops.types import Usage

TRIP = 0.02
"""Seconds to the server and back at most; requests overtake each other within it."""


@dataclass
class Simulation:
    """``calls`` requests of about 1,500 tokens, 200 of them output, through a gate to a server; times in seconds."""

    make: Callable[[], Limiter]
    calls: int = 300
    latency: float = 0.5
    places: int = 64
    spread: float = 0.1
    seed: int = 1
    tells: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    rejected: int = 0
    most_in_flight: int = 0
    sent: list[float] = field(default_factory=list)

    def run(self, until: float = 1_000.0) -> Simulation:
        self.limiter, self.gate, self.line = self.make(), Gate(seed=self.seed), Line(self.places)
        self.chance = random.Random(self.seed)
        self.events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.order, self.answered, self.look = count(), 0, 0.0
        self.costs = [round(1_300 * self.chance.uniform(1 - self.spread, 1 + self.spread)) for _ in range(self.calls)]
        for kind, limit in self.tells.items():
            self.gate.tell(kind, limit, 0.0)
        for number, cost in enumerate(self.costs):
            self.gate.join(self.line, Ticket(cost, 200, document=number))
        while self.answered < self.calls:
            self.send()
            self.seconds, _, happen, what = heappop(self.events)
            assert self.seconds < until, f"{self.answered} of {self.calls} after {until} s"
            happen(*what)
        return self

    def at(self, moment: float, happen: Callable[..., None], *what: object) -> None:
        heappush(self.events, (moment, next(self.order), happen, what))

    def send(self) -> None:
        now = self.seconds
        while (turn := self.gate.next(now)) is not None and turn.wait == 0:
            self.sent.append(now)
            self.most_in_flight = max(self.most_in_flight, self.line.in_flight)
            self.at(now + TRIP / 2 * self.chance.random(), self.arrive, turn.ticket)
        if turn is not None and not now < self.look <= now + turn.wait:
            self.look = now + max(turn.wait, 0.0005)
            self.at(self.look, lambda: None)

    def arrive(self, ticket: Ticket) -> None:
        ruling = self.limiter.ask(ticket.input + ticket.output, self.seconds)
        back = self.seconds + TRIP / 2 * self.chance.random()
        if ruling.allowed:
            self.at(back + self.latency * self.chance.uniform(0.8, 1.2), self.reply, ticket, ruling.headers)
        else:
            self.at(back, self.reject, ticket, ruling.headers)

    def reply(self, ticket: Ticket, headers: dict[str, str]) -> None:
        self.answered += 1
        used = Usage(ticket.input, 0, ticket.output)
        self.gate.replied(self.line, ticket, self.seconds, used, read_limits(headers))

    def reject(self, ticket: Ticket, headers: dict[str, str]) -> None:
        self.rejected += 1
        self.gate.throttled(self.line, ticket, self.seconds, retry_after(headers), read_limits(headers))
        self.gate.join(self.line, Ticket(ticket.input, ticket.output, ticket.document))

    @property
    def over_ideal(self) -> float:
        """The time taken, over that of somebody who knows the limits and sends each call as soon as it may pass."""
        limiter, now = self.make(), 0.0
        for cost in self.costs:
            while (wait := limiter.wait(cost + 200, now)) > 0:
                now += wait + 1e-6
            limiter.ask(cost + 200, now)
        return self.seconds / (now + self.latency)

    @property
    def used_of_what_is_left(self) -> float:
        """Beside what a rival took."""
        last = self.limiter.passed[-1][0]
        return self.limiter.taken / (self.limiter.allowed(last) - self.limiter.rival_tokens_taken)


def against(**limits: Any) -> Callable[[], Limiter]:
    return lambda: Limiter(**limits)


@pytest.mark.parametrize(
    ("limits", "slower", "rejected"),
    [
        ({}, 1.03, 6),
        ({"charges": "used"}, 1.03, 6),
        ({"tokens": None, "requests": 180}, 1.03, 6),
        ({"changes": ((10.0, 0.5),)}, 1.03, 9),
        ({"changes": ((10.0, 2.0),)}, 1.05, 6),
        ({"kind": "sliding"}, 1 / 0.93, 15),
        ({"kind": "fixed"}, 1 / 0.93, 9),
        ({"counts_rejected": True}, 1.05, 6),
        ({"waits": False}, 1.03, 6),
        ({"announced": False}, 1 / 0.95, 30),
        ({"announced": False, "waits": False}, 1 / 0.95, 30),
        ({"announced": False, "changes": ((10.0, 0.5),)}, 1 / 0.95, 40),
        ({"announced": False, "counts_rejected": True}, 1.25, 40),
        ({"announced": False, "kind": "sliding"}, 1.25, 30),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_limit_is_used_to_the_full_and_hardly_passed(
    limits: dict[str, Any], slower: float, rejected: int, seed: int
) -> None:
    """Whatever way the server counts, and whether or not it says so."""
    done = Simulation(against(**limits), seed=seed).run()
    assert done.over_ideal <= slower
    assert done.rejected <= rejected


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_rival_leaves_is_used(seed: int) -> None:
    """Somebody else takes three tenths of the same key."""
    done = Simulation(against(rival=0.3), seed=seed).run()
    assert done.used_of_what_is_left >= 0.95
    assert done.rejected < 0.03 * done.calls


@given(
    requests=st.integers(3, 2_000),
    tokens=st.integers(5_000, 2_000_000),
    kind=st.sampled_from(["bucket", "sliding", "fixed"]),
    announced=st.booleans(),
    waits=st.booleans(),
    counts=st.booleans(),
    rival=st.sampled_from([0.0, 0.3]),
    latency=st.floats(0.01, 10.0),
    places=st.integers(1, 64),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_every_call_is_answered(
    requests: int,
    tokens: int,
    kind: Any,
    announced: bool,
    waits: bool,
    counts: bool,
    rival: float,
    latency: float,
    places: int,
    seed: int,
) -> None:
    """By any server, in a bounded time, with no more in flight than allowed."""
    said = {"announced": announced, "waits": waits, "counts_rejected": counts}
    make = against(requests=requests, tokens=tokens, kind=kind, rival=rival, **said)
    done = Simulation(make, calls=12, latency=latency, places=places, seed=seed).run(until=7_200)
    assert done.answered == 12
    assert done.most_in_flight <= places
    assert done.line.in_flight == 0


@pytest.mark.parametrize("tells", [{"requests": 60.0}, {"tokens": 90_000.0}])
def test_a_limit_that_is_told_is_kept(tells: dict[str, float]) -> None:
    """By a server that says nothing and would take ten times as much: a minute's worth at once, then the rate."""
    done = Simulation(against(announced=False, requests=600, tokens=900_000), calls=100, tells=tells).run()
    assert done.rejected == 0
    assert 36 <= done.seconds <= 50


def test_an_unknown_server_is_begun_with_gently() -> None:
    """One request first; a slow server gets a few more before it has answered."""
    done = Simulation(against(), latency=5.0).run()
    assert len([moment for moment in done.sent if moment < 0.2]) == 1
    assert len([moment for moment in done.sent if moment < 0.9]) <= 16


def test_those_who_were_told_to_wait_do_not_wake_together() -> None:
    """A server that rejects everything for a while gets one request when the wait is over, and then more."""
    gate, line = Gate(seed=1), Line(64)
    waiting = [Ticket(1_000, 100, document=number) for number in range(64)]
    for ticket in waiting:
        gate.join(line, ticket)
    sent: list[Ticket] = []
    for moment in (0.0, 0.3, 0.6, 0.9, 1.2):
        while (turn := gate.next(moment)) is not None and turn.wait == 0:
            sent.append(turn.ticket)
    for ticket in sent:
        gate.throttled(line, ticket, 1.3, 10.0, None)
        gate.join(line, Ticket(1_000, 100))
    turn = gate.next(2.0)
    assert turn is not None
    assert 9.2 < turn.wait < 9.4
    after = gate.next(11.31), gate.next(11.31)
    assert after[0] is not None
    assert after[1] is not None
    assert after[0].wait == 0 < after[1].wait


def test_older_documents_go_first() -> None:
    """A call that comes late for an early document goes before those of later documents."""
    gate, line = Gate(gentle=False), Line(1)
    for document in "aabbcc":
        gate.join(line, Ticket(10, 10, document=document))
    seen = []
    for number in range(7):
        turn = gate.next(float(number))
        assert turn is not None
        seen.append(turn.ticket.document)
        gate.replied(line, turn.ticket, float(number), Usage(10, 0, 10), None)
        if number == 1:
            gate.join(line, Ticket(10, 10, document="a"))
    assert "".join(str(document) for document in seen) == "aaabbcc"


def test_the_last_calls_go_by_length() -> None:
    """Where all that wait find a place in the next round, the longest begins first."""
    gate, line = Gate(gentle=False), Line(4)
    for output in (10, 10, 10, 10, 10, 900, 20):
        gate.join(line, Ticket(10, output))
    turns = [gate.next(0.0) for _ in range(4)]
    assert [turn.ticket.output for turn in turns if turn is not None] == [10, 10, 10, 900]


def test_who_leaves_gives_everything_back() -> None:
    """Before its turn or after it: the place, and what it had taken of a limit."""
    gate, line = Gate(gentle=False), Line(2)
    gate.tell("requests", 2.0, 0.0)
    first, second, third = (Ticket(10, 10) for _ in range(3))
    for ticket in (first, second, third):
        gate.join(line, ticket)
    assert [turn and turn.wait for turn in (gate.next(0.0), gate.next(0.0), gate.next(0.0))] == [0, 0, None]
    gate.leave(line, second)
    gate.leave(line, first)
    turn = gate.next(0.0)
    assert turn is not None
    assert (turn.ticket, turn.wait) == (third, 0)
