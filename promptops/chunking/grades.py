"""What it costs to cut a text at a given place: nothing before a heading, little at a sentence end, much inside a word.

Two code points at a border decide most of it, by one table over pairs of classes. Borders whose pair says too little
(after a line break, a full stop, a closing quote, a Korean verb ending) are few; they are looked at once more, all of
a kind together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promptops.chunking import lines
from promptops.chunking.costs import BROKEN_CLAUSE, CLAUSE, ENDING, SENTENCE
from promptops.chunking.pairs import (
    AT_CLOSER,
    AT_KOREAN,
    AT_LINE,
    AT_STOP,
    AT_UNKNOWN,
    COST,
    LOOK,
    SAFE,
    SAFE_IN_LINES,
)
from promptops.tokens import characters as c
from promptops.tokens.spellings import gather

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from promptops.tokens.characters import Points

    Ends = NDArray[np.int32]
    Costs = NDArray[np.int32]
    Pairs = NDArray[np.uint16]
    Places = NDArray[np.intp]


_LOOK_BITS = LOOK.bit_length() - 1
_LOOK_BACK = 4
_SMALL = 0x20
_SMALL_I = ord("i")

_ABBREVIATIONS = (
    "mr", "mrs", "ms", "dr", "st", "vs", "jr", "sr", "prof", "gen", "capt", "lt", "sgt", "rev", "fig", "eq", "cf", "ca",
    "dept", "vol", "pp", "eds",
)  # fmt: skip
_KOREAN_ENDINGS = (
    "니다", "었다", "았다", "였다", "했다", "한다", "된다", "됐다", "있다", "없다", "이다", "는다", "겠다",
    "왔다", "갔다", "났다", "렇다", "같다", "섰다", "졌다", "켰다", "세요", "어요", "아요", "해요", "네요",
    "군요", "지요", "에요", "예요", "까요", "와요", "워요", "려요", "져요", "돼요", "하죠", "이죠",
)  # fmt: skip


def pairs(points: Points, ends: Ends) -> Pairs:
    """The classes on both sides of each border as one number."""
    found: Pairs = np.multiply(c.classes(points.take(ends - 1)), c.KINDS, dtype=np.uint16)
    found += c.classes(points.take(ends, mode="clip"))
    return found


def grade(points: Points, ends: Ends, around: Pairs, style: str) -> Costs:
    """What a cut costs at each of ``ends`` in the text with the code points ``points``; at its start and end, nothing.

    ``around`` are their ``pairs``; those with a class that is not known yet are looked up.
    """
    cost: Costs = gather(COST, around)
    cost[[0, -1]] = 0
    places = (cost >= LOOK).nonzero()[0]
    kinds = cost[places] >> _LOOK_BITS
    unknown = places[kinds == AT_UNKNOWN]
    if len(unknown):
        around[unknown] = pairs(points, ends[unknown])
        cost[unknown] = COST.take(around[unknown])
        kinds = cost[places] >> _LOOK_BITS
    cost[places] &= LOOK - 1
    _full_stops(points, ends, places[kinds == AT_STOP], cost)
    _closed(points, ends, places[kinds == AT_CLOSER], cost)
    _korean(points, ends, places[kinds == AT_KOREAN], cost)
    if style == "code":
        np.maximum(cost[1:-1], CLAUSE, out=cost[1:-1])
    breaks = places[kinds == AT_LINE]
    following = (around[breaks] & (c.KINDS - 1)).astype(np.uint8)
    lines.grade_lines(points, ends, breaks, following, cost, style)
    return cost


def safe(around: Pairs, *, line_split: bool) -> NDArray[np.bool_]:
    """Borders where every vocabulary's pre-tokenizer splits, whatever stands around: counts add up across them.

    Before a space that follows no space, between a letter and punctuation, after a digit: no alternative of the
    published split patterns crosses these, and none looks behind. With ``line_split`` also after a line break that no
    space or slash follows; GPT-2's pattern takes the last of several breaks by itself, unless the text ends there.
    """
    found: NDArray[np.bool_] = (SAFE if line_split else SAFE_IN_LINES).take(around)
    return found


def _full_stops(points: Points, ends: Ends, places: Places, cost: Costs) -> None:
    """A full stop before a small letter or after an abbreviation or an initial ends no sentence."""
    if not len(places):
        return
    at = ends[places]
    weak = c.classes(points.take(at + 1, mode="clip")) == c.LOWER
    weak |= _abbreviated(points, at)
    cost[places] = np.where(weak, BROKEN_CLAUSE, SENTENCE)


def _abbreviated(points: Points, ends: Ends) -> NDArray[np.bool_]:
    """Whether the word before each full stop is a known abbreviation, or one letter other than I.

    Words are compared as numbers, 16 bits for each of up to four letters.
    """
    words = np.zeros(len(ends), np.uint64)
    ended = np.zeros(len(ends), bool)
    for back in range(_LOOK_BACK + 1):
        letters = points.take(np.maximum(ends - 2 - back, 0))
        ended |= _WORD_START.take(c.classes(letters))
        if back == 1:
            single = ended & _LETTER.take(c.classes(words.astype(np.uint32))) & (words != _SMALL_I)
        if back < _LOOK_BACK:
            words |= np.where(ended, 0, (letters.astype(np.uint64) | _SMALL) & 0xFFFF) << np.uint64(16 * back)
    known: NDArray[np.bool_] = single | (ended & _among(words, _ABBREVIATION_CODES))
    return known


def _closed(points: Points, ends: Ends, places: Places, cost: Costs) -> None:
    """A closing quote or bracket ends a sentence where a stop stands before it."""
    if not len(places):
        return
    at = ends[places]
    following = c.classes(points.take(at, mode="clip"))
    goes_on = (following == c.HANGUL) | (following == c.HANGUL_END)  # a particle, as in: he said
    ending = np.where(goes_on, CLAUSE, SENTENCE)
    cost[places] = np.where(c.ended(points, at), ending, cost[places])


def _korean(points: Points, ends: Ends, places: Places, cost: Costs) -> None:
    """A Korean verb's final ending before a space mostly ends a sentence, also where no full stop is written."""
    if not len(places):
        return
    at = ends[places]
    codes = (points.take(np.maximum(at - 2, 0)).astype(np.uint64) << np.uint64(32)) | points.take(at - 1)
    cost[places[_among(codes, _ENDING_CODES)]] = ENDING


def _among(values: NDArray[np.uint64], codes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of the values are among a few sorted ones."""
    found: NDArray[np.bool_] = codes.take(codes.searchsorted(values), mode="clip") == values
    return found


_WORD_START = np.isin(np.arange(c.KINDS), (c.SPACE, c.NEWLINE, c.OPENER, c.STOP))
_LETTER = np.isin(np.arange(c.KINDS), (c.UPPER, c.LOWER))
_ABBREVIATION_CODES = np.array(
    sorted(sum(ord(letter) << (16 * back) for back, letter in enumerate(reversed(word))) for word in _ABBREVIATIONS),
    np.uint64,
)
_ENDING_CODES = np.array(sorted((ord(ending[0]) << 32) | ord(ending[1]) for ending in _KOREAN_ENDINGS), np.uint64)
