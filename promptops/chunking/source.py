"""A text that arrives in pieces, read through a window that only moves forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Source:
    """Holds what a window shows and ``kept`` characters before it, and little more."""

    def __init__(self, pieces: Iterator[str], kept: int = 0) -> None:
        self.position = 0
        self._pieces = pieces
        self._kept = kept
        self._held = ""
        self._at = 0
        self._ended = False

    def ahead(self, size: int) -> tuple[str, bool]:
        """Up to ``size`` characters from the present position, and whether the text ends with them."""
        have = len(self._held) - self._at
        if have <= size and not self._ended:
            parts = [self._held[max(0, self._at - self._kept) :]]
            self._at = min(self._at, self._kept)
            while have <= size and not self._ended:
                piece = next(self._pieces, None)
                self._ended = piece is None
                parts.append(piece or "")
                have += len(parts[-1])
            self._held = "".join(filter(None, parts))
        return self._held[self._at : self._at + size], have <= size

    def behind(self) -> str:
        """Up to ``kept`` characters before the present position."""
        return self._held[max(0, self._at - self._kept) : self._at]

    def advance(self, count: int) -> None:
        """Move the present position on by ``count`` characters."""
        self._at += count
        self.position += count
