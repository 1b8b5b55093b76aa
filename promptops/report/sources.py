"""What an answer rests on, as a list for people: a line for each number in it, and one for what is to be doubted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from promptops.plans.results import Citation, CorpusResult, DocumentResult, Place
from promptops.report.encoding import printable
from promptops.report.words import plain, plural

_LONGEST = 100
"""Characters of a place that are shown."""
_DOUBTS = {
    "uncited": "names no place",
    "unresolved": "names a place that there is not",
    "misquoted": "quotes what does not stand there",
}


def with_sources(result: DocumentResult | CorpusResult) -> str:
    """The answer and, below it, what it rests on."""
    lines = sources(result.citations)
    return "\n".join([result.text, "", *(f"- {line}" for line in lines)]) if lines else result.text


def sources(citations: Iterable[Citation]) -> list[str]:
    """The lines, numbers first; nothing where the chain does not cite."""
    known = list(citations)
    numbered = {number: place for one in known for number, place in zip(one.numbers, one.places, strict=True)}
    doubts = Counter(one.flag for one in known if one.flag)
    return [
        *(f"[{number}] {_line(place)}" for number, place in sorted(numbered.items())),
        *(_doubt(number, _DOUBTS[flag]) for flag, number in doubts.items()),
    ]


def _line(place: Place) -> str:
    words = " ".join(plain(place.text).split())
    shown = words if len(words) <= _LONGEST else words[: _LONGEST - 1].rstrip() + "…"
    return f"{printable(place.source)}:{place.start}-{place.end} {shown}"


def _doubt(number: int, what: str) -> str:
    """``3 sentences name no place``, ``1 sentence names no place``."""
    verb, rest = what.split(" ", 1)
    return f"({plural(number, 'sentence')} {verb if number == 1 else verb.removesuffix('s')} {rest})"
