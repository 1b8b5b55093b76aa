"""Admission against a rate limit in virtual time: minutes pass in milliseconds, and every run is the same."""

from __future__ import annotations

import random
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from promptops.admission import Gate, Line, Ticket
from promptops.backends.limits import read_limits
from promptops.backends.verdicts import retry_after
from promptops.testing.limiter import Limiter
from promptops.types import Usage


TRACE = False


@dataclass
class Outcome:
    seconds: float
    rejected: int
    ideal: float
    sent: list[float]
    used: float
    """Of what the limit allowed until the last request was let through and the rival did not take."""

    @property
    def ratio(self) -> float:
        return self.seconds / self.ideal


def ideal(limiter: Limiter, costs: list[int], latency: float) -> float:
    """The time that somebody who knows the limits takes: each request as soon as it may pass, never rejected."""
    now = 0.0
    for cost in costs:
        while (wait := limiter.wait(cost, now)) > 0:
            now += wait + 1e-6
        limiter.ask(cost, now)
    return now + latency


def run(make, *, calls: int = 300, tokens: int = 1_300, output: int = 200, places: int = 64, latency: float = 1.0,
        jitter: float = 0.2, seed: int = 1, trip: float = 0.02, gate: Gate | None = None, spread: float = 0.0,
        until: float = 3_600.0) -> Outcome:  # fmt: skip
    """``calls`` requests through a gate to the limiter that ``make`` makes; times in seconds."""
    limiter, gate, line, chance = make(), gate or Gate(seed=seed), Line(places), random.Random(seed)
    events: list = []
    order = count()
    costs = [max(1, round(tokens * chance.uniform(1 - spread, 1 + spread))) for _ in range(calls)]
    for cost in costs:
        gate.join(line, Ticket(cost, output))
    now, done, rejected, sent, again = 0.0, 0, 0, [], None
    last = [0.0]

    def arrive(ticket, at):
        charge = ticket.input + output
        ruling = limiter.ask(charge, at)
        if ruling.allowed:
            last[0] = at
            back = at + latency * chance.uniform(1 - jitter, 1 + jitter) + trip * chance.random()
        else:
            back = at + trip * chance.random()
        heappush(events, (back, next(order), "back", ticket, ruling))

    while done < calls:
        while (turn := gate.next(now)) is not None and turn.wait == 0:
            sent.append(now)
            heappush(events, (now + trip * chance.random(), next(order), "arrive", turn.ticket, None))
        if turn is not None and (again is None or now + turn.wait < again or again <= now):
            again = now + max(turn.wait, 5e-4)
            heappush(events, (again, next(order), "look", None, None))
        now, _, what, ticket, ruling = heappop(events)
        assert now < until, (done, rejected)
        if what == "arrive":
            arrive(ticket, now)
        elif what == "back":
            limits = read_limits(ruling.headers)
            if ruling.allowed:
                gate.replied(line, ticket, now, Usage(ticket.input, 0, output), limits)
                done += 1
            else:
                rejected += 1
                if TRACE:
                    print(f"{now:7.2f} rejected, sent {ticket.sent:.2f} going {len(gate._going)}", {k: (round(l.level(now)), round(l.margin), round(l.ratio, 3), round(l.bucket.rate), round(l._bucket_better), round(l.bucket.span, 1), round(l.sliding.span, 1)) for k, l in gate.limits.items() if k[0] == "tokens"}, limits and limits.tokens, gate.pace.rate)
                told = retry_after(ruling.headers)
                gate.throttled(line, ticket, now, told, limits)
                heappush(events, (now + (told or 0.0), next(order), "rejoin", Ticket(ticket.input, output), None))
        elif what == "rejoin":
            gate.join(line, ticket)
    left = limiter.allowed(last[0]) - limiter.rival_tokens_taken
    return Outcome(now, rejected, ideal(make(), [cost + output for cost in costs], latency), sent, limiter.taken / left)
