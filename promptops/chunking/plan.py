"""Which borders to cut at: the least total cost, by dynamic programming over all of them at once.

A chunk that ends at border j started at some border i with ``least <= j - i <= budget``, so the best total up to j is
the cost of j plus the least best total in a window behind it. Borders are taken ``least`` at a time: their windows all
lie before the block, and the minima of all windows of one width come from one running minimum from the left and one
from the right (M. van Herk, Pattern Recognition Letters 13 (1992) 517-521; J. Gil and M. Werman, IEEE PAMI 15 (1993)
504-507).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_CHARGE = 24.0
TOKENS_PER_CHARGE = 40
"""What one more chunk costs, in the unit of the costs of borders: what it takes to turn a cut word into a sentence end,
and more for large chunks, where good borders are plenty."""

BEYOND = 12.0
"""What a chunk beyond the preferred size costs."""

_SMALL_TAIL = 4.0
_INFINITE = np.float32(np.inf)


@dataclass(frozen=True, slots=True)
class Limits:
    """Chunk sizes in tokens: none over ``budget``, none but the last under ``least``, best none over ``preferred``."""

    budget: int
    least: int
    preferred: int

    @classmethod
    def of(cls, budget: int, preferred: int | None = None) -> Limits:
        """The limits of a budget: half of the preferred size is the least."""
        aim = budget if preferred is None or budget - preferred < budget // 16 else preferred
        return cls(budget, max(1, aim // 2), aim)

    @property
    def charge(self) -> float:
        """What each chunk costs."""
        return max(LEAST_CHARGE, self.preferred / TOKENS_PER_CHARGE)

    def shrunk(self, by: int) -> Limits:
        """The same with a smaller budget."""
        return Limits.of(max(1, self.budget - by), min(self.preferred, max(1, self.budget - by)))

    def loosened(self) -> Limits:
        """The same with smaller chunks allowed."""
        return Limits(self.budget, max(1, self.least // 4), self.preferred)


def plan(cost: NDArray[np.float32], limits: Limits) -> list[int] | None:
    """The places in ``cost`` to cut at, the last one included; ``None`` where no allowed borders lie close enough.

    ``cost[i]`` is that of the border after i tokens; that of the last, the end of the text, must be 0.
    """
    size = len(cost) - 1
    best = _totals(cost, limits)
    cuts = [size]
    while cuts[-1] > 0:
        start = _step_back(best, cuts[-1], limits, last=cuts[-1] == size)
        if start is None:
            return None
        cuts.append(start)
    return cuts[-2::-1]


def _totals(cost: NDArray[np.float32], limits: Limits) -> NDArray[np.float32]:
    """The least total cost of cutting up to each border; entry ``budget + i`` is that of border i."""
    size, budget, least = len(cost) - 1, limits.budget, limits.least
    best = np.full(budget + size + 1, _INFINITE, np.float32)
    best[budget] = 0
    charged = cost + np.float32(limits.charge)
    beyond = budget - limits.preferred
    block = min(least, beyond) if beyond else least
    width = limits.preferred - least + 1
    minima = _Minima(width, block)
    longer = _Minima(beyond, block) if beyond else None
    for first in range(least, size + 1, block):
        last = min(first + block, size + 1)
        totals = minima.of(best, first + beyond, last - first)
        if longer:
            totals = np.minimum(totals, longer.of(best, first, last - first) + np.float32(BEYOND))
        np.add(totals, charged[first:last], out=best[budget + first : budget + last])
    return best


class _Minima:
    """The minima of the first windows of one width from a place on; at most ``block`` of them, at most the width."""

    def __init__(self, width: int, block: int) -> None:
        self._width = width
        self._left = np.empty(block, np.float32)
        self._right = np.empty(width, np.float32)

    def of(self, values: NDArray[np.float32], start: int, count: int) -> NDArray[np.float32]:
        """The minima of the windows from ``start``, ``start + 1`` … : each a tail of the left part, a head of the right."""
        middle = start + count
        left, right = self._left[:count], self._right[: self._width - 1]
        np.minimum.accumulate(values[start:middle][::-1], out=left)
        if len(right):
            np.minimum.accumulate(values[middle : middle + self._width - 1], out=right)
        if self._width == count:
            np.minimum(left[-2::-1], right, out=left[-2::-1])
        else:
            np.minimum(left[::-1], right[self._width - count - 1 :], out=left[::-1])
        return left[::-1]


def _step_back(best: NDArray[np.float32], end: int, limits: Limits, *, last: bool) -> int | None:
    """The start of the chunk that ends at border ``end``: the cheapest, of equals the one that makes sizes even."""
    least = 1 if last else limits.least
    low = max(0, end - limits.budget)
    totals = best[limits.budget + low : limits.budget + end - least + 1]
    if limits.preferred < limits.budget:
        totals = totals.copy()
        totals[: max(0, end - limits.preferred - low)] += np.float32(BEYOND)
    lowest = totals.min(initial=_INFINITE)
    if lowest == _INFINITE:
        return None
    slack = _SMALL_TAIL if last else 0.0
    equals = (totals <= lowest + slack).nonzero()[0]
    if len(equals) == 1:
        return low + int(equals[0])
    aim = end - end / -(-end // limits.preferred) - low
    return low + int(equals[np.abs(equals - aim).argmin()])
