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
    for line_start, line in _fence_lines(text, points):
        fence, info = line.groups()
        if start is None:
            start, mark = line_start, fence
        elif not info and fence.startswith(mark):
            yield start, line.end()
            start = None
    if start is not None:
        yield start, len(text)


def _fence_lines(text: str, points: Points) -> Iterator[tuple[int, re.Match[str]]]:
    """Each line that begins with a fence: its start, and the fence with what follows it."""
    end = 0
    for at in sorted(at for mark in _MARKS for at in _threes(text, points, mark)):
        if at < end:
            continue
        start = at if at == end or text[at - 1] == "\n" else text.rfind("\n", end, at) + 1 or end
        line = _FENCE.match(text, at)
        if line and (start == at or not text[start:at].strip(" \t>")):
            yield start, line
            end = line.end()
        else:
            end = text.find("\n", at) + 1 or len(text)


def _threes(text: str, points: Points, mark: str) -> list[int]:
    """Where three of a mark or more begin that may be a fence."""
    if mark not in text:
        return []
    places = (points == ord(mark)).nonzero()[0]
    places = places[:-2][places[2:] - places[:-2] == 2]
    before = points.take(places - 1)
    opens = places == 0
    for character in _BEFORE:
        opens |= before == ord(character)
    found: list[int] = places[opens].tolist()
    return found
