"""Passages: the stretches of a text that get a number, some sentences long; a blank line ends all but short ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from promptops.text import Span, sentences

_LEAST = 160
"""Characters that a passage has at least, where its paragraph has them: short ones would cost more marks than words."""
_SHORT = 40
"""Characters below which a line, such as a heading, goes with what follows it."""
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_ITEM = re.compile(r"(?:#{1,6}|[-*+>|]|\d{1,3}[.)])[ \t]+")


def passages(text: str) -> Iterator[Span]:
    """Spans that cover all of ``text`` but blanks between them, in order."""
    start = 0
    for sentence in sentences(text):
        size = sentence.end - start
        ends = size >= _SHORT and _BLANK_LINE.search(text, sentence.start, sentence.end) is not None
        if ends or size >= _LEAST or sentence.end == len(text):
            trimmed = text[start : sentence.end].rstrip()
            begin = start + len(trimmed) - len(trimmed.lstrip())
            if any(map(str.isalnum, trimmed)):
                yield Span(begin, start + len(trimmed))
            start = sentence.end


def numbered(text: str, numbers: Iterator[int]) -> tuple[str, dict[int, Span]]:
    """``text`` with a mark before each passage, and which passage has which number.

    A mark stands behind the sign of a heading or a list item, which would be none otherwise.
    """
    pieces: list[str] = []
    spans: dict[int, Span] = {}
    end = 0
    for span in passages(text):
        sign = _ITEM.match(text, span.start, span.end)
        place = sign.end() if sign else span.start
        number = next(numbers)
        spans[number] = span
        pieces += [text[end:place], f"[{number}] "]
        end = place
    return "".join([*pieces, text[end:]]), spans
