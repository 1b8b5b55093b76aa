"""Splitting a text again after an edit, so that its chunks stay where they were outside the edited region.

A chunk of the earlier version is found again by how it began, its length and its hash; what lies between those found is
split anew. Where that would leave more chunks than a fresh split needs, the regions grow by a neighbour at a time, the
one that saves most first, so that a text edited a hundred times is still cut into full chunks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.chunking.overlap import extend_back
from promptops.chunking.split import cores, split
from promptops.tokens.graphemes import grapheme_ends
from promptops.types import Chunk

if TYPE_CHECKING:
    from promptops.types import Counter

_OPENING = 24
"""Characters by which a chunk is looked for before its hash is compared."""
_LOOKED_AT = 64
"""Places at which one opening is tried; a text of one repeated line would have thousands."""
_SPARE = 1.05
"""How many more chunks than a fresh split there may be."""
_LEAST = 4
"""A part of the budget below which a piece is joined to its neighbour rather than sent alone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is remembered of a chunk: its length in characters and tokens (without overlap), its beginning, its hash."""

    size: int
    tokens: int
    opening: str
    digest: str


@dataclass(frozen=True, slots=True)
class _Piece:
    """A core of the new version; one that is ``kept`` is an earlier chunk, word for word."""

    start: int
    end: int
    tokens: int
    kept: bool = False


def marks(text: str, chunks: Sequence[Chunk], counter: Counter) -> tuple[Mark, ...]:
    """What to remember of the ``chunks`` of ``text``, to be given to ``resplit`` after it has been edited."""
    found = []
    for (start, end), chunk in zip(cores(chunks), chunks, strict=True):
        core = text[start:end]
        tokens = chunk.tokens if chunk.start == start else counter.count(core)
        found.append(Mark(len(core), tokens, core[:_OPENING], _digest(core)))
    return tuple(found)


def resplit(
    text: str, budget: int, counter: Counter, before: Sequence[Mark], *, overlap: int = 0, format: str = "text"
) -> list[Chunk]:
    """Chunks of ``text`` within the same options as ``split``; the chunks ``before`` that are still in it stay whole.

    There are at most a twentieth more of them than in a fresh split.
    """
    fresh = split(text, budget - overlap, counter, format=format)
    if not before or len(fresh) < 2:
        return split(text, budget, counter, overlap=overlap, format=format) if overlap else fresh
    work = _Work(text, budget - overlap, counter, format)
    pieces = work.relaid(_found(text, before), int(len(fresh) * _SPARE))
    return [_chunk(text, piece, overlap, budget, counter) for piece in pieces]


def _found(text: str, before: Sequence[Mark]) -> list[_Piece]:
    """The chunks that are still there, as they stand now; each is looked for after the one before it, then anywhere."""
    taken: list[_Piece] = []
    free = _Free(len(text))
    position = 0
    for mark in before:
        for origin in (position, 0):
            start = _place(text, mark, origin, free)
            if start is not None:
                break
        else:
            continue
        taken.append(_Piece(start, start + mark.size, mark.tokens, kept=True))
        free.take(start, start + mark.size)
        position = start + mark.size
    return sorted(taken, key=lambda piece: piece.start)


def _place(text: str, mark: Mark, origin: int, free: _Free) -> int | None:
    start = origin - 1
    for _ in range(_LOOKED_AT):
        start = text.find(mark.opening, start + 1)
        if start < 0:
            return None
        end = start + mark.size
        if end <= len(text) and free.holds(start, end) and _digest(text[start:end]) == mark.digest:
            return start if _is_border(text, start) and _is_border(text, end) else None
    return None


def _is_border(text: str, place: int) -> bool:
    """Whether no grapheme is cut at ``place``; looked at from the nearest place before it that surely is a border."""
    sure = place
    while 0 < sure < len(text) and not (text[sure - 1 : sure + 1].isascii() and text[sure - 1 : sure + 1] != "\r\n"):
        sure -= 1
    return sure == place or place == len(text) or place in grapheme_ends(text, sure, place + 1)[:-1]


class _Free:
    """Which characters no chunk has taken yet."""

    def __init__(self, size: int) -> None:
        self._taken = bytearray(size)

    def take(self, start: int, end: int) -> None:
        self._taken[start:end] = b"\1" * (end - start)

    def holds(self, start: int, end: int) -> bool:
        return not any(self._taken[start:end])


class _Work:
    """Lays pieces over one text: the kept ones where they are, the gaps between them split anew."""

    def __init__(self, text: str, budget: int, counter: Counter, format: str) -> None:
        self._text = text
        self._budget = budget
        self._counter = counter
        self._format = format

    def relaid(self, kept: Sequence[_Piece], most: int) -> list[_Piece]:
        """The pieces, at most ``most`` of them or as few as a fresh split gives."""
        laid = self._joined(self._filled(kept))
        while _counted(self._text, laid) > most and any(piece.kept for piece in laid):
            laid = self._grown(laid)
        return laid

    def _filled(self, kept: Sequence[_Piece]) -> list[_Piece]:
        laid: list[_Piece] = []
        position = 0
        for piece in [*kept, _Piece(len(self._text), len(self._text), 0)]:
            laid.extend(self._split(position, piece.start))
            if piece.end > piece.start:
                laid.append(piece)
            position = piece.end
        return laid

    def _split(self, start: int, end: int) -> list[_Piece]:
        chunks = split(self._text[start:end], self._budget, self._counter, format=self._format)
        return [_Piece(start + chunk.start, start + chunk.end, chunk.tokens) for chunk in chunks]

    def _joined(self, laid: list[_Piece]) -> list[_Piece]:
        """No new piece that says something is left small beside one that it could share a split with."""
        index = 0
        while index < len(laid):
            piece = laid[index]
            small = not piece.kept and piece.tokens * _LEAST < self._budget and _speaks(self._text, piece)
            if small and len(laid) > 1:
                laid, index = self._with_neighbour(laid, index)
            else:
                index += 1
        return laid

    def _with_neighbour(self, laid: list[_Piece], index: int) -> tuple[list[_Piece], int]:
        """The small piece split together with the smaller of its neighbours; and where to go on."""
        sides = [side for side in (index - 1, index) if 0 <= side < len(laid) - 1]
        side = min(sides, key=lambda at: laid[at].tokens + laid[at + 1].tokens)
        again = self._split(laid[side].start, laid[side + 1].end)
        if len(again) > 2 or (min(piece.tokens for piece in again) * _LEAST < self._budget and len(again) > 1):
            return laid, index + 1
        return [*laid[:side], *again, *laid[side + 2 :]], side + 1

    def _grown(self, laid: list[_Piece]) -> list[_Piece]:
        """One run of new pieces split together with the neighbours that save most chunks for what they send again."""
        options = [self._option(laid, run, before, after) for run in _runs(laid) for before, after in _REACHES]
        return max(options, key=lambda option: option[0])[1]

    def _option(
        self, laid: list[_Piece], run: tuple[int, int], before: int, after: int
    ) -> tuple[tuple[bool, float], list[_Piece]]:
        first, last = max(run[0] - before, 0), min(run[1] + after, len(laid))
        again = self._split(laid[first].start, laid[last - 1].end)
        saved = (last - first) - len(again)
        sent = sum(piece.tokens for piece in laid[first:last] if piece.kept)
        return (saved > 0, saved / (1 + sent) if saved > 0 else sent), [*laid[:first], *again, *laid[last:]]


_REACHES = ((1, 0), (0, 1), (1, 1), (2, 2))
"""How many neighbours before and after a run of new pieces are tried with it."""


def _runs(laid: Sequence[_Piece]) -> list[tuple[int, int]]:
    """The runs of new pieces, as slices."""
    runs: list[tuple[int, int]] = []
    for index, piece in enumerate(laid):
        if piece.kept:
            continue
        if runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs or [(0, 1)]


def _counted(text: str, laid: Sequence[_Piece]) -> int:
    """The pieces that will be sent."""
    return sum(_speaks(text, piece) for piece in laid)


def _speaks(text: str, piece: _Piece) -> bool:
    return any(map(str.isalnum, text[piece.start : piece.end]))


def _chunk(text: str, piece: _Piece, overlap: int, budget: int, counter: Counter) -> Chunk:
    start, tokens = piece.start, piece.tokens
    if overlap and start:
        start, tokens = extend_back(text, (piece.start, piece.end, tokens), overlap, budget, counter)
    return Chunk(start, piece.end, text[start : piece.end], tokens)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
