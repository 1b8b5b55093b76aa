"""Guessing the next tokens from what was already said, to have them checked together.

Prompt lookup decoding (Saxena 2023): summaries and extractions repeat spans of their document, so the tokens that
followed the last few ones earlier are a good guess. Checked guesses cost no quality: each is kept only where sampling
would have picked it.
"""

from __future__ import annotations

from collections.abc import Sequence

LONGEST, SHORTEST = 4, 2
"""Tokens at the end that have to be found again."""
_PATIENCE = 8


class Lookup:
    """Guesses for one answer; guesses less where they fail. ``most`` is tokens per guess."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = most
        self._rest = 0
        self._seen: dict[tuple[int, ...], int] = {}
        self._read = 0

    def guess(self, tokens: Sequence[int], room: int) -> list[int]:
        """Up to ``room`` tokens that may follow ``tokens``."""
        self._index(tokens)
        if self._rest > 0:
            self._rest -= 1
            return []
        size = min(self._size, room)
        if size < 1:
            return []
        for length in range(LONGEST, SHORTEST - 1, -1):
            at = self._seen.get(tuple(tokens[-length:])) if len(tokens) > length else None
            if at is not None:
                return list(tokens[at : at + size])
        return []

    def learn(self, guessed: int, right: int) -> None:
        """Take in how many of the guessed tokens were right."""
        if not guessed:
            return
        if right == guessed:
            self._size = min(self._most, self._size * 2)
        elif right * 2 < guessed:
            self._size = max(1, self._size // 2)
            self._rest = 0 if right else _PATIENCE

    def forget(self) -> None:
        """The tokens were cut in their middle: read them anew."""
        self._seen.clear()
        self._read = 0

    def _index(self, tokens: Sequence[int]) -> None:
        """Remember what followed every run of tokens; the last run has no follower yet."""
        for end in range(self._read, len(tokens)):
            for length in range(SHORTEST, LONGEST + 1):
                if end >= length:
                    self._seen[tuple(tokens[end - length : end])] = end
        self._read = max(self._read, len(tokens))
