"""As much of a text as fits, cut at a sentence end where there is one, else between graphemes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from promptops.prompts.tally import Tally
from promptops.text import sentences
from promptops.tokens.graphemes import grapheme_ends

if TYPE_CHECKING:
    from promptops.prompts.sections import Keep

Pieces = tuple[str, ...]
Fits = Callable[[Pieces], bool]

MARK = "…"
"""Stands, on a line of its own, where text was taken out."""

_REGION = 2_000
"""Characters before the limit among which a sentence end is looked for."""
_SLACK = 24
"""Tokens that borders may save, so that a little more than the room may fit."""


def shortened(cells: Pieces, room: int, keep: Keep, tally: Tally, fits: Fits) -> Pieces | None:
    """The most of a text that ``fits``, about ``room`` tokens of it; ``None`` where none of it does.

    ``cells`` are the text as ``Tally.cells`` cuts it.
    """
    if keep == "tail":
        return _tail((), cells, room, tally, fits)
    if keep == "head":
        return _head(cells, room, tally, fits)
    head = _head(cells, room // 2, tally, lambda pieces: tally.tokens(pieces) <= room // 2)
    if head is None:
        return _head(cells, room, tally, fits)
    kept = (*head[:-1], head[-1].removesuffix(f"\n{MARK}"))
    rest = "".join(cells)[sum(map(len, kept)) :]
    return _tail(kept, tally.cells(rest), room - tally.tokens(kept), tally, fits) or head


def _head(cells: Pieces, room: int, tally: Tally, fits: Fits) -> Pieces | None:
    text = "".join(cells)
    most = tally.place(cells, room + _SLACK)
    start = tally.before(text, max(most - _REGION, 0))
    front, last = tally.divide(cells, start)[0], text[start:most]
    ends = [span.end for span in sentences(last)]
    choices = (last[:end].rstrip() for end in reversed(ends))
    found = _first(((*front, f"{said}\n{MARK}") for said in choices if said), fits)
    return found or _cut(grapheme_ends(last, 0, len(last)), lambda end: (*front, f"{last[:end]}\n{MARK}"), fits)


def _tail(kept: Pieces, cells: Pieces, room: int, tally: Tally, fits: Fits) -> Pieces | None:
    """``kept``, the mark, and the most of the end of the text."""
    text = "".join(cells)
    least = tally.place(cells, max(tally.tokens(cells) - room - _SLACK, 0))
    end = tally.after(text, min(least + _REGION, len(text)))
    back, first = tally.divide(cells, end)[1], text[least:end]
    mark = (*kept, f"\n{MARK}\n" if kept else f"{MARK}\n")
    starts = (span.start for span in sentences(first))
    found = _first(((*mark, first[start:].lstrip(), *back) for start in starts), fits)
    places = [0, *grapheme_ends(first, 0, len(first))][::-1]
    return found or _cut(places, lambda start: (*mark, first[start:], *back), fits)


def _first(choices: Iterator[Pieces], fits: Fits) -> Pieces | None:
    return next((pieces for pieces in choices if fits(pieces)), None)


def _cut(places: Sequence[int], pieces: Callable[[int], Pieces], fits: Fits) -> Pieces | None:
    """The last of ``places`` that fits, by bisection."""
    low, high = 0, len(places)
    while low < high:
        middle = (low + high) // 2
        if fits(pieces(places[middle])):
            low = middle + 1
        else:
            high = middle
    return pieces(places[low - 1]) if low else None
