"""Exact token counts of a text made of pieces, without counting again what stays the same.

A vocabulary's splits are sure after a line break that no white space follows: what stands between two of them takes the
same tokens alone and in any text (see ``Vocabulary.line_split``). Pieces are cut there, and each is counted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from promptops.types import Counter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LARGE = 4_096
"""Characters from which a stretch is worth its token offsets."""


class Tally:
    """Counts by one counter, and remembers."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self._sure = bool(getattr(counter, "line_split", False)) and not getattr(counter, "composed", False)
        self._counts: dict[str, int] = {}
        self._ends: dict[str, NDArray[np.int32]] = {}

    def tokens(self, pieces: Iterable[str]) -> int:
        """Tokens of the pieces joined; each comes from ``cells`` or is short."""
        total, run = 0, ""
        for piece in pieces:
            if run and piece and self.border(run, piece):
                total += self._count(run)
                run = piece
            else:
                run += piece
        return total + self._count(run)

    def border(self, left: str, right: str) -> bool:
        """Whether a split between the two is sure."""
        return self._sure and left.endswith("\n") and not right[0].isspace()

    def cells(self, text: str) -> tuple[str, str, str]:
        """``text`` cut at its first and its last sure split, so that what is between need be counted only once."""
        first, last = self.after(text, 0), self.before(text, len(text))
        return (text[:first], text[first:last], text[last:]) if 0 < first < last else (text, "", "")

    def after(self, text: str, at: int) -> int:
        """The first sure split at or after a place; the end of the text where there is none."""
        found = text.find("\n", max(at - 1, 0)) if self._sure else -1
        while 0 <= found < len(text) - 1:
            if not text[found + 1].isspace():
                return found + 1
            found = text.find("\n", found + 1)
        return len(text)

    def before(self, text: str, at: int) -> int:
        """The last sure split at or before a place; 0 where there is none."""
        while self._sure and (at := text.rfind("\n", 0, at) + 1) > 0:
            if at < len(text) and not text[at].isspace():
                return at
            at -= 1
        return 0

    def place(self, cells: Sequence[str], tokens: int) -> int:
        """The character where about so many tokens of the cells end."""
        before = 0
        for cell in cells:
            size = self._count(cell)
            if tokens <= size:
                return before + self._within(cell, tokens)
            tokens -= size
            before += len(cell)
        return before

    def _within(self, cell: str, tokens: int) -> int:
        if tokens <= 0:
            return 0
        if self._large(cell):
            return int(self._offsets(cell)[tokens])
        return max(tokens, tokens * len(cell) // max(self._count(cell), 1))

    def divide(self, cells: Sequence[str], at: int) -> tuple[list[str], list[str]]:
        """The cells up to a sure split and those after it, counted as far as they are long."""
        left: list[str] = []
        right: list[str] = []
        for cell in cells:
            inside = min(max(at, 0), len(cell))
            left.append(cell[:inside])
            right.append(cell[inside:])
            if self._large(cell) and 0 < inside < len(cell):
                ends = self._offsets(cell)
                self._counts[left[-1]] = int(ends.searchsorted(inside, "left"))
                self._counts[right[-1]] = len(ends) - 1 - self._counts[left[-1]]
            at -= len(cell)
        return left, right

    def _large(self, text: str) -> bool:
        return self._sure and len(text) >= _LARGE

    def _count(self, text: str) -> int:
        if not text:
            return 0
        if text not in self._counts:
            self._counts[text] = len(self._offsets(text)) - 1 if self._large(text) else self.counter.count(text)
        return self._counts[text]

    def _offsets(self, text: str) -> NDArray[np.int32]:
        """Characters up to each token's end, after a 0."""
        if text not in self._ends:
            counter: Any = self.counter
            self._ends[text] = counter.spellings.ends(counter.encode_flat(text))
        return self._ends[text]
