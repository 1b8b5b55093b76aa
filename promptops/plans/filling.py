"""Texts of so many tokens that say nothing: what stands for answers that nobody has given yet."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from promptops.types import Counter


def words(number: int) -> str:
    """So many words."""
    return " ".join(["x"] * number)


def filler(tokens: int, counter: Counter, write: Callable[[int], str] = words) -> str:
    """A text of exactly ``tokens`` tokens, or of the fewest more that this vocabulary can make.

    A counter that no text of ``x`` brings there, though it has sixty-four for each token, is taken at that.
    """

    def size(words: int) -> int:
        return counter.count(write(words))

    most = tokens
    while size(most) < tokens and most < 64 * tokens:
        most *= 2
    return write(bisect_left(range(1, most), tokens, key=size) + 1)
