"""Code fences, which are not torn where they fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promptops.chunking.costs import LONG_TORN, TORN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


def protect(blocks: NDArray[np.int64], ends: NDArray[np.int64], cost: NDArray[np.int32], budget: int) -> None:
    """Raise the cost of the borders inside blocks, given as starts and ends in the text."""
    if not len(blocks):
        return
    first = np.searchsorted(ends, blocks[:, 0])
    first -= ends[first] > blocks[:, 0]
    last = np.searchsorted(ends, blocks[:, 1])
    inside = np.maximum(last - first - 1, 0)
    amounts = np.where(last - first <= budget, TORN, LONG_TORN).astype(np.int32)
    places = np.arange(inside.sum()) + np.repeat(first + 1 - (np.cumsum(inside) - inside), inside)
    cost[places] += np.repeat(amounts, inside)


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
        start = at if at == end or text[at - 1] == "\n" else text.rfind("\n", end, at) + 1 or end
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end].rstrip()
        info = line.lstrip(line[0])
        if "`" not in info and (start == at or not text[start:at].strip(" \t>")):
            yield start, end, line[: len(line) - len(info)], info


def _threes(text: str, points: NDArray[np.uint32], mark: str) -> list[int]:
    """Where three of a mark stand side by side."""
    if mark not in text:
        return []
    places = (points == ord(mark)).nonzero()[0]
    found: list[int] = places[:-2][places[2:] - places[:-2] == 2].tolist()
    return found
