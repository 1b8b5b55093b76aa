"""What the tokens of a vocabulary spell: how many characters, and of which classes the first and the last are.

Cumulative sums over the first give offsets into a text, the second what stands on both sides of every border between
tokens, without a look at the text itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from promptops.tokens.characters import KINDS, ODD, UNKNOWN, class_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Entries = NDArray[np.uint32]

_CHARACTERS = np.uint32(0x3FFF)
_KNOWN = 0x4000
_INSIDE = np.uint32(0x8000)
_KINDS_AT = np.uint32(16)
_FIRST = np.uint32(KINDS - 1)
_LAST = np.uint32(KINDS * (KINDS - 1))
_BLOCK = 1 << 14


class Spellings:
    """A table over one vocabulary, filled for the tokens that texts turn out to hold.

    Filling an entry twice gives the same value, so threads may share one table without a lock.
    """

    def __init__(self, size: int, token_bytes: Callable[[int], bytes]) -> None:
        self._token_bytes = token_bytes
        self._table = np.zeros(size + 1, np.uint32)

    def of(self, tokens: NDArray[np.uint32]) -> Entries:
        """The entry of each token."""
        entries = gather(self._table, tokens)
        if not entries.min(initial=_KNOWN):
            self._learn(tokens)
            entries = gather(self._table, tokens)
        return entries

    def ends(self, tokens: NDArray[np.uint32]) -> NDArray[np.int32]:
        """The characters of the text up to each token's end, after a 0."""
        return ends(self.of(tokens))

    def _learn(self, tokens: NDArray[np.uint32]) -> None:
        present = np.zeros(len(self._table), bool)
        present[np.minimum(tokens, len(self._table) - 1)] = True
        present &= self._table == 0
        for token in np.flatnonzero(present).tolist():
            self._table[token] = _entry(self._token_bytes(token))


def gather(table: NDArray[Any], index: NDArray[Any]) -> NDArray[Any]:
    """What the table holds at each index, block by block: NumPy widens the indices, which so stay in the cache."""
    found = np.empty(len(index), table.dtype)
    for start in range(0, len(index), _BLOCK):
        block = slice(start, start + _BLOCK)
        table.take(index[block], out=found[block], mode="clip")
    return found


def ends(entries: Entries) -> NDArray[np.int32]:
    """The characters of the text up to each token's end, after a 0."""
    found = np.zeros(len(entries) + 1, np.int32)
    np.cumsum((entries & _CHARACTERS).view(np.int32), dtype=np.int32, out=found[1:])
    return found


def inside(entries: Entries) -> NDArray[np.bool_]:
    """Which tokens start inside a character."""
    found: NDArray[np.bool_] = entries & _INSIDE != 0
    return found


def pairs(entries: Entries) -> NDArray[np.uint16]:
    """The classes before and after each border between two tokens as one number.

    A class that a token alone does not show, since its character goes on in the next, is ``UNKNOWN``; after a border
    inside a character stands ``ODD``.
    """
    kinds = (entries >> _KINDS_AT).astype(np.uint16)
    found = np.zeros(len(entries) + 1, np.uint16)
    np.bitwise_and(kinds[:-1], KINDS * (KINDS - 1), out=found[1:-1])
    kinds &= KINDS - 1
    found[1:-1] |= kinds[1:]
    return found


def _entry(spelling: bytes) -> int:
    starts = [at for at, byte in enumerate(spelling) if byte & 0xC0 != 0x80]
    broken = not starts or starts[0] > 0
    first = ODD if broken else _class(spelling[: starts[1] if len(starts) > 1 else None])
    last = _class(spelling[starts[-1] :]) if starts else UNKNOWN
    kinds = last * KINDS + first
    return min(len(starts), int(_CHARACTERS)) | (int(_INSIDE) if broken else 0) | _KNOWN | kinds << int(_KINDS_AT)


def _class(spelling: bytes) -> int:
    """The class of a whole character."""
    try:
        return class_of(ord(spelling.decode()))
    except (UnicodeDecodeError, TypeError):
        return UNKNOWN
