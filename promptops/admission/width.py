"""How many requests one client has in flight, where nobody said how many.

Where a server has the room, more in flight take no longer each; where it has not, they only wait there, not here.
(Growth while the time taken stays near the least seen, as in TCP Vegas: L. S. Brakmo and L. L. Peterson, IEEE Journal
on Selected Areas in Communications 13 (1995), section 3.2.)
"""

from __future__ import annotations

WIDEST = 64
"""Requests that are in flight at most."""

_NO_SLOWER, _SLOWER = 1.25, 1.6
"""Times the least that requests took."""

_STEP = 1 / 8
"""Places per answer: an eighth more with each round."""

_BEFORE_OUTPUT = 50
"""Output tokens that take about as long as everything before them does."""


class Width:
    """Places in flight, from ``first`` on."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._places = float(first)
        self._mean: float | None = None
        self._least = float("inf")
        self._answers = 0

    def answered(self, seconds: float, output: int, *, busy: bool) -> int:
        """The places after a request was answered; ``busy`` says whether all were taken and others waited.

        What requests take is judged by the token, in a mean over about as many as are in flight.
        """
        took = seconds / (output + _BEFORE_OUTPUT)
        self._mean = took if self._mean is None else self._mean + (took - self._mean) / self._places
        self._answers += 1
        if self._answers < self._first:
            return int(self._places)
        self._least = min(self._least, self._mean)
        if busy and self._mean <= _NO_SLOWER * self._least:
            self._places = min(self._places + _STEP, max(WIDEST, self._first))
        elif self._mean > _SLOWER * self._least:
            self._places = max(self._places - _STEP, self._first)
        return int(self._places)
