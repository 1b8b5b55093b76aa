"""Passages: what documents say of a question, found again in their text, and the best of them for one prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from promptops.citing import found, free, locate
from promptops.plans.ask import Partial
from promptops.plans.halves import Outcome
from promptops.plans.results import Place
from promptops.plans.spec import Spec
from promptops.types import Document

_NOTHING = "NONE"
_BULLETS = "-*•· \t"
_MARK = 8
"""Tokens that a passage's number and the end of its line take at most."""
_ORDER = 0.05
"""What a passage gains by being named first for its part, where the question's words do not tell."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What a document says of the question; ``place`` is ``None`` where its words do not stand there.

    ``rank`` is its place in the reply that named it, which took ``reply`` tokens; ``ratio`` is the tokens per word of
    its document.
    """

    text: str
    document: int
    title: str
    rank: int
    reply: int
    ratio: float
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The passages of a prompt: a text for each document, its passages each behind a number, and the titles.

    ``places`` are what the numbers stand for; ``first`` to ``last`` are the documents, and ``number`` of the passages
    went in.
    """

    texts: list[str]
    titles: list[str]
    places: dict[int, Place | None]
    first: int
    last: int
    number: int


def passages(outcomes: Iterable[Outcome], document: Document, number: int, spec: Spec) -> Iterator[Passage]:
    """The passages of all parts of the document with this number, those that parts share once.

    For a cautious spec each word is one: no reply can name more.
    """
    ratio = spec.ratio(document.text)
    seen: set[object] = set()
    for outcome in outcomes:
        if not isinstance(outcome.result, Partial):
            continue
        text, tokens = outcome.result.text, outcome.result.tokens
        for rank, line in enumerate(text.split() if spec.cautious else text.splitlines()):
            words, place = (line, None) if spec.cautious else _placed(line, outcome, document.source)
            if words and (spec.cautious or (place or words) not in seen):
                seen.add(place or words)
                yield Passage(words, number, document.title, rank, tokens, ratio, place)


def _placed(line: str, outcome: Outcome, source: str) -> tuple[str, Place | None]:
    """The words of a line of a reply, and where they stand; no words where it names no passage."""
    text = line.strip().lstrip(_BULLETS).strip()
    if not any(map(str.isalnum, text)) or text.strip(".").upper() == _NOTHING:
        return "", None
    part = outcome.part
    span = locate(text, part.text)
    if span is None:
        return text, None
    start, own = part.end - len(part.text), span.of(part.text)
    return own, Place(source, start + span.start, start + span.end, own)


def as_data(found: Iterable[Passage]) -> list[dict[str, Any]]:
    """The passages as JSON values."""
    return [
        {
            "text": passage.text,
            "start": passage.place.start if passage.place else None,
            "end": passage.place.end if passage.place else None,
            "verified": passage.place is not None,
        }
        for passage in found
    ]


def best(given: Sequence[Passage], budget: int, spec: Spec) -> Chosen:
    """Those nearest to the question that fit ``budget`` tokens together, in the order of the documents.

    A budget too small for a whole reply is taken to be as large, or the longest passage could never be answered from.
    """
    around = spec.wrapping("answer")
    largest = max(given, key=lambda passage: passage.reply)
    budget = max(budget, largest.reply + _MARK + around + spec.count(largest.title))
    left, chosen, documents = budget, [], set()
    for index in range(len(given)) if spec.cautious else _ranked(given, spec.settings.question):
        passage = given[index]
        size = spec.count(passage.text) + _MARK
        if passage.document not in documents:
            size += around + spec.count(passage.title)
        if size <= left:
            left -= size
            chosen.append(index)
            documents.add(passage.document)
    kept = [given[index] for index in sorted(chosen)]
    if spec.cautious:
        filler = " ".join(["x"] * min(budget, budget - left + around))
        return Chosen([filler], [], {}, kept[0].document, kept[-1].document, len(kept))
    return _numbered(kept)


def shortlist(given: Sequence[Passage], most: int, spec: Spec) -> list[Passage]:
    """Those nearest to the question, ``most`` of them, in their order; and with them the two that measures hang on."""
    order = range(len(given)) if spec.cautious else _ranked(given, spec.settings.question)
    measures = (lambda index: given[index].reply, lambda index: given[index].ratio)
    kept = {*order[:most], *(max(range(len(given)), key=measure) for measure in measures)}
    return [given[index] for index in sorted(kept)]


def _ranked(given: Sequence[Passage], question: str) -> list[int]:
    from promptops.extract import likeness

    near = likeness([passage.text for passage in given], question)
    scores = [score + _ORDER / (1 + passage.rank) for score, passage in zip(near, given, strict=True)]
    return sorted(range(len(given)), key=lambda index: -scores[index])


def _numbered(kept: Sequence[Passage]) -> Chosen:
    numbers = free(number for passage in kept for number in found(passage.text))
    chosen = Chosen([], [], {}, kept[0].document, kept[-1].document, len(kept))
    for _, group in groupby(kept, key=lambda passage: passage.document):
        lines = []
        for passage in group:
            number = next(numbers)
            lines.append(f"[{number}] {' '.join(passage.text.split())}")
            chosen.places[number] = passage.place
            title = passage.title
        chosen.texts.append("\n".join(lines))
        chosen.titles.append(title)
    return chosen
