"""Blocks that are not torn where they fit: code fences, and the rows of a Markdown table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)
TORN = np.float32(1000)
"""Added inside a block that fits: more than any other border costs, so that it is cut only where nothing else goes."""
_LONG_TORN = np.float32(10)
_ROW_TORN = np.float32(20)


def protect(  # noqa: PLR0913 - the parts of one pass over one text
    text: str, ends: NDArray[np.int64], cost: NDArray[np.float32], budget: int, style: str, *, fenced: bool = False
) -> None:
    """Raise the cost of the borders inside blocks of ``text`` that should stay whole."""
    for start, end in fences(text, fenced=fenced):
        first, last = np.searchsorted(ends, (start, end))
        first -= ends[first] > start
        inside = cost[first + 1 : last]
        inside += TORN if last - first <= budget else _LONG_TORN
    if style == "markdown" and "\n|" in text:
        _protect_rows(text, ends, cost)


def fences(text: str, *, fenced: bool = False) -> Iterator[tuple[int, int]]:
    """The spans of the code fences of ``text``, from the start of the opening line to the end of the closing one."""
    start, mark = (0, "") if fenced else (None, "")
    for line_start, line_end, fence, info in _fence_lines(text):
        if start is None:
            start, mark = line_start, fence
        elif not info.strip() and fence.startswith(mark):
            yield start, line_end
            start = None
    if start is not None:
        yield start, len(text)


def _fence_lines(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Each line that begins with a fence: its start, its end with the line break, the fence and what follows it."""
    end = 0
    for at in sorted([*_places(text, "```"), *_places(text, "~~~")]):
        if at < end:
            continue
        start = text.rfind("\n", end, at) + 1 or end
        end = text.find("\n", at) + 1 or len(text)
        found = _FENCE.match(text, start, end)
        if found:
            yield start, end, found[1], found[2]


def _places(text: str, mark: str) -> Iterator[int]:
    """Where ``mark`` stands, at most once per line: a search that never goes back over the text."""
    at = text.find(mark)
    while at >= 0:
        yield at
        line_end = text.find("\n", at)
        at = text.find(mark, line_end) if line_end >= 0 else -1


def _protect_rows(text: str, ends: NDArray[np.int64], cost: NDArray[np.float32]) -> None:
    at = 0 if text.startswith("|") else text.find("\n|") + 1
    while at:
        end = text.find("\n", at) + 1 or len(text)
        first, last = np.searchsorted(ends, (at, end))
        inside = cost[first + 1 : last]
        inside += _ROW_TORN
        at = text.find("\n|", end - 1) + 1
