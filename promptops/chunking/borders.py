"""The borders of a text that a chunk may end at, one per token, each with its place in the text and its cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promptops.chunking import grades
from promptops.chunking.graphemes import fill_gap
from promptops.chunking.structure import protect
from promptops.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from promptops.types import Counter

_PIECES = re.compile(r"\s*(?:\w{1,12}|[^\w\s]{1,12})|\s+")
_GAP_COST = np.float32(grades.INSIDE + 10)
_FINEST = 16


@dataclass(slots=True)
class Borders:
    """Border i stands after i tokens: ``ends[i]`` in the text, ``cost[i]`` to cut there.

    ``additive`` says that the tokens between two safe borders are as many alone as they are in the text.
    """

    text: str
    ends: NDArray[np.int64]
    cost: NDArray[np.float32]
    pairs: NDArray[np.uint16]
    additive: bool

    def safe(self, first: int, last: int) -> NDArray[np.intp]:
        """The safe borders from ``first`` up to, not including, ``last``."""
        return np.flatnonzero(grades.safe(self.pairs[first:last])) + first


def borders(text: str, counter: Counter, budget: int, style: str, *, fenced: bool = False) -> Borders:
    """The borders of ``text``; ``fenced`` says that it begins inside a code fence."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    found = _by_tokens(text, points, counter, style) if isinstance(counter, Vocabulary) else None
    if found is None:
        found = _by_pieces(text, points, counter, style)
    protect(text, found.ends, found.cost, budget, style, fenced=fenced)
    _fill_gaps(found, budget)
    found.cost[-1] = 0
    return found


def _by_tokens(text: str, points: NDArray[np.uint32], vocabulary: Vocabulary, style: str) -> Borders | None:
    """One border after each token; ``None`` where the tokens do not spell the text, as after a normalization."""
    tokens = vocabulary.encode_flat(text)
    ends, inside = vocabulary.lengths.of(tokens)
    surplus = int(ends[-1]) - len(text) if len(ends) else 1
    if surplus not in (0, 1) or (surplus and vocabulary.additive):
        return None
    if surplus:
        ends = np.maximum(ends - surplus, 0)
    offsets = np.clip(ends[:-1], 1, len(text) - 1) if len(text) > 1 else ends[:0]
    graded = grades.grade(text, points, offsets, style)
    graded.cost[inside[1 : len(offsets) + 1]] = grades.FORBIDDEN
    if surplus:
        graded.cost[ends[:-1] != offsets] = grades.FORBIDDEN
    return _bordered(text, ends, graded, additive=vocabulary.additive)


def _bordered(text: str, ends: NDArray[np.int64], graded: grades.Grades, *, additive: bool) -> Borders:
    """With the borders at both ends of the text, which cost nothing."""
    size = len(ends) + 1
    cost = np.zeros(size, np.float32)
    pairs = np.zeros(size, np.uint16)
    cost[1 : len(graded.cost) + 1] = graded.cost
    pairs[1 : len(graded.pairs) + 1] = graded.pairs
    whole = np.zeros(size, np.int64)
    whole[1:] = ends
    return Borders(text, whole, cost, pairs, additive)


def _by_pieces(text: str, points: NDArray[np.uint32], counter: Counter, style: str) -> Borders:
    """Borders between words, at the places that their counts, scaled to the count of the whole text, give them."""
    pieces = _PIECES.findall(text)
    weights = {piece: counter.count(piece) for piece in set(pieces)}
    sums = np.cumsum([weights[piece] or 0.25 for piece in pieces])
    total = max(1, counter.count(text))
    ticks = np.maximum(1, np.floor(sums * (total / sums[-1])).astype(np.int64))
    offsets = np.cumsum([len(piece) for piece in pieces])
    last = np.append(ticks[1:] != ticks[:-1], True)  # noqa: FBT003 - NumPy's argument
    last[-2:-1] &= ticks[-2:-1] < total
    ticks, offsets = np.minimum(ticks[last], total), offsets[last]
    ticks[-1] = total
    graded = grades.grade(text, points, offsets[:-1], style)
    ends = np.interp(np.arange(total + 1), np.append(0, ticks), np.append(0, offsets)).astype(np.int64)
    cost = np.full(total + 1, grades.FORBIDDEN, np.float32)
    cost[ticks[:-1]] = graded.cost
    cost[0] = 0
    return Borders(text, ends, cost, np.zeros(total + 1, np.uint16), additive=False)


def _fill_gaps(found: Borders, budget: int) -> None:
    """Allow cuts at exact grapheme borders where the allowed ones lie far apart for the budget."""
    limit = max(1, min(budget // _FINEST, 64))
    forbidden = ~np.isfinite(found.cost)
    forbidden[-1] = False
    if not limit <= np.count_nonzero(forbidden):
        return
    allowed = np.flatnonzero(~forbidden)
    wide = np.flatnonzero(np.diff(allowed) > limit)
    for first, last in zip(allowed[wide].tolist(), allowed[wide + 1].tolist(), strict=True):
        opened = fill_gap(found.text, found.ends, first, last)
        found.cost[opened] = _GAP_COST
        found.pairs[first + 1 : last] = 0
