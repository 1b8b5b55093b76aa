"""Blocks that are not torn where they fit: code fences, and the rows of a Markdown table."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

TORN = np.float32(1000)
"""Added inside a block that fits: more than any other border costs, so that it is cut only where nothing else goes."""
_LONG_TORN = np.float32(10)
_ROW_TORN = np.float32(20)


def protect(blocks: NDArray[np.int64], ends: NDArray[np.int64], cost: NDArray[np.float32], budget: int) -> None:
    """Raise the cost of the borders inside blocks, given as starts and ends in the text."""
    if not len(blocks):
        return
    first = np.searchsorted(ends, blocks[:, 0])
    first -= ends[first] > blocks[:, 0]
    last = np.searchsorted(ends, blocks[:, 1])
    _add_inside(cost, first, last, np.where(last - first <= budget, TORN, _LONG_TORN))


def protect_rows(text: str, ends: NDArray[np.int64], cost: NDArray[np.float32]) -> None:
    """Raise the cost of the borders inside the rows of Markdown tables."""
    starts = [0] if text.startswith("|") else []
    at = text.find("\n|") if "|" in text else -1
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n|", at + 1)
    if starts:
        stops = [text.find("\n", start) + 1 or len(text) for start in starts]
        first, last = np.searchsorted(ends, starts), np.searchsorted(ends, stops)
        _add_inside(cost, first, last, np.full(len(starts), _ROW_TORN))


def _add_inside(
    cost: NDArray[np.float32], first: NDArray[np.intp], last: NDArray[np.intp], amounts: NDArray[np.float32]
) -> None:
    """Add each amount to the borders strictly between ``first`` and ``last``; the spans do not overlap."""
    inner = last - first > 1
    steps = np.zeros(len(cost) + 1, np.float32)
    np.add.at(steps, first[inner] + 1, amounts[inner])
    np.add.at(steps, last[inner], -amounts[inner])
    cost += np.cumsum(steps[:-1], dtype=np.float32)


def fences(text: str, points: NDArray[np.uint32], *, fenced: bool = False) -> Iterator[tuple[int, int]]:
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


def _fence_lines(text: str, points: NDArray[np.uint32]) -> Iterator[tuple[int, int, str, str]]:
    """Each line that begins with a fence: its start, its end with the line break, the fence and what follows it."""
    end = 0
    for at in sorted([*_threes(text, points, "`"), *_threes(text, points, "~")]):
        if at < end:
            continue
        start = text.rfind("\n", end, at) + 1 or end
        end = text.find("\n", at) + 1 or len(text)
        if not text[start:at].strip(" \t>"):
            line = text[at:end].strip()
            info = line.lstrip(line[0])
            if "`" not in info:
                yield start, end, line[: len(line) - len(info)], info


def _threes(text: str, points: NDArray[np.uint32], mark: str) -> list[int]:
    """Where three of a mark stand side by side."""
    if mark not in text:
        return []
    places = (points == ord(mark)).nonzero()[0]
    found: list[int] = places[:-2][places[2:] - places[:-2] == 2].tolist()  # noqa: PLR2004 - third minus first
    return found
