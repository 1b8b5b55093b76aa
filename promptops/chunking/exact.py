"""Exact token counts of the chunks between chosen borders, without encoding the text a second time.

Between two safe borders a chunk has as many tokens alone as in the whole text. At a border that is not safe, only the
few characters from the last safe border before it, and up to the next one after it, are counted again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.chunking import grades

if TYPE_CHECKING:
    from promptops.chunking.borders import Borders
    from promptops.types import Counter

_REACH = 48


def exact_counts(borders: Borders, cuts: list[int], counter: Counter) -> list[int]:
    """The tokens of the chunk that ends at each of ``cuts``, by ``counter`` on that chunk alone."""
    starts = [0, *cuts[:-1]]
    if not borders.additive:
        return [_count(borders, start, cut, counter) for start, cut in zip(starts, cuts, strict=True)]
    safe = grades.safe(borders.pairs.take(cuts)).tolist()
    safe[-1] = True
    counts = [cut - start for start, cut in zip(starts, cuts, strict=True)]
    for index, cut in enumerate(cuts):
        if not safe[index] and not _indented(borders, cut):
            _correct(borders, cuts, counts, index, counter)
    return [
        _count(borders, start, cut, counter) if tokens < 0 else tokens
        for start, cut, tokens in zip(starts, cuts, counts, strict=True)
    ]


def _count(borders: Borders, start: int, cut: int, counter: Counter) -> int:
    return counter.count(borders.text[borders.ends[start] : borders.ends[cut]])


def _correct(borders: Borders, cuts: list[int], counts: list[int], index: int, counter: Counter) -> None:
    """Count again around one border; a chunk with no safe border near is marked with a count below 0."""
    cut = cuts[index]
    start = cuts[index - 1] if index else 0
    before = borders.safe(max(start + 1, cut - _REACH), cut)
    after = borders.safe(cut + 1, min(cuts[index + 1], cut + _REACH))
    if counts[index] >= 0 and len(before):
        sure = int(before[-1])
        counts[index] += _count(borders, sure, cut, counter) - (cut - sure)
    else:
        counts[index] = _UNSURE
    if len(after):
        sure = int(after[0])
        counts[index + 1] += _count(borders, cut, sure, counter) - (sure - cut)
    else:
        counts[index + 1] = _UNSURE


_UNSURE = -(1 << 40)


def _indented(borders: Borders, cut: int) -> bool:
    return False
