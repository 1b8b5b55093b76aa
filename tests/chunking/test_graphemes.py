"""The table that forbids cuts inside graphemes never allows what Unicode's rules join."""

from __future__ import annotations

import unicodedata

import numpy as np
import regex

from promptops.chunking.costs import FORBIDDEN
from promptops.chunking.grades import grade, pairs
from promptops.tokens.characters import code_points
from promptops.tokens.graphemes import grapheme_ends

POINTS = [
    point
    for point in range(0x110000)
    if unicodedata.category(chr(point)) not in {"Cs", "Co", "Cn", "Lo"}
    or (point % 61 == 0 and not 0xD800 <= point < 0xE000)
]
NEIGHBOURS = ["a", " ", "가", "ᄀ", "ᅡ", "क", "\u094d", "\u200d", "🇰", "👩", "\u0301", "\r", "\n", "\u0600", "漢", "ก"]


def allowed(text: str, places: list[int]) -> np.ndarray:
    points, ends = code_points(text), np.array([0, *places, len(text)], np.int32)
    return grade(points, ends, pairs(points, ends), "text")[1:-1] < FORBIDDEN


def test_no_pair_that_joins_may_be_cut() -> None:
    """Every mark, sign and control, and every 61st of the rest, before and after one of each kind of neighbour."""
    for neighbour in NEIGHBOURS:
        pairs = [f"{neighbour}{chr(point)}" for point in POINTS] + [f"{chr(point)}{neighbour}" for point in POINTS]
        text = "\n".join(pairs)
        places = np.arange(1, len(text), 3)
        ends = np.array([match.end() for match in regex.finditer(r"\X", text)])
        assert np.isin(places[allowed(text, places.tolist())], ends).all()


def test_graphemes_found_in_short_pieces_are_those_of_the_whole() -> None:
    """Long runs of flags, families and marks are cut as the library cuts them at once."""
    for part in ("🇰🇷🇯", "👩‍👩‍👧‍👦", "e\u0301\u0302", "क्षि", "\r\n", "각", "x", "ก็"):
        for count in (1, 63, 64, 65, 200, 1001):
            text = "." + part * count
            assert grapheme_ends(text) == [match.end() for match in regex.finditer(r"\X", text)]
    assert grapheme_ends("a" + "\u0301" * 5000) == [5001]
