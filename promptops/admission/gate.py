"""Decides when each request to one server, with one key and for one model, may be sent.

It knows no clock, no event loop and no thread: whoever holds it says what time it is, in seconds, and what happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from promptops.admission.limit import Limit, Share
from promptops.admission.pace import Pace
from promptops.admission.trust import Trust
from promptops.admission.waiting import Key, Line, Ticket
from promptops.types import Allowance, Limits, Usage

KINDS = ("requests", "tokens", "input_tokens", "output_tokens")

_SPENT = 0.1
"""Part of a limit: with less than this left, a rejection that gives no figures is taken to be that limit's."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is, and in how many seconds: sent already where that is 0."""

    line: Line
    ticket: Ticket
    wait: float


class Gate:
    """Everything that shares one set of rate limits.

    A ``gentle`` one sends a lone request first and goes on from what comes back; without it all may go at once.
    """

    def __init__(self, *, gentle: bool = True, seed: int | None = None) -> None:
        self.limits: dict[Key, Limit] = {}
        self.pace = Pace(seed)
        self._lines: list[Line] = []
        self._going: set[Ticket] = set()
        self._sent = 0
        self._trust = Trust(gentle=gentle)
        self._held_until = 0.0

    def tell(self, kind: str, per_minute: float, now: float) -> None:
        """What a person says of a limit."""
        known = self.limits.get((kind, True))
        if known is None or known.capacity != per_minute:
            self.limits[kind, True] = Limit(per_minute, now)

    def join(self, line: Line, ticket: Ticket) -> None:
        """A request waits in ``line``."""
        if line not in self._lines:
            self._lines.append(line)
        line.join(ticket)

    def leave(self, line: Line, ticket: Ticket) -> None:
        """It waits no longer; had it had its turn, then nothing was sent after all."""
        if ticket in self._going:
            self._over(line, ticket)
            self._refund(ticket)
        line.leave(ticket)

    def next(self, now: float) -> Turn | None:
        """The next turn; ``None`` where somebody has to come, or a request to come back, before there is one."""
        self._lines = [line for line in self._lines if len(line)]
        heads = [(ticket.order, number) for number, line in enumerate(self._lines) if (ticket := line.first())]
        if not heads:
            return None
        line = self._lines[min(heads)[1]]
        ticket = line.first()
        if ticket is None:
            return None
        wait = max(self._trust.wait(now), self._held_until - now, self.pace.wait(now), self._limits_wait(ticket, now))
        if wait <= 0:
            self._send(line, ticket, now)
        return Turn(line, ticket, max(0.0, wait))

    def replied(self, line: Line, ticket: Ticket, now: float, used: Usage, limits: Limits | None) -> None:
        """A request was answered."""
        self._over(line, ticket)
        line.answered(ticket, used.output_tokens, now)
        self._trust.accept(ticket.sent, announced=limits is not None)
        took = Ticket(used.input_tokens, used.output_tokens)
        for key, limit, share in self._shares(ticket):
            limit.settle(share, took.amount(key[0]))
        self._read(ticket, limits, now)

    def failed(self, line: Line, ticket: Ticket, now: float, limits: Limits | None) -> None:
        """A request came back with an error; what it took stays taken, since nobody knows better."""
        self._over(line, ticket)
        self._read(ticket, limits, now)

    def throttled(self, line: Line, ticket: Ticket, now: float, told: float | None, limits: Limits | None) -> None:
        """A request came back with a 429; ``told`` is the wait in seconds that came with it.

        A limit that is as good as spent explains it. Where none is, the server has one that it does not speak of.
        """
        self._over(line, ticket)
        spent = [key for key, limit, _ in self._shares(ticket) if self._explains(key, limit, ticket, limits, now)]
        self._refund(ticket)
        self._read(ticket, limits, now)
        for key in spent:
            self.limits[key].rejected(ticket.shares[key], now, said=_said(limits, key) is not None)
        if not spent and not self._just_found(ticket, limits):
            self.pace.rejected(ticket.amount("tokens"), ticket.sent, told, now, ticket.longest_pause)
        pause = max(told or 0.0, self._trust.pause(ticket.sent, now, ticket.longest_pause))
        self._held_until = max(self._held_until, now + pause, self.pace.paused_until)
        self._trust.reject(self._held_until)

    def _send(self, line: Line, ticket: Ticket, now: float) -> None:
        line.leave(ticket)
        line.in_flight += 1
        self._sent += 1
        ticket.sent = now
        ticket.number = self._sent
        self._going.add(ticket)
        self._trust.send(now)
        self.pace.take(ticket.amount("tokens"), now)
        ticket.shares = {key: limit.take(ticket.amount(key[0]), now) for key, limit in self.limits.items()}

    def _over(self, line: Line, ticket: Ticket) -> None:
        self._going.discard(ticket)
        line.in_flight -= 1

    def _refund(self, ticket: Ticket) -> None:
        for _, limit, share in self._shares(ticket):
            limit.refund(share)

    def _shares(self, ticket: Ticket) -> Iterator[tuple[Key, Limit, Share]]:
        """The limits that it drew on, but for those that have been told anew since."""
        for key, share in ticket.shares.items():
            if share.limit is self.limits.get(key):
                yield key, share.limit, share

    def _limits_wait(self, ticket: Ticket, now: float) -> float:
        news = bool(self._going)
        waits = (limit.wait(ticket.amount(key[0]), now, news=news) for key, limit in self.limits.items())
        return max(waits, default=0.0)

    def _read(self, ticket: Ticket, limits: Limits | None, now: float) -> None:
        for kind in KINDS if limits is not None else ():
            said = _said(limits, (kind, False))
            if said is None:
                continue
            limit, share = self.limits.get((kind, False)), ticket.shares.get((kind, False))
            if limit is None:
                self._found(kind, said, ticket, now)
            elif share is not None:
                limit.read(share, said, now)

    def _found(self, kind: str, said: Allowance, ticket: Ticket, now: float) -> None:
        """A limit is heard of for the first time; whatever is in flight draws on it too."""
        asked = ticket.amount(kind)
        capacity = said.limit or (said.remaining or 0.0) + asked
        if capacity <= 0:
            return
        limit = self.limits[kind, False] = Limit(capacity, now, said.remaining, certain=kind == "requests")
        limit.begin(said, now)
        for other in sorted(self._going, key=lambda other: other.number):
            other.shares[kind, False] = limit.take(other.amount(kind), now)

    def _explains(self, key: Key, limit: Limit, ticket: Ticket, limits: Limits | None, now: float) -> bool:
        """Whether a 429 is this limit's doing."""
        said = _said(limits, key)
        if said is not None and said.remaining is not None:
            return said.remaining < limit.charge(ticket.amount(key[0]))
        return limits is None and limit.level(now) < max(_SPENT * limit.capacity, limit.charge(ticket.amount(key[0])))

    def _just_found(self, ticket: Ticket, limits: Limits | None) -> bool:
        """Whether the 429 itself was the first to name the limit that it is for."""
        for kind in KINDS if limits is not None else ():
            said = _said(limits, (kind, False))
            if said is not None and said.remaining is not None and said.remaining < ticket.amount(kind):
                return True
        return False


def _said(limits: Limits | None, key: Key) -> Allowance | None:
    if limits is None or key[1]:
        return None
    found: Allowance | None = getattr(limits, key[0])
    return found
