"""A long text in pieces whose tokens are, one after another, those of the whole.

What an engine holds while it encodes a piece stays in the processor's cache: a fifth of the time of one long call.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1 << 14
_REACH = 1 << 10
_MARKS = " 。、，"
"""Published patterns split between a letter or a digit and one of these, whatever stands around them."""


def pieces(text: str, size: int = SIZE) -> Iterator[str]:
    """``text`` in pieces of about ``size`` characters, longer where no sure split is near."""
    start = at = 0
    while len(text) - at > 2 * size:
        at += size
        split = _split(text, at)
        if split:
            yield text[start:split]
            start = at = split
    yield text[start:]


def _split(text: str, at: int) -> int | None:
    """A sure split soon after a place."""
    for mark in _MARKS:
        found = text.find(mark, at, at + _REACH)
        while found > 0:
            if text[found - 1].isalnum():
                return found
            found = text.find(mark, found + 1, at + _REACH)
    return None
