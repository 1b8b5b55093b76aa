"""Code fences, which are not torn where they fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from promptops.chunking.costs import LONG_TORN, TORN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from promptops.tokens.characters import Points

_MARKS = "`~"
_BREAK = ord("\n")
_FENCE = re.compile(r"(`{3,}+|~{3,}+)[^\S\n]*+([^`\n]*+)(?:\n|\Z)")
_BEFORE = "\n \t>"
"""What may stand right before a fence."""


def protect(blocks: NDArray[np.int32], ends: NDArray[np.int32], cost: NDArray[np.int32], budget: int) -> None:
    """Raise the cost of the borders inside blocks, given as starts and ends in the text."""
    first = ends.searchsorted(blocks[:, 0])
    first -= ends[first] > blocks[:, 0]
    last = ends.searchsorted(blocks[:, 1])
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        cost[start + 1 : end] += TORN if end - start <= budget else LONG_TORN


def fences(text: str, points: Points, *, fenced: bool = False) -> Iterator[tuple[int, int]]:
    """The spans of the code fences of ``text``, from the start of the opening line to the end of the closing one.

    ``fenced`` says that the text begins inside one.
    """
    start, mark = (0, "") if fenced else (None, "")
    for line_start, line_end, fence, info in _fence_lines(text, points):
        if start is None:
            start, mark = line_start, fence
        elif not info and fence.startswith(mark):
            yield start, line_end
            start = None
    if start is not None:
        yield start, len(text)


def _fence_lines(text: str, points: Points) -> Iterator[tuple[int, int, str, str]]:
    """Each line that begins with a fence: its start, its end with the line break, the fence and what follows it."""
    end = 0
    for at, bare in _threes(text, points):
        if at < end:
            continue
        if bare:
            end = at + 4
            yield at, end, text[at : at + 3], ""
            continue
        start = at if at == end or text[at - 1] == "\n" else text.rfind("\n", end, at) + 1 or end
        line = _FENCE.match(text, at)
        end = line.end() if line else text.find("\n", at) + 1 or len(text)
        if line and (start == at or not text[start:at].strip(" \t>")):
            yield start, end, line[1], line[2]


def _threes(text: str, points: Points) -> list[tuple[int, bool]]:
    """Where three of a mark or more begin that may be a fence, in order, and whether they are all of their line."""
    found: list[tuple[int, bool]] = []
    for mark in _MARKS:
        if mark not in text:
            continue
        places = (points == ord(mark)).nonzero()[0]
        places = places[:-2][places[2:] - places[:-2] == 2]
        before = points.take(places - 1)
        opens = places == 0
        for character in _BEFORE:
            opens |= before == ord(character)
        bare = (before == _BREAK) & (points.take(places + 3, mode="clip") == _BREAK) & (places > 0)
        found.extend(zip(places[opens].tolist(), bare[opens].tolist(), strict=True))
    return sorted(found)
