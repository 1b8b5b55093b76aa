"""Cuts a text to a number of tokens at grapheme borders."""

from __future__ import annotations

from promptops.errors import UsageError
from promptops.tokens.graphemes import grapheme_ends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from promptops.types import Counter

    Keep = Literal["head", "tail", "both"]

GAP = "\n…\n"
"""Stands where the middle was taken out."""

_CHARACTERS_PER_TOKEN = 6
_SLACK = 64


def truncate(text: str, n: int, *, counter: Counter, keep: Keep = "head") -> str:
    """``text`` cut to at most ``n`` tokens by ``counter``, as much as fits; no grapheme is cut in two.

    ``keep`` says what stays: its ``head``, its ``tail``, or ``both`` with a line ``…`` between them. A text that fits
    is returned as it is; where not even the first grapheme fits, the result is empty. Raises ``UsageError`` for a
    negative ``n`` or another ``keep``.
    """
    if n < 0:
        raise UsageError(f"a text cannot be cut to {n} tokens; give 0 or more")
    if keep not in {"head", "tail", "both"}:
        raise UsageError(f"keep={keep!r} is none of 'head', 'tail', 'both'")
    if _fits(text, n, counter):
        return text
    if keep == "both":
        return _both(text, n, counter)
    return _head(text, n, counter) if keep == "head" else _tail(text, n, counter)


def _fits(text: str, n: int, counter: Counter) -> bool:
    """Whether the text takes at most ``n`` tokens; a text so long that it cannot be likely is tried in part first."""
    size = _size(n)
    return (len(text) <= 4 * size or counter.count(text[: 4 * size]) <= 2 * n) and counter.count(text) <= n


def _size(n: int) -> int:
    return _CHARACTERS_PER_TOKEN * n + _SLACK


def _head(text: str, n: int, counter: Counter) -> str:
    size = _size(n)
    while size < len(text) and counter.count(text[:size]) <= n + 1:
        size *= 2
    ends = grapheme_ends(text, 0, min(size, len(text)))
    if size < len(text):
        ends.pop()  # the last grapheme may go on
    return text[: _most(ends, lambda end: counter.count(text[:end]) <= n, 0)]


def _tail(text: str, n: int, counter: Counter) -> str:
    size = _size(n)
    while size < len(text) and counter.count(text[-size:]) <= n + 1:
        size *= 2
    first = _border_before(text, max(0, len(text) - size))
    starts = [first, *grapheme_ends(text, first)[:-1]][::-1]
    return text[_most(starts, lambda start: counter.count(text[start:]) <= n, len(text)) :]


def _both(text: str, n: int, counter: Counter) -> str:
    """Half for the head, the rest for the tail; the two and the line between are counted together."""
    head = _head(text, max(0, n - counter.count(GAP)) // 2, counter)
    for room in range(n - counter.count(head), -1, -1):
        tail = _tail(text[len(head) :], room, counter)
        joined = head + GAP + tail
        if counter.count(joined) <= n:
            return joined
    return _head(text, n, counter)


def _most(places: list[int], fits: Callable[[int], bool], none: int) -> int:
    """The last of ``places`` that fits, by bisection; a few further on are tried, since counts need not grow evenly."""
    low, high = 0, len(places)
    while low < high:
        middle = (low + high) // 2
        if fits(places[middle]):
            low = middle + 1
        else:
            high = middle
    for beyond in range(min(low + 2, len(places) - 1), low - 1, -1):
        if fits(places[beyond]):
            return places[beyond]
    while low and not fits(places[low - 1]):
        low -= 1
    return places[low - 1] if low else none


def _border_before(text: str, at: int) -> int:
    """The last sure grapheme border at or before a place: between two characters that join with nothing."""
    while at > 0 and not (_plain(text[at - 1]) and _plain(text[at])):
        at -= 1
    return at


def _plain(character: str) -> bool:
    """ASCII that can be seen, Hangul syllables, Han: none of these extends, or is extended by one of these."""
    return " " <= character <= "~" or "가" <= character <= "힣" or "一" <= character <= "鿿"
