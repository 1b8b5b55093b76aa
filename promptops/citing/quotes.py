"""Quotes: finding in a text what is said to stand there, whatever was done to its blanks, marks and case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from promptops.text import Span

_MARKS_AND_MARKUP = re.compile(r"\[\?\]|\[\d{1,4}\]|[*_`]+")
_SINGLE = "\u2018\u2019\u201a\u201b"
_DOUBLE = "\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_SAME = {ord(mark): same for marks, same in ((_SINGLE, "'"), (_DOUBLE, '"'), (_DASHES, "-")) for mark in marks}
_EDGES = " \t\r\n.,;:!?\"'" + _SINGLE + _DOUBLE
_QUOTED = re.compile(
    '["\u201c\u00ab\u201e]([^"\u201c\u201d\u00ab\u00bb\u201e\n]{2,}?)["\u201d\u00bb]'
    "|\u300c([^\u300c\u300d\n]{2,}?)\u300d|\u300e([^\u300e\u300f\n]{2,}?)\u300f"
)
_LEAST_WORDS = 3
_LEAST_CHARACTERS = 8


def locate(quote: str, text: str) -> Span | None:
    """Where ``quote`` stands in ``text``: exactly, or but for blanks, case, kinds of quotation marks, dashes, markup.

    Its ends may lack or have punctuation of their own. ``None`` where its words do not stand there in a row.
    """
    bare = quote.strip(_EDGES)
    if not bare:
        return None
    start = text.find(bare)
    if start >= 0:
        return Span(start, start + len(bare))
    plain, _ = _plain(bare)
    whole, places = _plain(text)
    at = whole.find(plain) if plain else -1
    return Span(places[at], places[at + len(plain) - 1] + 1) if at >= 0 else None


def misquoted(sentence: str, texts: Iterable[str]) -> list[str]:
    """The quotes in ``sentence`` that stand in none of ``texts``; a name or a word in quotation marks is no quote."""
    quotes = [quote for quote in _quotes(sentence) if _is_long(quote)]
    known = list(texts) if quotes else []
    together = "\n".join(known)
    return [quote for quote in quotes if locate(quote, together) is None]


def _quotes(sentence: str) -> Iterator[str]:
    for match in _QUOTED.finditer(sentence):
        yield next(filter(None, match.groups()))


def _is_long(quote: str) -> bool:
    return len(quote.split()) >= _LEAST_WORDS and len(quote) >= _LEAST_CHARACTERS


def _plain(text: str) -> tuple[str, list[int]]:
    """``text`` as far as it matters, and where each of its characters stood."""
    left_out = {place for match in _MARKS_AND_MARKUP.finditer(text) for place in range(*match.span())}
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text.translate(_SAME)):
        if place in left_out:
            continue
        if character.isspace():
            if not characters or characters[-1] == " ":
                continue
            character = " "  # noqa: PLW2901 - any blank for any other
        for part in character.casefold():
            characters.append(part)
            places.append(place)
    if characters and characters[-1] == " ":
        characters.pop()
    return "".join(characters), places
