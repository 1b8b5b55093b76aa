"""Two ideas of how a server counts. Each foretells what the server will say is left; the better prophet is believed.

A *bucket* refills steadily; a *sliding window* gives back what was taken a minute ago. Both are told of all that is
sent and of every figure that comes back. The figure belongs to the moment at which its request was sent, so it is held
against what was foretold for that moment (a ``Mark``), in the light of what has been corrected since.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MINUTE = 60.0
"""Seconds that a limit is for, until a server's resets say otherwise."""

_SHORTEST = 0.1
_LONGEST = 3 * 86400.0
_MEMORY = 1 / 8
"""Of its span, how long a bucket remembers what others took."""
_LEAST_RATE = 1 / 50
"""Of its full rate, what a bucket is held to gain whatever others seem to take."""


@dataclass(slots=True)
class Entry:
    """Something taken: when, and how much."""

    at: float
    amount: float


@dataclass(frozen=True, slots=True)
class Mark:
    """What a model held to be left just after ``entry`` was taken, and its corrections until then."""

    entry: Entry
    level: float
    corrected: float


@dataclass(slots=True)
class Model:
    """What both have in common: a level, and how far it has been corrected."""

    capacity: float
    now: float
    level: float
    span: float = MINUTE
    corrected: float = 0.0

    def advance(self, now: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` is there; 0 where it is."""
        raise NotImplementedError

    def take(self, amount: float, now: float) -> Mark:
        """Take ``amount``, whether or not it is there."""
        self.advance(now)
        self.level -= amount
        return Mark(Entry(now, amount), self.level, self.corrected)

    def correct(self, amount: float) -> None:
        """There is so much more than was held."""
        self.level += amount
        self.corrected += amount

    def change(self, mark: Mark, amount: float) -> None:
        """What was taken at ``mark`` was ``amount`` in truth."""
        self.correct(mark.entry.amount - amount)
        mark.entry.amount = amount

    def foretold(self, mark: Mark) -> float:
        """What it holds to have been left at ``mark``, by what is known now."""
        return mark.level + self.corrected - mark.corrected

    def read(self, mark: Mark, remaining: float) -> float:
        """Believe what the server had left after ``mark``; gives how much more that was than foretold."""
        surprise = remaining - self.foretold(mark)
        self.correct(surprise)
        return surprise

    def resize(self, capacity: float) -> None:
        """The limit is another one now."""
        self.capacity = capacity


@dataclass(slots=True)
class Bucket(Model):
    """Gains its capacity in ``span`` seconds; ``drift`` is what others seem to take of that per second, below 0."""

    drift: float = 0.0
    _missing: float = 0.0
    _resets: float = 0.0
    _read_at: float | None = None

    @property
    def rate(self) -> float:
        """What it gains per second."""
        full = self.capacity / self.span
        return max(full + self.drift, _LEAST_RATE * full)

    def advance(self, now: float) -> None:
        """It gains, up to its capacity."""
        if now > self.now:
            self.level = min(self.capacity, self.level + self.rate * (now - self.now))
            self.now = now

    def wait(self, amount: float, now: float) -> float:
        """By what it gains."""
        self.advance(now)
        return max(0.0, amount - self.level) / self.rate

    def read(self, mark: Mark, remaining: float) -> float:
        """Believe it; a surprise that keeps coming is somebody else's pace.

        Between two readings others cannot have taken more than was gained, so a larger surprise is something else.
        """
        surprise = Model.read(self, mark, remaining)
        if self._read_at is not None and mark.entry.at > self._read_at:
            full = self.capacity / self.span
            most = full * (mark.entry.at - self._read_at)
            self.drift += min(max(surprise, -most), most) / (self.span * _MEMORY)
            self.drift = min(max(self.drift, -full), 0.0)
        self._read_at = mark.entry.at
        return surprise

    def learn(self, remaining: float, reset: float) -> None:
        """What is missing will be there in ``reset`` seconds, which says how long the limit is for."""
        self._missing = 0.9 * self._missing + max(0.0, self.capacity - remaining)
        self._resets = 0.9 * self._resets + reset
        if self._missing > 0 and self._resets > 0:
            self.span = min(max(self.capacity * self._resets / self._missing, _SHORTEST), _LONGEST)


@dataclass(slots=True)
class Sliding(Model):
    """Gives back everything ``span`` seconds after it was taken."""

    _taken: deque[Entry] = field(default_factory=deque)
    _told: bool = False

    def begin(self, remaining: float) -> None:
        """What is missing at first was taken by others, at the latest just now."""
        if remaining < self.capacity:
            self._taken.append(Entry(self.now, self.capacity - remaining))

    def advance(self, now: float) -> None:
        """What was taken long enough ago comes back."""
        self.now = max(self.now, now)
        while self._taken and self._taken[0].at + self.span <= now:
            self.level = min(self.capacity, self.level + self._taken.popleft().amount)

    def take(self, amount: float, now: float) -> Mark:
        """Remember it until it comes back."""
        mark = Model.take(self, amount, now)
        self._taken.append(mark.entry)
        return mark

    def wait(self, amount: float, now: float) -> float:
        """By what comes back; a whole span where that is not enough."""
        self.advance(now)
        lacking = amount - self.level
        if lacking <= 0:
            return 0.0
        for entry in self._taken:
            lacking -= entry.amount
            if lacking <= 0:
                return max(0.0, entry.at + self.span - now)
        return self.span

    def learn(self, remaining: float, reset: float) -> None:
        """The last that was taken comes back in ``reset`` seconds, so the span is no shorter."""
        if remaining < self.capacity:
            self.span = min(max(reset, self.span if self._told else 0.0, _SHORTEST), _LONGEST)
            self._told = True
