"""Where chunks end: at sections, paragraphs and sentences rather than inside them, in any script."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.chunking import cores, heading_paths, split
from promptops.chunking.costs import FORBIDDEN
from promptops.chunking.limits import Limits
from promptops.chunking.plan import plan
from promptops.tokens import counter

O200K = counter(tokenizer="o200k_base")

SENTENCES = {
    "English": "Dr. Kim met Mr. J. Lee at 3.15 p.m. on the pier, and they talked of the sea. ",
    "quoted": 'She asked, "Is that (really) so?" He said that it was. ',
    "Korean": "그 사람은 어제 서울에서 부산까지 기차를 타고 갔습니다. 날씨가 좋았다. ",
    "Korean without stops": "그 사람은 어제 서울에서 부산까지 기차를 타고 갔습니다 그리고 오늘 돌아온다고 했어요 ",
    "Japanese": "吾輩は猫である。名前はまだ無い。「どこで生れたか、とんと見当がつかぬ。」",
    "Chinese": "他走了很远的路，终于到了。“你来了吗？”她问道。",
    "Hindi": "यह एक वाक्य है। यह दूसरा वाक्य है। ",
    "Arabic": "هذا سؤال؟ وهذه جملة أخرى. ",
}
ENDS = {
    "English": ("sea.",), "quoted": ('so?"', "was."), "Korean": ("니다.", "았다."),
    "Korean without stops": ("니다", "어요"),
    "Japanese": ("。", "」"), "Chinese": ("。", "？", "”"), "Hindi": ("।",), "Arabic": ("؟", "."),
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_chunks_end_at_sentence_ends(name: str) -> None:
    """In plain sentences every chunk ends where a sentence does."""
    chunks = split(SENTENCES[name] * 300, 120, O200K)
    assert len(chunks) > 10
    for chunk in chunks:
        assert chunk.text.rstrip().endswith(ENDS[name]), chunk.text[-30:]


def test_paragraphs_win_over_sentences() -> None:
    """Where a paragraph ends in reach, a chunk ends there."""
    text = ("One sentence here. " * 10 + "\n\n") * 60
    assert all(chunk.text.endswith("\n\n") for chunk in split(text, 250, O200K))


def test_a_heading_stays_with_its_text() -> None:
    """No chunk ends with a heading."""
    rng = random.Random(0)
    text = "".join(
        f"## Section {i}\n\n" + "Some words make a sentence. " * rng.randint(2, 25) + "\n\n" for i in range(150)
    )
    for chunk in split(text, 200, O200K, format="markdown"):
        assert not chunk.text.rstrip().rpartition("\n")[2].startswith("#")


def test_an_underlined_title_stays_whole() -> None:
    """A reStructuredText title is cut neither from its line nor from its text."""
    rng = random.Random(1)
    text = "".join(
        f"Title {i}\n=========\n\n" + "Some words make a sentence. " * rng.randint(2, 25) + "\n\n" for i in range(150)
    )
    for chunk in split(text, 200, O200K, format="rst"):
        assert not chunk.text.startswith("=")
        assert not chunk.text.rstrip().endswith("=")


def test_a_code_fence_that_fits_is_not_torn() -> None:
    """Fences of every size up to the budget stay whole; one larger than it is cut at a line's end."""
    rng = random.Random(2)
    parts = []
    for i in range(200):
        parts.append("A sentence of text stands before. " * rng.randint(1, 12) + "\n\n")
        parts.append("```python\n" + f"value_{i} = compute(value)\n" * rng.randint(1, 60) + "```\n\n")
    text = "".join(parts)
    borders = [end for _, end in cores(split(text, 512, O200K, format="markdown"))]
    at = 0
    for part in parts:
        if part.startswith("```") and O200K.count(part) <= 512:
            assert not [border for border in borders if at < border < at + len(part.rstrip())]
        at += len(part)
    assert all(text[border - 1] in "\n. " or text[border] == " " for border in borders[:-1])


def test_wrapped_lines_are_not_sentence_ends() -> None:
    """Where lines break because the page was full, chunks end at sentences, not at lines."""
    words = ("It was a long day, and nobody who had been there wanted to stay until the evening came. " * 400).split()
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) > 70:
            lines.append(line)
            line = ""
        line += (" " if line else "") + word
    chunks = split("\n".join(lines), 200, O200K)
    assert len(chunks) > 20
    assert all(chunk.text.rstrip().endswith(".") for chunk in chunks[:-1])


def test_code_is_cut_between_blocks() -> None:
    """Functions that fit are not torn."""
    text = "".join(
        f"def function_{i}(value):\n    total = value\n\n"
        "    for x in range(10):\n        total += x\n    return total\n\n\n"
        for i in range(200)
    )
    for chunk in split(text, 200, O200K, format="code"):
        assert chunk.text.startswith("def ")


def test_log_lines_stay_whole() -> None:
    """A log is cut between records, although few of its lines end like sentences."""
    text = "".join(
        f"2026-01-02 03:04:{i % 60:02}.123 INFO [worker-{i % 7}] GET /api/items/{i} 0.{i}s\n" for i in range(2000)
    )
    assert all(chunk.text.startswith("2026") for chunk in split(text, 300, O200K))


@pytest.mark.parametrize("budget", [64, 512, 1000])
def test_chunks_are_few_and_even(budget: int) -> None:
    """Prose takes few chunks more than its tokens need, and none but the last is under half of the budget."""
    rng = random.Random(3)
    text = "".join(
        "Word " + "word " * rng.randint(3, 18) + "end. " + ("\n\n" if rng.random() < 0.1 else "") for _ in range(4000)
    )
    chunks = split(text, budget, O200K)
    assert len(chunks) <= 1.15 * O200K.count(text) / budget + 1
    assert all(chunk.tokens >= budget // 2 for chunk in chunks[:-1])


def test_an_estimate_fills_its_chunks() -> None:
    """A counter that rounds every word up still gets chunks that are nearly full."""
    estimate = counter("a-model-nobody-knows", estimate=True)
    text = "Some words make up this sentence, and more words follow. " * 1500
    assert len(split(text, 300, estimate)) <= 1.15 * estimate.count(text) / 300 + 1


def test_a_preferred_size_is_passed_only_for_a_better_border() -> None:
    """Chunks keep to the preferred size where good borders are plenty, and to the budget always."""
    text = "A short sentence. " * 2000
    assert max(chunk.tokens for chunk in split(text, 400, O200K, preferred=200)) <= 200
    long = ("word " * 260 + "end. \n\n") * 40
    sizes = [chunk.tokens for chunk in split(long, 400, O200K, preferred=200)]
    assert 200 < max(sizes) <= 400


def test_an_overlap_repeats_whole_sentences() -> None:
    """Every chunk but the first begins with sentences of the one before, within the overlap."""
    text = "".join(f"This is sentence number {i} of many. " for i in range(600))
    chunks = split(text, 200, O200K, overlap=40)
    for (core, _), chunk in zip(cores(chunks)[1:], chunks[1:], strict=True):
        assert 0 < O200K.count(text[chunk.start : core]) <= 40
        assert text[chunk.start :].lstrip().startswith("This is")


def test_chunks_know_the_headings_above_them() -> None:
    """The path holds the open headings, outermost first, and none from inside a fence."""
    text = (
        "# Book\n\n## One\n\n"
        + "Text. " * 100
        + "\n\n```sh\n# no heading\n```\n\n## Two\n\n### Deep\n\n"
        + "More. " * 100
    )
    chunks = split(text, 60, O200K, format="markdown")
    paths = heading_paths(text, chunks, "markdown")
    assert paths[0] == ("Book",)
    assert paths[1] == ("Book", "One")
    assert paths[-1] == ("Book", "Two", "Deep")
    assert set(paths) <= {("Book",), ("Book", "One"), ("Book", "Two"), ("Book", "Two", "Deep")}
    assert heading_paths(text, chunks, "text") == [()] * len(chunks)


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("rst", "Book\n====\n\nOne\n---\n\nText of one.\n\nTwo\n---\n\nText of two."),
        ("html", "<h1>Book</h1><h2 id=x>One</h2><p>Text of one.</p><h2><em>Two</em></h2><p>Text of two.</p>"),
        ("markdown", "Book\n====\n\nOne\n---\n\nText of one.\n\nTwo\n---\n\nText of two."),
    ],
)
def test_headings_of_other_formats_are_known(style: str, text: str) -> None:
    """Underlined titles and HTML headings make paths too."""
    chunks = split(text, 8, O200K, format=style)
    paths = dict(zip((chunk.text for chunk in chunks), heading_paths(text, chunks, style), strict=True))
    assert next(path for piece, path in paths.items() if "of two" in piece) == ("Book", "Two")


@settings(max_examples=200, deadline=None)
@given(
    costs=st.lists(st.sampled_from([0, 1, 4, 14, 30, 60, FORBIDDEN]), min_size=1, max_size=200),
    budget=st.integers(1, 40),
    data=st.data(),
)
def test_a_plan_costs_the_least_there_is(costs: list[int], budget: int, data: st.DataObject) -> None:
    """The planned cuts cost no more than the best found by trying all, but for evening out the last chunk."""
    limits = Limits.of(budget, data.draw(st.one_of(st.none(), st.integers(1, budget))))
    cost = np.array([0, *costs], np.int32)
    cost[-1] = 0
    best = [0] + [FORBIDDEN] * len(costs)
    for end in range(1, len(cost)):
        for start in range(max(0, end - budget), end):
            if end - start >= limits.least or end == len(costs):
                best[end] = min(best[end], best[start] + chunk_cost(cost, start, end, limits))
    cuts = plan(cost, limits)
    if cuts is None:
        assert best[-1] >= FORBIDDEN
    else:
        total = sum(chunk_cost(cost, start, end, limits) for start, end in zip([0, *cuts], cuts, strict=False))
        assert cuts[-1] == len(costs)
        assert best[-1] <= total <= best[-1] + 4


def chunk_cost(cost: np.ndarray, start: int, end: int, limits: Limits) -> int:
    return int(cost[end]) + limits.charge + (limits.beyond if end - start > limits.preferred else 0)
