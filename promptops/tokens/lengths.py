"""How many characters each token of a vocabulary stands for, so that cumulative sums give offsets into the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_CONTINUATION = bytes(range(0x80, 0xC0))
_INSIDE = 0x8000
_KNOWN = 0x4000
_CHARACTERS = 0x3FFF


class Lengths:
    """A table over one vocabulary, filled for the tokens that texts turn out to hold.

    Filling an entry twice gives the same value, so threads may share one table without a lock.
    """

    def __init__(self, size: int, token_bytes: Callable[[int], bytes]) -> None:
        self._token_bytes = token_bytes
        self._table = np.zeros(size + 1, np.uint16)

    def of(self, tokens: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The characters of the text up to each token's end, after a 0, and which tokens start inside a character."""
        entries = self._table.take(tokens, mode="clip")
        if not (entries & _KNOWN).all():
            self._learn(tokens)
            entries = self._table.take(tokens, mode="clip")
        inside = entries >= _INSIDE
        ends = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum(entries & _CHARACTERS, out=ends[1:])
        return ends, inside

    def _learn(self, tokens: NDArray[np.uint32]) -> None:
        present = np.zeros(len(self._table), bool)
        present[np.minimum(tokens, len(self._table) - 1)] = True
        present &= self._table == 0
        for token in np.flatnonzero(present).tolist():
            self._table[token] = _entry(self._token_bytes(token))


def _entry(spelling: bytes) -> int:
    """Characters that begin in this token, with the mark of a token that begins inside one."""
    characters = min(len(spelling.translate(None, _CONTINUATION)), _CHARACTERS)
    inside = _INSIDE if spelling and 0x80 <= spelling[0] < 0xC0 else 0
    return characters | inside | _KNOWN
