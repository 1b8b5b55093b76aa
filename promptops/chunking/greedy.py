"""The last resort: whole graphemes, as many as fit, each chunk counted until it does. Exact for any counter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.errors import UsageError
from promptops.tokens.graphemes import grapheme_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promptops.types import Counter

_SHOWN = 12


def greedy(
    text: str, start: int, end: int, budget: int, counter: Counter, *, position: int = 0
) -> Iterator[tuple[int, int, int]]:
    """Start, end and tokens of chunks of ``text[start:end]``, which begins at a grapheme border.

    A grapheme that alone takes more than the budget raises ``UsageError``; ``position`` is where ``text`` begins.
    """
    ends = grapheme_ends(text, start, end)
    first, step = 0, budget
    while first < len(ends):
        last = _farthest(text, start, ends, first, step, budget, counter)
        if last == first:
            raise UsageError(_too_large(text[start : ends[first]], position + start, budget, counter))
        yield start, ends[last - 1], counter.count(text[start : ends[last - 1]])
        start, first, step = ends[last - 1], last, last - first


def _farthest(text: str, start: int, ends: list[int], first: int, step: int, budget: int, counter: Counter) -> int:
    """How many of ``ends`` come before the chunk from ``start`` passes the budget: galloping, then bisection."""

    def fits(last: int) -> bool:
        return counter.count(text[start : ends[last - 1]]) <= budget

    low, high = first, min(len(ends), first + max(1, step))
    while fits(high):
        low, step = high, step * 2
        if high == len(ends):
            return high
        high = min(len(ends), high + step)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def _too_large(grapheme: str, start: int, budget: int, counter: Counter) -> str:
    shown = grapheme if len(grapheme) <= _SHOWN else grapheme[:_SHOWN] + "…"
    needed = counter.count(grapheme)
    return (
        f"the character {shown!r} at {start} takes {needed} tokens, more than the budget of {budget}; "
        f"give chunks at least {needed} tokens"
    )
