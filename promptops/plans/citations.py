"""Citations through a chain: passages are numbered for the map, marks are kept by every reduce and resolved at the end.

A number stands for one place in a document. What a group of answers is given to a reduce with is numbered anew, each
place once, so that a mark always names exactly one place, however many levels it has come up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from promptops.citing import Cited, cited, found, free, misquoted, numbered, renumbered
from promptops.plans.results import Citation, Flag, Place

Places = Mapping[int, Place]


@dataclass(frozen=True, slots=True)
class Marked:
    """Texts with marks in them, and the places that these stand for."""

    texts: list[str]
    places: dict[int, Place]


def of_part(text: str, source: str, start: int) -> Marked:
    """The text of a part with a mark before each passage; it begins at character ``start`` of its document."""
    marked, spans = numbered(text, free(found(text)))
    places = {
        number: Place(source, start + span.start, start + span.end, span.of(text)) for number, span in spans.items()
    }
    return Marked([marked], places)


def of_group(answers: Iterable[tuple[str, Places]]) -> Marked:
    """Answers numbered so that equal places have equal numbers in all of them, and others have others."""
    given = list(answers)
    numbers = free(number for text, places in given for number in found(text) if number not in places)
    known: dict[Place, int] = {}
    texts = []
    for text, places in given:
        for number in found(text):
            if number in places and places[number] not in known:
                known[places[number]] = next(numbers)
        texts.append(renumbered(text, {number: known[place] for number, place in places.items() if place in known}))
    return Marked(texts, {number: place for place, number in known.items()})


def kept(text: str, places: Places) -> dict[int, Place]:
    """Those of ``places`` that marks in ``text`` stand for."""
    return {number: places[number] for number in found(text) if number in places}


def resolved(text: str, places: Places) -> tuple[Marked, tuple[Citation, ...]]:
    """An answer numbered by where its marks first stand, and what each of its sentences rests on."""
    marked = of_group([(text, places)])
    answer = marked.texts[0]
    return marked, tuple(_citation(answer, sentence, marked.places) for sentence in cited(answer))


def _citation(answer: str, sentence: Cited, places: Places) -> Citation:
    numbers = tuple(number for number in sentence.numbers if number in places)
    named = tuple(places[number] for number in numbers)
    flag = _flag(answer[sentence.start : sentence.end], sentence, named)
    return Citation(sentence.start, sentence.end, named, flag, numbers)


def _flag(text: str, sentence: Cited, named: Sequence[Place]) -> Flag | None:
    if sentence.unknown:
        return "unresolved"
    if not named:
        return "uncited"
    return "misquoted" if misquoted(text, [place.text for place in named]) else None
