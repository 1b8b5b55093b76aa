"""Code points sorted into the few classes that decide how good a border between two of them is.

The classes also tell where no border may be: inside a grapheme cluster (Unicode Standard Annex 29). Where the rules
look further than two code points (flags, emoji joined by ZWJ, Indic conjuncts), the classes forbid more than the rules
do; ``gaps.py`` finds the exact borders where that leaves too few.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.uint8] | NDArray[np.uint32]

KINDS = 32
(
    UNKNOWN, NEWLINE, RETURN, SPACE, STOP, BANG, WIDE_STOP, CLOSER, OPENER, CLAUSE, WIDE_CLAUSE, UPPER, LOWER, CJK,
    HANGUL, HANGUL_END, LETTER, SEA, DIGIT, MARK, LINKER, JOINER, FLAG, JAMO_LEAD, JAMO_TAIL, PREPEND, APOSTROPHE,
    SLASH, SYMBOL, CONTROL, ODD, BULLET,
) = range(KINDS)  # fmt: skip

LETTERS = (UPPER, LOWER, CJK, HANGUL, HANGUL_END, LETTER, SEA)

_SINGLE = {
    NEWLINE: "\n", RETURN: "\r", SLASH: "/", STOP: ".…", BANG: "!?‽⁇⁈⁉", CLAUSE: ",;:–—؛،", WIDE_CLAUSE: "、，；：､・",
    WIDE_STOP: "。！？｡．।॥۔؟։።፧។៕။", APOSTROPHE: "'’", BULLET: "-*+•‣◦▪※|#>=", HANGUL_END: "다요죠까오음함임",
    CLOSER: '"”»」』】》〉）］｝)]}', OPENER: "“‘«「『【《〈（［｛([{<`",
    MARK: "\u200c\u0e33\u0eb3\uff9e\uff9f", JOINER: "\u200d",
}  # fmt: skip
"""Classes that Unicode's categories do not give."""

_RANGES = (
    (0x1100, 0x115F, JAMO_LEAD), (0xA960, 0xA97C, JAMO_LEAD), (0x1160, 0x11FF, JAMO_TAIL), (0xD7B0, 0xD7FB, JAMO_TAIL),
    (0x16D63, 0x16D6A, JAMO_TAIL), (0x1F1E6, 0x1F1FF, FLAG), (0x1F3FB, 0x1F3FF, MARK), (0xE0000, 0xE0FFF, MARK),
    (0x0600, 0x0605, PREPEND), (0x06DD, 0x06DD, PREPEND), (0x070F, 0x070F, PREPEND), (0x0890, 0x0891, PREPEND),
    (0x08E2, 0x08E2, PREPEND), (0x0D4E, 0x0D4E, PREPEND), (0x1CF5, 0x1CF6, PREPEND), (0x110BD, 0x110BD, PREPEND),
    (0x110CD, 0x110CD, PREPEND),
    (0x111C2, 0x111C3, PREPEND), (0x113D1, 0x113D1, PREPEND), (0x1193F, 0x1193F, PREPEND), (0x11941, 0x11941, PREPEND),
    (0x11A3A, 0x11A3A, PREPEND), (0x11A84, 0x11A89, PREPEND), (0x11D46, 0x11D46, PREPEND), (0x11F02, 0x11F02, PREPEND),
    (0xAC00, 0xD7A3, HANGUL), (0x3041, 0x3096, CJK), (0x30A1, 0x30FA, CJK), (0x30FC, 0x30FC, CJK),
    (0x3400, 0x4DBF, CJK), (0x4E00, 0x9FFF, CJK), (0xF900, 0xFAFF, CJK), (0x20000, 0x323AF, CJK),
)  # fmt: skip
"""Grapheme classes of Annex 29 that categories do not give, and scripts written without spaces between words."""

_SEA_LETTERS = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF))
_SPACES = frozenset("\t\x0b\x0c\x85 \xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}
_BY_CATEGORY = {
    "Lu": UPPER, "Lt": UPPER, "Ll": LOWER, "Lo": LETTER, "Lm": LETTER, "Nd": DIGIT, "Nl": DIGIT, "No": DIGIT,
    "Pe": CLOSER, "Pf": CLOSER, "Ps": OPENER, "Pi": OPENER, "Mn": MARK, "Me": MARK, "Mc": MARK,
    "Cc": CONTROL, "Cf": CONTROL, "Cs": CONTROL, "Co": SYMBOL, "Cn": ODD,
}  # fmt: skip
_SINGLES = {ord(character): kind for kind, characters in _SINGLE.items() for character in characters}
_TABLE = np.zeros(0x110000, np.uint8)


def code_points(text: str) -> Points:
    """The code points of a text; of ASCII in a byte each, which is a copy and no more."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def classes(points: Points) -> NDArray[np.uint8]:
    """The class of each code point."""
    found = _TABLE.take(points)
    if not found.all():
        _learn(points)
        found = _TABLE.take(points)
    return found


def ended(points: Points, ends: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether a stop stands before each place but the text's start, with up to two closing marks after it."""
    last = classes(points.take(ends - 1))
    found = _is_stop(last)
    closed = _is_closing(last).nonzero()[0]
    for back in (2, 3):
        closed = closed[ends[closed] >= back]
        kinds = classes(points.take(ends[closed] - back))
        found[closed] = _is_stop(kinds)
        closed = closed[_is_closing(kinds)]
    return found


def _is_stop(kinds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (kinds >= STOP) & (kinds <= WIDE_STOP)
    return found


def _is_closing(kinds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (kinds == CLOSER) | (kinds == APOSTROPHE)
    return found


def _learn(points: Points) -> None:
    """Fill the table for code points seen for the first time; twice does no harm, so no lock is needed."""
    present = np.zeros(len(_TABLE), bool)
    present[points] = True
    present &= _TABLE == UNKNOWN
    for point in np.flatnonzero(present).tolist():
        _TABLE[point] = class_of(point)


@cache
def class_of(point: int) -> int:
    """The class of one code point."""
    single = _SINGLES.get(point)
    if single is not None:
        return single
    for first, last, kind in _RANGES:
        if first <= point <= last:
            return kind
    character = chr(point)
    if character in _SPACES:
        return SPACE
    kind = _BY_CATEGORY.get(unicodedata.category(character), SYMBOL)
    if kind == MARK and unicodedata.combining(character):
        return LINKER
    if kind == LETTER and any(first <= point <= last for first, last in _SEA_LETTERS):
        return SEA
    return kind
