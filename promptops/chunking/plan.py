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

CHUNK = 20.0
"""What one more chunk costs, in the unit of the costs of borders: it buys a word cut turned into a sentence end."""

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
    charged = cost + np.float32(CHUNK)
    beyond = budget - limits.preferred
    block = min(least, beyond) if beyond else least
    width = limits.preferred - least + 1
    for first in range(least, size + 1, block):
        count = min(block, size + 1 - first)
        low = budget + first - limits.preferred
        totals = _window_minima(best[low : low + width + count - 1], count)
        if beyond:
            longer = _window_minima(best[first : first + beyond + count - 1], count)
            totals = np.minimum(totals, longer + np.float32(BEYOND))
        np.add(totals, charged[first : first + count], out=best[budget + first : budget + first + count])
    return best


def _window_minima(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """The minima of the first ``count`` windows of one width over ``values``, where they just fit."""
    width = len(values) - count + 1
    if width < count:
        return np.asarray(np.lib.stride_tricks.sliding_window_view(values, width).min(axis=1))
    minima = np.minimum.accumulate(values[count - 1 :: -1])[::-1]
    if width > count:
        right = np.minimum.accumulate(values[count:])[width - count - 1 :]
        return np.minimum(minima, right, out=minima)
    if count > 1:
        np.minimum(minima[1:], np.minimum.accumulate(values[count:]), out=minima[1:])
    return minima


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
    equals = np.flatnonzero(totals <= lowest + slack)
    if len(equals) == 1:
        return low + int(equals[0])
    aim = end - end / -(-end // limits.preferred) - low
    return low + int(equals[np.abs(equals - aim).argmin()])
