"""Exact token counts of the chunks between chosen borders, without encoding the text a second time.

Between two safe borders a chunk has as many tokens alone as in the whole text. Where a chunk begins or ends at a border
that is not safe, only the few characters up to the next safe one inside the chunk are counted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.chunking.borders import Borders
    from promptops.types import Counter

_REACH = 48


def exact_counts(borders: Borders, cuts: list[int], counter: Counter) -> list[int]:
    """The tokens of the chunk that ends at each of ``cuts``, by ``counter`` on that chunk alone."""
    starts = [0, *cuts[:-1]]
    if not borders.additive:
        return [_count(borders, start, cut, counter) for start, cut in zip(starts, cuts, strict=True)]
    safe = borders.safe(cuts)
    return [
        cut - start if fine and fine_before else _recount(borders, (start, fine_before), (cut, fine), counter)
        for start, fine_before, cut, fine in zip(starts, [True, *safe[:-1]], cuts, safe, strict=True)
    ]


def _recount(borders: Borders, begin: tuple[int, bool], end: tuple[int, bool], counter: Counter) -> int:
    """The tokens of one chunk whose ends, given with whether they are safe, are not both so."""
    start, cut = begin[0], end[0]
    left = start if begin[1] else borders.first_safe(start + 1, min(cut, start + _REACH))
    right = cut if end[1] else borders.last_safe(max(start + 1, cut - _REACH), cut)
    if left is None or right is None or left > right:
        return _count(borders, start, cut, counter)
    edges = (_count(borders, first, last, counter) for first, last in ((start, left), (right, cut)) if first < last)
    return right - left + sum(edges)


def _count(borders: Borders, start: int, cut: int, counter: Counter) -> int:
    return counter.count(borders.text[borders.ends[start] : borders.ends[cut]])
