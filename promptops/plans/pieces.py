"""The pieces of a request as a model lists them: read, held against what they must be, and mended where they are not.

What is wrong is said in words and numbers of ours, never in the model's: it goes back into a prompt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

CUT = "it was cut, or is no JSON that fits the schema"
EMPTY = "there are no parts in it"
LONG = "the parts are too long together; say less in each"

_MANY = "there are {} parts in it, and there may be {} at most"
_BLANK = "part {} asks for nothing"
_TWICE = "part {} has the id of part {}"
_ITSELF = "part {} needs itself, or a part of which there is none"
_CYCLE = "part {} needs itself by way of others"

COMPLAINTS = (
    CUT, EMPTY, LONG, *(one.format(99_999, 99_999) for one in (_MANY, _BLANK, _TWICE, _ITSELF, _CYCLE)),
)  # fmt: skip
"""All that can be said, with the longest numbers that there may be."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a request. ``needs`` are the numbers of those whose answers it must have first, from 0."""

    request: str
    needs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A part as the model wrote it."""

    id: str
    request: str
    needs: tuple[str, ...]


def listed(text: str) -> list[Listed]:
    """The parts in a JSON answer; raises ``ValueError`` where it lists none in the form that it should."""
    try:
        return [
            Listed(str(part["id"]), str(part["request"]), tuple(map(str, part["needs"])))
            for part in json.loads(text)["parts"]
        ]
    except (KeyError, TypeError, RecursionError) as failure:
        raise ValueError(str(failure)) from None


def complaint(parts: Sequence[Listed], most: int, count: Callable[[str], int], allowed: int) -> str | None:
    """What is wrong with them first, or ``None``; together they may have ``allowed`` tokens by ``count``."""
    if not parts:
        return EMPTY
    if len(parts) > most:
        return _MANY.format(min(len(parts), 99_999), most)
    first: dict[str, int] = {}
    for number, part in enumerate(parts, 1):
        if not part.request.strip():
            return _BLANK.format(number)
        if first.setdefault(part.id, number) != number:
            return _TWICE.format(number, first[part.id])
    for number, part in enumerate(parts, 1):
        if any(first.get(need, number) == number for need in part.needs):
            return _ITSELF.format(number)
    return _in_a_circle(parts, first) or (LONG if _tokens(parts, count) > allowed else None)


def pieces(parts: Sequence[Listed]) -> list[Piece]:
    """Those with which nothing is wrong."""
    number = {part.id: position for position, part in enumerate(parts)}
    return [Piece(part.request, tuple(sorted({number[need] for need in part.needs}))) for part in parts]


def mended(parts: Sequence[Listed], most: int, count: Callable[[str], int], allowed: int) -> list[Piece]:
    """The parts in the order given, so that nothing that they ask for is lost; none where they are too long.

    What they need is what stands before them; of what is too many the last part is made; blank ones are left out.
    """
    said = [part for part in parts if part.request.strip()]
    place: dict[str, int] = {}
    for position, part in enumerate(said):
        place.setdefault(part.id, min(position, most - 1))
    groups = [[part] for part in said[: most - 1]] + ([said[most - 1 :]] if len(said) >= most else [])
    made = [
        Piece(
            "\n".join(part.request for part in group),
            tuple(sorted({place[need] for part in group for need in part.needs if place.get(need, number) < number})),
        )
        for number, group in enumerate(groups)
    ]
    return made if _tokens(made, count) <= allowed else []


def order(parts: Sequence[Piece]) -> list[int]:
    """Their numbers, each after those that it needs."""
    return list(TopologicalSorter({number: part.needs for number, part in enumerate(parts)}).static_order())


def _in_a_circle(parts: Sequence[Listed], number: dict[str, int]) -> str | None:
    try:
        TopologicalSorter({number[part.id]: [number[need] for need in part.needs] for part in parts}).prepare()
    except CycleError as failure:
        return _CYCLE.format(min(failure.args[1]))
    return None


def _tokens(parts: Sequence[Listed] | Sequence[Piece], count: Callable[[str], int]) -> int:
    return sum(count(part.request) for part in parts)
