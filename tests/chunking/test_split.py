"""Chunks are lossless, within budget, counted exactly and never cut a grapheme, whatever text and vocabulary."""

from __future__ import annotations

import random
import sysconfig
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.chunking import cores, split, stream
from promptops.errors import UsageError
from promptops.tokens import NAMES, counter, vocabulary
from promptops.types import Chunk, Counter

O200K = counter(tokenizer="o200k_base")
FORMATS = ["text", "markdown", "rst", "html", "code"]
PARTS = [
    "\n", "\r\n", "\n\n", " ", "  ", "\t", "/", "The", " end. ", "Mr. Kim said so. ", "don't", "?!", "。",
    "、", "他", "漢字",
    "안녕하세요 ", "했다. ", "그는 갔다 ", "12345", "<|endoftext|>", "<s>", "[INST]", "👩‍👩‍👧‍👦", "🇰🇷",
    "e\u0301", "क्ष", "\ud800", "\u200b", "\xa0",
    "\u3000", "```\n", "```python\nx = 1\n```\n", "| a | b |\n", "# Title\n\n", "- item\n", "...", '"', "”",
    "x" * 40, "=====\n",
    "กำ", "ᄒ", "ᅡ", "ᆫ", "\ufeff", "\x00", "\x0b", "\x85", "\u2028", "\u200d", "\ufe0f", "ನಾ", "    ",
    "return x\n", "。」", "Ünï",
]  # fmt: skip
TEXTS = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=120).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=300),
)


class Plain:
    """A counter that has nothing but ``count``."""

    name = "plain"
    exact = True

    def __init__(self, inner: Counter) -> None:
        self._inner = inner

    def count(self, text: str) -> int:
        return self._inner.count(text)


def graphemes(text: str) -> set[int]:
    return {0, *(match.end() for match in regex.finditer(r"\X", text))}


def check(text: str, chunks: list[Chunk], budget: int, by: Counter) -> None:
    """All that always holds."""
    assert "".join(text[start:end] for start, end in cores(chunks)) == text
    borders = graphemes(text)
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text
        assert chunk.tokens == by.count(chunk.text)
        assert chunk.tokens <= budget
        assert {chunk.start, chunk.end} <= borders


def largest_grapheme(text: str, by: Counter) -> int:
    return max((by.count(match.group()) for match in regex.finditer(r"\X", text, regex.S)), default=0)


@settings(max_examples=400, deadline=None)
@given(
    text=TEXTS,
    budget=st.sampled_from([1, 2, 3, 5, 8, 16, 17, 40, 64, 65, 100, 200]),
    name=st.sampled_from(NAMES),
    style=st.sampled_from(FORMATS),
    data=st.data(),
)
def test_chunks_keep_what_always_holds(text: str, budget: int, name: str, style: str, data: st.DataObject) -> None:
    """Any text, budget, vocabulary, format, overlap and preferred size; an error only where a grapheme is too large."""
    by = vocabulary(name)
    overlap = data.draw(st.one_of(st.just(0), st.integers(0, budget // 2)))
    preferred = data.draw(st.one_of(st.none(), st.integers(1, budget - overlap)))
    try:
        chunks = split(text, budget, by, overlap=overlap, format=style, preferred=preferred)
    except UsageError:
        assert largest_grapheme(text, by) > budget - overlap
    else:
        check(text, chunks, budget, by)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, budget=st.sampled_from([8, 30, 100]), inner=st.sampled_from(["o200k_base", "llama2", "estimate"]))
def test_any_counter_will_do(text: str, budget: int, inner: str) -> None:
    """A counter that can only count gives chunks that keep the same promises."""
    known = counter("unknown-model", estimate=True) if inner == "estimate" else vocabulary(inner)
    by = Plain(known)
    try:
        chunks = split(text, budget, by)
    except UsageError:
        assert largest_grapheme(text, by) > budget
    else:
        check(text, chunks, budget, by)


@pytest.mark.parametrize(
    "count", [len, lambda text: 0 if text.isspace() else 1, lambda _: 0, lambda text: len(text) // 7]
)
def test_odd_counters_will_do(count: object) -> None:
    """Counters that count characters, or next to nothing, still get chunks within budget."""
    by = Plain(O200K)
    by.count = count  # type: ignore[method-assign, assignment]
    text = "One sentence. Another one here!  And\n\na last one. " * 40
    check(text, split(text, 50, by), 50, by)


@pytest.mark.parametrize(
    "name",
    ["o200k_base", "cl100k_base", "p50k_base", "llama3", "qwen3", "deepseek_v3", "kimi_k2", "gemma3", "modernbert"],
)
@pytest.mark.parametrize("budget", [64, 512])
def test_real_files_keep_what_always_holds(name: str, budget: int) -> None:
    """Python's own library, whose indented lines are the hardest to count without encoding again."""
    library = Path(sysconfig.get_paths()["stdlib"])
    text = "".join((library / f"{module}.py").read_text("utf-8") for module in ("argparse", "textwrap", "this"))
    by = vocabulary(name)
    check(text, split(text, budget, by, format="code"), budget, by)


def test_an_empty_text_has_no_chunks() -> None:
    """Nothing in, nothing out."""
    assert split("", 10, O200K) == []
    assert list(stream([], 10, O200K)) == []
    assert list(stream(["", ""], 10, O200K)) == []


@pytest.mark.parametrize("at", [0, 700_000])
def test_a_budget_below_one_grapheme_is_an_error_that_names_it(at: int) -> None:
    """The message says which character, where it stands in the whole text, and what it needs."""
    family = "👩‍👩‍👧‍👦"
    needed = O200K.count(family)
    with pytest.raises(UsageError, match=rf"at {at} takes {needed} tokens.*budget of {needed - 1}"):
        split("a " * (at // 2) + family + " b", needed - 1, O200K)


@pytest.mark.parametrize(
    ("budget", "overlap", "preferred"), [(0, 0, None), (-3, 0, None), (10, 6, None), (10, -1, None), (10, 0,
    11), (10, 0, 0), (10, 3, 8)]
)  # fmt: skip
def test_sizes_that_contradict_each_other_are_an_error(budget: int, overlap: int, preferred: int | None) -> None:
    """What cannot be kept is refused before the text is read."""
    with pytest.raises(UsageError):
        split("text", budget, O200K, overlap=overlap, preferred=preferred)


HARD = {
    "letter": "a" * 200_000,
    "spaces": " " * 400_000,
    "hangul": "가나다라마바사" * 20_000,
    "line": "word and " * 22_000,
    "emoji": "👩‍👩‍👧‍👦" * 8_000,
    "flags": "🇰🇷" * 15_000,
    "windows": "\ufeff" + "A line. Then another\r\n" * 8_000,
    "base64": "".join(random.Random(0).choices("ABCDEFGHIJKLMNOPabcdefghij0123456789+/", k=120_000)),
    "surrogates": "so \ud800 it goes. " * 8_000,
    "pairs": "so \ud83d\ude00 it goes. " * 8_000,
    "accents": "e\u0301" * 60_000,
    "fences": "```\n" * 30_000,
    "ticks": "`" * 200_000,
    "pipes": "| a | b |\n" * 12_000,
    "breaks": "\n" * 300_000,
    "blanks": "\n \n" * 60_000,
    "marks": "<|endoftext|>" * 10_000,
    "han": "漢" * 100_000,
}


@pytest.mark.parametrize("name", HARD)
def test_hard_texts_are_cut(name: str) -> None:
    """Texts of one kind of character end in time, within budget, without an exception."""
    text = HARD[name]
    chunks = split(text, 512, O200K, format="markdown")
    check(text, chunks, 512, O200K)
    assert len(chunks) <= 1.1 * O200K.count(text) / 512 + 2


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 60_000), max_size=12))
def test_how_a_stream_is_cut_changes_nothing(cuts: list[int]) -> None:
    """The pieces that a text arrives in do not show in its chunks."""
    text = "A sentence of some words. 그리고 한국어 문장입니다.\n\n" * 1200
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert list(stream(pieces, 100, O200K, overlap=20)) == split(text, 100, O200K, overlap=20)


def test_a_stream_larger_than_its_window_needs_no_more_memory() -> None:
    """Ten times the text takes the same memory, and the chunks still tile it."""
    paragraph = "A sentence of some words, and then another one. " * 40 + "\n\n"

    def peak(count: int) -> int:
        tracemalloc.start()
        end = 0
        for chunk in stream((paragraph for _ in range(count)), 512, O200K):
            assert chunk.start == end
            end = chunk.end
        assert end == count * len(paragraph)
        return tracemalloc.get_traced_memory()[1]

    small = peak(600)
    tracemalloc.stop()
    assert peak(6_000) < 1.3 * small
    tracemalloc.stop()


def test_windows_of_a_long_text_meet_at_good_borders() -> None:
    """A text of several windows is cut at sentence ends throughout, and its fences stay whole."""
    block = (
        "## A section\n\n"
        + "A plain sentence stands here. " * 30
        + "\n\n```python\n"
        + "value = compute(value)\n" * 30
        + "```\n\n"
    )
    text = block * 900
    chunks = split(text, 400, O200K, format="markdown")
    check(text, chunks, 400, O200K)
    assert all(chunk.text.rstrip()[-1] in ".`" for chunk in chunks)
    assert all(chunk.text.count("```") % 2 == 0 for chunk in chunks)
