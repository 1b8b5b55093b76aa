"""Which borders to cut at: the least total cost, by dynamic programming over all of them at once.

A chunk that ends at border j started at some border i with ``least <= j - i <= budget``, so the best total up to j is
the cost of j plus the least best total in a window behind it. Borders are taken a block at a time: their windows all
lie before the block, and the minima of all windows of one width come from one running minimum from the left and one
from the right (M. van Herk, Pattern Recognition Letters 13 (1992) 517-521; J. Gil and M. Werman, IEEE PAMI 15 (1993)
504-507).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promptops.chunking.costs import FORBIDDEN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from promptops.chunking.limits import Limits

    Costs = NDArray[np.int32]

_UNREACHED = 1 << 30
_TAIL_SLACK = 4
_EVENED = 12
_COARSE = 64
"""From this budget on, one token less of an odd budget does not show."""
_STEPS = 512


def plan(cost: Costs, limits: Limits) -> list[int] | None:
    """The places in ``cost`` to cut at, the last one included; ``None`` where no allowed borders lie close enough.

    ``cost[i]`` is that of the border after i tokens; that of the last, the end of the text, must be 0.
    """
    if limits.preferred == limits.budget >= _COARSE and limits.least == limits.budget // 2:
        cuts = _plan_by_halves(cost, limits)
    else:
        cuts = _traced(_totals(cost, limits), limits)
    return cuts if cuts and cost[cuts].max() < FORBIDDEN else None


def _plan_by_halves(cost: Costs, limits: Limits) -> list[int] | None:
    """A plan over the best border of every few tokens, few enough that a large budget loses a fifth of a percent."""
    step = limits.budget // _STEPS or 1
    size = len(cost) - 1
    groups = -(-size // step)
    padded = np.full(groups * step, FORBIDDEN, np.int32)
    padded[:size] = cost[1:]
    best = padded[::step].copy()
    for place in range(1, step):
        np.minimum(best, padded[place::step], out=best)
    coarse = np.zeros(groups + 1, np.int32)
    coarse[1:-1] = best[:-1]
    # Two borders d groups apart are d * step tokens apart, give or take step - 1.
    half = (limits.budget - step + 1) // step // 2
    sizes = limits.resized(2 * half, half)
    cuts = _traced(_totals_by_halves(coarse, sizes, limits.charge), sizes)
    if cuts is None or step == 1:
        return cuts
    starts = np.array(cuts[:-1], np.int64) * step - step
    inner = padded[starts[:, None] + np.arange(step)].argmin(axis=1) + starts + 1
    return [*inner.tolist(), size]


def _traced(best: Costs, limits: Limits) -> list[int] | None:
    """The cuts that lead to the last of the best totals; ``None`` where none do."""
    cuts = [len(best) - 1]
    while cuts[-1] > 0:
        start = _step_back(best, cuts[-1], limits, last=len(cuts) == 1)
        if start is None:
            return None
        cuts.append(start)
    return cuts[-2::-1]


def _totals_by_halves(cost: Costs, limits: Limits, charge: int) -> Costs:
    """The least total cost of cutting up to each border, where chunks are from half of the budget to all of it.

    In rows of half a budget, the window of a border is the tail of the row before the last and the head of the last:
    a few whole-row operations each, on rows that numpy hands out without an index.
    """
    half, size = limits.least, len(cost)
    charged = np.zeros((size // half + 1, half), np.int32)
    charged.ravel()[:size] = cost
    charged += np.int32(charge)
    best = np.empty_like(charged)
    best[0] = _UNREACHED
    best[0, 0] = 0
    tail, head = np.full(half, _UNREACHED, np.int32), np.empty(half, np.int32)
    tail_forward = tail[::-1]
    running, smaller, add = np.minimum.accumulate, np.minimum, np.add
    for last, row, own in zip(best, best[1:], charged[1:], strict=False):
        running(last, out=head)
        smaller(tail_forward, head, out=head)
        add(head, own, row)
        running(last[::-1], out=tail)
    totals: Costs = best.ravel()[:size]
    return totals


def _totals(cost: Costs, limits: Limits) -> Costs:
    """The same for any limits; a chunk over the preferred size pays for it."""
    size, budget, least = len(cost), limits.budget, limits.least
    best = np.full(budget + size, _UNREACHED, np.int32)
    best[budget] = 0
    charged = cost + np.int32(limits.charge)
    beyond = budget - limits.preferred
    block = min(least, beyond) if beyond else least
    minima = _Minima(limits.preferred - least + 1, block)
    longer = _Minima(beyond, block) if beyond else None
    for first in range(least, size, block):
        last = min(first + block, size)
        totals = minima.of(best, first + beyond, last - first)
        if longer:
            totals = np.minimum(totals, longer.of(best, first, last - first) + np.int32(limits.beyond))
        np.add(totals, charged[first:last], out=best[budget + first : budget + last])
    return best[budget:]


class _Minima:
    """The minima of the first windows of one width from a place on; at most ``block`` of them, at most the width."""

    def __init__(self, width: int, block: int) -> None:
        self._width = width
        self._left = np.empty(block, np.int32)
        self._right = np.empty(width, np.int32)

    def of(self, values: Costs, start: int, count: int) -> Costs:
        """The minima of the windows from ``start``, ``start + 1`` …: each a tail of the left, a head of the right."""
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


def _step_back(best: Costs, end: int, limits: Limits, *, last: bool) -> int | None:
    """The start of the chunk that ends at border ``end``: the cheapest, of equals the one that makes sizes even."""
    low = max(0, end - limits.budget)
    totals = best[low : end if last else end - limits.least + 1]
    if limits.preferred < limits.budget:
        totals = totals.copy()
        totals[: max(0, end - limits.preferred - low)] += limits.beyond
    first = int(totals.argmin()) if len(totals) else 0
    lowest = int(totals[first]) if len(totals) else _UNREACHED
    if lowest >= _UNREACHED:
        return None
    if end > _EVENED * limits.preferred:  # so far from the text's start, the fullest chunk is as good as even
        return low + first
    equals = (totals <= lowest + (_TAIL_SLACK if last else 0)).nonzero()[0]
    if len(equals) == 1:
        return low + int(equals[0])
    aim = end - end / -(-end // limits.preferred) - low
    return low + int(equals[np.abs(equals - aim).argmin()])
