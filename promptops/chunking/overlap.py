"""Overlap: the whole sentences before a chunk that it repeats."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.types import Counter

_STARTS = re.compile(r"(?<=\S)(?=[^\S\n])|(?<=\n)(?=[^\n])|(?<=[。！？｡．])(?=\S)")
"""Before a space, after a line break, after a full stop that needs no space."""

_CHARACTERS_PER_TOKEN = 8


def extend_back(text: str, span: tuple[int, int, int], overlap: int, budget: int, counter: Counter) -> tuple[int, int]:
    """Where the chunk at ``span`` (start, end, tokens) begins with the sentences before it, and its tokens then.

    They are the most whole sentences that take at most ``overlap`` tokens alone and keep the chunk within ``budget``;
    where none fits, the chunk stays as it is.
    """
    start, end, tokens = span
    for begin in _sentence_starts(text, max(0, start - _CHARACTERS_PER_TOKEN * overlap), start):
        if counter.count(text[begin:start]) <= overlap:
            extended = counter.count(text[begin:end])
            if extended <= budget:
                return begin, extended
    return start, tokens


def _sentence_starts(text: str, low: int, high: int) -> list[int]:
    """The places between ``low`` and ``high`` where a sentence or something larger begins."""
    import numpy as np

    from promptops.chunking import grades
    from promptops.chunking.costs import LINE
    from promptops.tokens.characters import code_points

    region = text[low:high]
    inner = [match.start() for match in _STARTS.finditer(region) if 0 < match.start() < len(region)]
    if not inner:
        return []
    ends = np.array([0, *inner, len(region)], np.int32)
    points = code_points(region)
    cost = grades.grade(points, ends, grades.pairs(points, ends), "text")
    found: list[int] = (ends[1:-1][cost[1:-1] <= LINE] + low).tolist()
    return found
