"""Splitting a text into chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from promptops.errors import UsageError
from promptops.types import Chunk

if TYPE_CHECKING:
    from promptops.types import Counter

_GRAPHEME = regex.compile(r"\X", regex.DOTALL)
_GOOD = (regex.compile(r"\n[ \t\r]*\n\s*"), regex.compile(r"[.!?。！？]['\")\]”’」』]*\s+|[。！？]|\n"), regex.compile(r"\s+"))


def split(text: str, budget: int, counter: Counter, *, overlap: int = 0, format: str = "text") -> list[Chunk]:  # noqa: A002, ARG001
    """Spans of ``text`` of at most ``budget`` tokens by ``counter`` that tile it; ``[]`` for an empty text.

    With ``overlap``, each chunk but the first also starts with up to that many tokens of whole sentences from before;
    ``cores`` gives the spans without them. A budget smaller than one grapheme raises ``UsageError``.
    """
    if budget < 1:
        raise UsageError(f"a chunk needs a budget of at least 1 token, not {budget}")
    if not 0 <= overlap <= budget // 2:
        raise UsageError(f"the overlap of {overlap} tokens must be from 0 to half of the budget of {budget}")
    chunks: list[Chunk] = []
    start = 0
    while start < len(text):
        end = _end(text, start, budget - overlap if chunks else budget, counter)
        begin = _overlap_start(text, start, end, overlap, budget, counter) if chunks else start
        chunks.append(Chunk(begin, end, text[begin:end], counter.count(text[begin:end])))
        start = end
    return chunks


def cores(chunks: list[Chunk]) -> list[tuple[int, int]]:
    """The spans of the chunks without what they repeat of the chunk before: they tile the text."""
    return [(chunk.start if i == 0 else chunks[i - 1].end, chunk.end) for i, chunk in enumerate(chunks)]


def _end(text: str, start: int, budget: int, counter: Counter) -> int:
    size = budget
    while start + size < len(text) and counter.count(text[start : start + size]) <= budget:
        size *= 2
    ends = [match.end() for match in _GRAPHEME.finditer(text, start, min(len(text), start + size + 64))]
    if start + size + 64 < len(text) and len(ends) > 1:
        ends.pop()
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high) // 2
        if counter.count(text[start : ends[middle]]) <= budget:
            low = middle + 1
        else:
            high = middle
    while low and counter.count(text[start : ends[low - 1]]) > budget:
        low -= 1
    if not low:
        needed = counter.count(text[start : ends[0]])
        raise UsageError(
            f"the character {text[start:ends[0]]!r} at {start} takes {needed} tokens; the budget of {budget} must be at least that"
        )
    limit = ends[low - 1]
    return limit if limit == len(text) else _good_end(text, start, limit, budget, counter)


def _good_end(text: str, start: int, limit: int, budget: int, counter: Counter) -> int:
    for pattern in _GOOD:
        found = [match.end() for match in pattern.finditer(text, start + (limit - start) // 2, limit)]
        for end in reversed(found):
            if counter.count(text[start:end]) <= budget and regex.match(r"\X", text[end - 1 : end + 8]).end() == 1:
                return end
    return limit


def _overlap_start(text: str, start: int, end: int, overlap: int, budget: int, counter: Counter) -> int:
    if not overlap:
        return start
    begins = [m.end() for m in _GOOD[1].finditer(text, max(0, start - 8 * overlap), start) if m.end() < start]
    for begin in begins:
        if counter.count(text[begin:start]) <= overlap and counter.count(text[begin:end]) <= budget:
            return begin
    return start
