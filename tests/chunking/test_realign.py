"""Chunks stay where they were outside an edit, and stay full."""

from __future__ import annotations

import random
from typing import Any

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.chunking import cores, split
from promptops.chunking.realign import marks, resplit
from promptops.tokens import counter

O200K = counter(tokenizer="o200k_base")
PARTS = st.sampled_from([
    "The mill stood by the river. ", "물레방아는 강가에 있었다. ", "\n\n", "# A heading\n\n", "- an item\n",
    "水車は川辺に。",
    "👩‍👩‍👧‍👦", "word " * 30, "\n", "```\ncode()\n```\n", "x" * 50, "한국어 " * 20, "e\u0301",
])  # fmt: skip
TEXTS = st.lists(PARTS, min_size=1, max_size=80).map("".join)


def prose(sections: int) -> str:
    """Paragraphs that all differ."""
    draw = random.Random(7)
    words = ["river", "meadow", "mill", "sheep", "강", "물", "양", "night", "water", "morning"]
    return "\n\n".join(f"In year {i}, " + " ".join(draw.choices(words, k=60)) + "." for i in range(sections))


@given(before=TEXTS, after=TEXTS, budget=st.integers(64, 200), overlap=st.integers(0, 12), at=st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_chunks_of_an_edited_text_are_as_sound_as_fresh_ones(
    before: str, after: str, budget: int, overlap: int, at: float
) -> None:
    """They tile the text, keep the budget by an exact count, and cut no grapheme, whatever was edited."""
    cut = int(len(before) * at)
    text = before[:cut] + after + before[cut:]
    known = marks(before, split(before, budget, O200K, overlap=overlap), O200K)
    chunks = resplit(text, budget, O200K, known, overlap=overlap)
    spans = cores(chunks)
    assert "".join(text[start:end] for start, end in spans) == text
    borders = {0, *(match.end() for match in regex.finditer(r"\X", text))}
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.text
        assert chunk.tokens == O200K.count(chunk.text) <= budget
        assert chunk.start in borders


@given(text=TEXTS, budget=st.integers(64, 200), overlap=st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_an_unchanged_text_keeps_its_chunks(text: str, budget: int, overlap: int) -> None:
    """All of them."""
    chunks = split(text, budget, O200K, overlap=overlap)
    assert resplit(text, budget, O200K, marks(text, chunks, O200K), overlap=overlap) == chunks


@pytest.mark.parametrize("edit", ["changed", "inserted", "deleted", "moved"])
def test_an_edit_of_one_paragraph_changes_few_chunks(edit: str) -> None:
    """At most three of a hundred and twenty, and there are at most a twentieth more than in a fresh split."""
    paragraphs = prose(120).split("\n\n")
    text = "\n\n".join(paragraphs)
    edited: dict[str, Any] = {
        "changed": [*paragraphs[:50], paragraphs[50].replace("river", "brook"), *paragraphs[51:]],
        "inserted": [*paragraphs[:50], "A new paragraph, which was not there. " * 3, *paragraphs[50:]],
        "deleted": [*paragraphs[:50], *paragraphs[51:]],
        "moved": [*paragraphs[:20], *paragraphs[40:60], *paragraphs[20:40], *paragraphs[60:]],
    }
    after = "\n\n".join(edited[edit])
    chunks = split(text, 100, O200K)
    again = resplit(after, 100, O200K, marks(text, chunks, O200K))
    fresh = {chunk.text for chunk in again} - {chunk.text for chunk in chunks}
    assert len(fresh) <= 3
    assert len(again) <= 1.05 * len(split(after, 100, O200K))


def test_a_text_edited_a_hundred_times_is_still_cut_into_full_chunks() -> None:
    """Fragments do not pile up."""
    draw = random.Random(3)
    paragraphs = prose(60).split("\n\n")
    known = ()
    for turn in range(100):
        place = draw.randrange(len(paragraphs))
        paragraphs[place] = f"Turn {turn}: " + " ".join(
            draw.choices(["flood", "ebb", "홍수", "tide"], k=draw.randrange(90))
        )
        text = "\n\n".join(paragraphs)
        chunks = resplit(text, 120, O200K, known)
        known = marks(text, chunks, O200K)
        assert len(chunks) <= 1.05 * len(split(text, 120, O200K))


def test_thousands_of_equal_lines_take_linear_time() -> None:
    """A text of one repeated line has every opening everywhere."""
    line = "the same line again and again\n"
    before = line * 4_000
    known = marks(before, split(before, 64, O200K), O200K)
    after = line * 2_000 + "another line\n" + line * 2_000
    assert "".join(chunk.text for chunk in resplit(after, 64, O200K, known)) == after
