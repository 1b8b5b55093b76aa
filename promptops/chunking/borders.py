"""The borders of a text that a chunk may end at, one per token, each with its place in the text and its cost."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from promptops.chunking import grades
from promptops.chunking.costs import FORBIDDEN, GAP
from promptops.chunking.gaps import fill_gap
from promptops.chunking.structure import fences, protect
from promptops.tokens import spellings
from promptops.tokens.characters import ODD, code_points
from promptops.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from promptops.tokens.characters import Points
    from promptops.types import Counter

_PIECES = re.compile(r"\s*(?:\w{1,12}|[^\w\s]{1,12})|\s+")
_FINEST = 16
_RUN = 64
_INDENT_MAX = 120
_NOWHERE = ODD
"""The classes around a border where no cut may be."""


@dataclass(slots=True)
class Borders:
    """Border i stands after i tokens: ``ends[i]`` in the text, ``cost[i]`` to cut there.

    ``additive`` says that the tokens between two safe borders are as many alone as they are in the text, and
    ``line_split`` that line breaks are among the safe ones.
    """

    text: str
    ends: NDArray[np.int32]
    cost: NDArray[np.int32]
    pairs: NDArray[np.uint16]
    additive: bool = False
    line_split: bool = False
    blocks: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    """Start and end of each code fence."""

    def in_fence(self, place: int) -> bool:
        """Whether a place in the text lies inside a code fence, or in one that the text does not close."""
        starts, ends = self.blocks[:, 0], self.blocks[:, 1]
        return bool(((starts < place) & ((place < ends) | (ends == len(self.text)))).any())

    def passable(self, budget: int) -> bool:
        """Whether no stretch without an allowed cut is longer than the budget."""
        allowed = (self.cost < FORBIDDEN).nonzero()[0]
        return bool(np.diff(allowed).max(initial=0) <= budget)

    def safe(self, cuts: list[int]) -> list[bool]:
        """Which of the borders are safe; the last one, the end of the text, is."""
        found: list[bool] = grades.safe(self.pairs.take(cuts), line_split=self.line_split).tolist()
        found[-1] = True
        return [fine or self._indented(cut) for fine, cut in zip(found, cuts, strict=True)]

    def first_safe(self, first: int, last: int) -> int | None:
        """The first safe border from ``first`` up to, not including, ``last``."""
        found = np.flatnonzero(grades.safe(self.pairs[first:last], line_split=self.line_split))
        return first + int(found[0]) if len(found) else None

    def last_safe(self, first: int, last: int) -> int | None:
        """The last safe border from ``first`` up to, not including, ``last``."""
        found = np.flatnonzero(grades.safe(self.pairs[first:last], line_split=self.line_split))
        return first + int(found[-1]) if len(found) else None

    def _indented(self, border: int) -> bool:
        """Whether the border stands after a line break and before an indented line, where such borders are safe."""
        at = int(self.ends[border])
        if not self.line_split or self.text[at - 1 : at] != "\n" or self.text[at] not in " \t":
            return False
        following = self.text[at : at + _INDENT_MAX].lstrip(" \t")
        return bool(following) and not following[0].isspace()


def borders(text: str, counter: Counter, budget: int, style: str, *, fenced: bool = False) -> Borders:
    """The borders of ``text``; ``fenced`` says that it begins inside a code fence."""
    points = code_points(text)
    counter = getattr(counter, "vocabulary", counter)  # of one that loads its own when it is first needed
    found = _by_tokens(text, points, counter, style) if isinstance(counter, Vocabulary) else None
    if found is None:
        found = _by_pieces(text, points, counter, style)
    found.blocks = np.array(list(fences(text, points, fenced=fenced)), np.int32).reshape(-1, 2)
    protect(found.blocks, found.ends, found.cost, budget)
    _fill_gaps(found, budget)
    found.cost[-1] = 0
    return found


def _by_tokens(text: str, points: Points, vocabulary: Vocabulary, style: str) -> Borders | None:
    """One border after each token; ``None`` where the tokens do not spell the text, as after a normalization."""
    if vocabulary.composed and not unicodedata.is_normalized("NFC", text):
        return None
    entries = vocabulary.spellings.of(vocabulary.encode_flat(text))
    ends = spellings.ends(entries)
    surplus = int(ends[-1]) - len(text)
    if surplus not in (0, 1) or (surplus and vocabulary.additive):
        return None
    if vocabulary.additive:
        around = spellings.pairs(entries)
    else:
        np.maximum(ends - surplus, 0, out=ends)
        around = grades.pairs(points, ends)
        around[:-1][spellings.inside(entries) | (ends[:-1] == 0)] = _NOWHERE
    cost = grades.grade(points, ends, around, style)
    return Borders(text, ends, cost, around, vocabulary.additive, vocabulary.line_split)


def _by_pieces(text: str, points: Points, counter: Counter, style: str) -> Borders:
    """Borders between words, at the places that their counts, scaled to the count of the whole text, give them."""
    pieces = _PIECES.findall(text)
    sums = np.cumsum(_weights(pieces, counter))
    total = max(1, counter.count(text))
    ticks = np.maximum(1, np.floor(sums * (total / sums[-1])).astype(np.int64))
    offsets = np.cumsum([len(piece) for piece in pieces])
    last = np.append(ticks[1:] != ticks[:-1], True)
    last[-2:-1] &= ticks[-2:-1] < total
    ticks, offsets = np.minimum(ticks[last], total), offsets[last]
    ticks[-1] = total
    whole, places = np.append(0, ticks), np.append(0, offsets)
    ends = np.interp(np.arange(total + 1), whole, places).astype(np.int32)
    cost = np.full(total + 1, FORBIDDEN, np.int32)
    graded = places.astype(np.int32)
    cost[whole] = grades.grade(points, graded, grades.pairs(points, graded), style)
    return Borders(text, ends, cost, np.zeros(total + 1, np.uint16))


def _weights(pieces: list[str], counter: Counter) -> NDArray[np.float64]:
    """The share of each piece in the count: its own count, scaled so that each run of pieces has the count of its text.

    Alone a word may count for much more than in a sentence, as with a counter that rounds up.
    """
    alone = {piece: counter.count(piece) for piece in set(pieces)}
    weights = np.array([alone[piece] or 0.25 for piece in pieces], np.float64)
    starts = range(0, len(pieces), _RUN)
    runs = np.array([counter.count("".join(pieces[start : start + _RUN])) or 0.25 for start in starts])
    scale = runs / np.add.reduceat(weights, starts)
    return weights * np.repeat(scale, _RUN)[: len(pieces)]


def _fill_gaps(found: Borders, budget: int) -> None:
    """Allow cuts at exact grapheme borders where the allowed ones lie far apart for the budget."""
    limit = max(1, min(budget // _FINEST, 64))
    forbidden = (found.cost[:-1] >= FORBIDDEN).nonzero()[0]
    if not (forbidden[limit - 1 :] - forbidden[: max(0, len(forbidden) - limit + 1)] < limit).any():
        return
    allowed = np.flatnonzero(found.cost < FORBIDDEN)
    wide = np.flatnonzero(np.diff(allowed) > limit)
    for first, last in zip(allowed[wide].tolist(), allowed[wide + 1].tolist(), strict=True):
        opened = fill_gap(found.text, found.ends, first, last)
        found.cost[opened] = GAP
        found.pairs[first + 1 : last] = 0
