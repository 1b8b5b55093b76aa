"""How many calls to put into one prompt: more while answers stay complete, fewer when they do not."""

from __future__ import annotations

_LARGEST = 32
_FIRST = 4


class Pace:
    """Doubles after complete answers until the first incomplete one, then grows by one; halves after incomplete ones.

    (Slow start and additive increase, multiplicative decrease, as in TCP: V. Jacobson, SIGCOMM 1988, section 1 and
    D.-M. Chiu and R. Jain, Computer Networks and ISDN Systems 17 (1989), section 2.) At 1 nothing is packed any more.
    """

    def __init__(self, most: int) -> None:
        """``most`` is where it begins and what it never passes; 0 leaves both to it."""
        self.number = most or _FIRST
        self._most = most or _LARGEST
        self.doubling = self.number < self._most

    def complete(self, items: int) -> None:
        """A prompt of ``items`` was answered whole; a small one says nothing of larger ones."""
        if self.number > 1 and items >= self.number:
            self.number = min(self.number * 2 if self.doubling else self.number + 1, self._most)
            self.doubling = self.doubling and self.number < self._most

    def incomplete(self, items: int) -> None:
        """A prompt of ``items`` was not."""
        self.doubling = False
        self.number = max(min(self.number, items) // 2, 1)
