"""The sentences of an answer and the marks that belong to each, wherever the model has put them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promptops.citing.marks import found
from promptops.text import sentences

_WORD_AND_MARKS = re.compile(r"([^\s\[\]]+)((?:[ \t]*\[(?:\d{1,4}|\?)\])+)")
_ITEM = re.compile(r"\n(?=[ \t]*(?:[-*+|]|#{1,6}[ \t]|\d{1,3}[.)][ \t]))")
_FILLER = "\u2060"
"""The word joiner: neither a blank nor a letter, so that no sentence begins or ends with it."""
_ONLY_MARKS = re.compile(r"\[(?:\d{1,4}|\?)\]")


@dataclass(frozen=True, slots=True)
class Cited:
    """One sentence, ``start`` to ``end`` in the answer with its marks; ``numbers`` are those that it names."""

    start: int
    end: int
    numbers: tuple[int, ...]
    unknown: bool
    """Whether one of its marks names nothing."""


def cited(text: str) -> list[Cited]:
    """The sentences of ``text``; a mark belongs to the sentence that it follows, on either side of its full stop."""
    return [one for start, end in _spans(text) if (one := _one(text, start, end)) is not None]


def _one(text: str, start: int, end: int) -> Cited | None:
    piece = text[start:end]
    if not any(map(str.isalnum, _ONLY_MARKS.sub("", piece))):
        return None
    lead = len(piece) - len(piece.lstrip())
    return Cited(start + lead, start + len(piece.rstrip()), tuple(dict.fromkeys(found(piece))), "[?]" in piece)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where sentences stand in a text of the same length in which each mark has changed places with the word before."""
    moved = _WORD_AND_MARKS.sub(lambda match: _FILLER * len(match[2]) + match[1], text)
    for sentence in sentences(moved):
        start = sentence.start
        for item in _ITEM.finditer(moved, sentence.start + 1, sentence.end):
            yield start, item.end()
            start = item.end()
        yield start, sentence.end
