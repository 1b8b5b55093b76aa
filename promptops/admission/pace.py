"""The pace for a server that rejects without saying what it allows.

Between two rejections a server has let through all that it gained meanwhile, so that is a measurement of its limit.
After it the pace grows, at first by very little and then faster and faster, until the next rejection.
"""

from __future__ import annotations

import random

_FIRST_PAUSE = 0.25
_MEASURED = 8
"""Requests let through since a rejection, from which on the next begins a new measurement."""
_STEP_BACK = 0.97
_LEAST = 1 / 50
"""Of what went before the first rejection: a wait that means less than this says when, and nothing about how fast."""
_SLOWEST_GROWTH, _UNSURE_GROWTH, _FASTEST_GROWTH = 0.0005, 0.01, 0.25
"""Per request let through."""
_ROUND = 4


class Pace:
    """Tokens per second, unlimited until the first rejection.

    A rejection comes back at once and an answer only when it is written, so whatever was sent and is not rejected is
    taken to have been let through.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.rate: float | None = None
        self.paused_until = 0.0
        self._next = 0.0
        self._since: float | None = None
        self._got = 0.0
        self._passed = 0
        self._passed_at_cut = 0
        self._cut_at = 0.0
        self._growth = _SLOWEST_GROWTH
        self._in_a_row = 0
        self._random = random.Random(seed)  # noqa: S311 - spreads processes that share a key

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent."""
        return max(0.0, self.paused_until - now, self._next - now)

    def take(self, amount: float, now: float) -> None:
        """A request is sent."""
        if self._since is None:
            self._since = now
        self._got += amount
        self._passed += 1
        if self.rate is not None:
            self._next = max(self._next, now) + amount / self.rate
            self.rate *= 1 + self._growth
            if self._passed % _ROUND == 0:
                self._growth = min(2 * self._growth, _FASTEST_GROWTH)

    def rejected(self, amount: float, sent: float, told: float | None, now: float, longest: float) -> None:
        """A request was rejected; one that was sent before the last rejection came back tells nothing new."""
        if self._since is not None and sent >= self._since:
            self._got -= amount
            self._passed -= 1
        pause = told or 0.0
        if sent >= self._cut_at:
            self._in_a_row = 1 if self._passed > self._passed_at_cut else self._in_a_row + 1
            self._measure(amount, told, now)
            self._cut_at, self._passed_at_cut = now, self._passed
            pause = self._backoff(told, longest)
        self.paused_until = self._next = max(self.paused_until, now + pause)

    def _measure(self, amount: float, told: float | None, now: float) -> None:
        """What was let through since an earlier rejection, over the time that took."""
        elapsed = max(now - (self._since if self._since is not None else now), 1e-3)
        if self.rate is None:
            most = max(self._got, amount) / elapsed / 2
            guess = amount / told if told else most
            self.rate = min(max(guess, most * _LEAST), most)
            self._growth = _UNSURE_GROWTH if guess >= most * _LEAST else _FASTEST_GROWTH
            self._begin(now)
        elif self._passed > self._passed_at_cut:
            self.rate = min(_STEP_BACK * self.rate, (self._got + amount / 2) / elapsed)
            self._growth = max(self._growth / 4, _SLOWEST_GROWTH)
            if self._passed >= _MEASURED:
                self._begin(now)

    def _begin(self, now: float) -> None:
        self._since, self._got, self._passed = now, 0.0, 0

    def _backoff(self, told: float | None, longest: float) -> float:
        """As told, or exponentially longer; nobody's word is taken for it twice in a row."""
        if told is not None and self._in_a_row == 1:
            return told
        pause = min(_FIRST_PAUSE * 2.0 ** (self._in_a_row - 1), longest)
        return max(told or 0.0, pause * self._random.uniform(0.75, 1.25))
