"""The text of an answer as its tokens arrive: whole characters only, and nothing of a stop text."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class Writer:
    """Joins token bytes into text, and ends before the first stop text to be complete.

    What the bytes were cut into makes no difference to the text. Bytes that are no UTF-8 become U+FFFD.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = [text for text in stop if text]
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._kept: list[str] = []
        self._held = ""
        self.stopped = False

    @property
    def text(self) -> str:
        """All that was written, without what is held back."""
        return "".join(self._kept)

    def add(self, data: bytes) -> str:
        """Take a token's bytes; returns the characters that are certain now."""
        return self._take(self._decode(data))

    def end(self) -> str:
        """No more bytes: returns what was held back."""
        rest = self._take(self._decode(b"", final=True))
        if not self.stopped:
            rest += self._keep(self._held)
            self._held = ""
        return rest

    def _take(self, text: str) -> str:
        if self.stopped or not text:
            return ""
        self._held += text
        cut = first_stop(self._held, self._stop)
        if cut is not None:
            self.stopped = True
            return self._keep(self._held[:cut])
        certain = len(self._held) - begun(self._held, self._stop)
        sure, self._held = self._held[:certain], self._held[certain:]
        return self._keep(sure)

    def _keep(self, text: str) -> str:
        self._kept.append(text)
        return text


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the stop text that is complete first begins, ``None`` without one."""
    found = [(at + len(end), at) for end in stop if (at := text.find(end)) >= 0]
    return min(found)[1] if found else None


def begun(text: str, stop: Sequence[str]) -> int:
    """How many of the last characters could be the beginning of a stop text."""
    most = min(len(text), max((len(end) for end in stop), default=1) - 1)
    sizes = range(most, 0, -1)
    return next((size for size in sizes if any(end.startswith(text[-size:]) for end in stop)), 0)
