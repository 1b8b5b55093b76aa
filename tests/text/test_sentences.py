"""Sentences: where they end in each script, and that their spans tile the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.text import sentences

PIECES = st.lists(
    st.sampled_from(
        [
            *("Dr. ", "a", " ", "\n", "\n\n", ". ", "! ", "?", "…", "。", "」", "다", "습니다 ", "\u0e01\u0e32 "),
            *("3.5", "।", '"', "J. ", "함\n"),
        ]
    )
).map("".join)


def split(text: str) -> list[str]:
    return [span.of(text).strip() for span in sentences(text)]


@given(st.one_of(st.text(), PIECES))
def test_spans_tile_any_text(text: str) -> None:
    """Put together, the sentences are the text, and none is empty."""
    spans = sentences(text)
    assert "".join(span.of(text) for span in spans) == text
    assert all(span.start < span.end for span in spans)


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith met Mr. Brown in St. Paul.",
        "It costs 3.14 dollars in version 2.0.1 of foo.bar.",
        "Fruit, e.g. apples, i.e. the red ones, grow here.",
        "J. R. R. Tolkien wrote it in the U.S. Army of that time.",
        "See Fig. 3 and Sec. 4 for more.",
        "Well... maybe it works.",
        "1. The first of all",
        "It was published on Jan. 5 and read.",
        "The method foo.bar() is called?yes",
    ],
)
def test_a_stop_that_does_not_end_a_sentence(text: str) -> None:
    """Titles, abbreviations, initials, decimals, enumerators and names with stops hold one sentence together."""
    assert split(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He left. She stayed! Why?", ["He left.", "She stayed!", "Why?"]),
        ('She said "No." Then she left.', ['She said "No."', "Then she left."]),
        ("He works at Acme Inc. The firm is old.", ["He works at Acme Inc.", "The firm is old."]),
        ("It was at 5 p.m. Then it rained.", ["It was at 5 p.m.", "Then it rained."]),
        ("비가 왔다. 값은 3.5원이다.", ["비가 왔다.", "값은 3.5원이다."]),
        ("비가 왔습니다 그래서 쉬었어요 정말", ["비가 왔습니다", "그래서 쉬었어요", "정말"]),
        ("비가 왔다\n내일은 맑다", ["비가 왔다", "내일은 맑다"]),
        ("今日は雨です。明日は晴れ！そう？", ["今日は雨です。", "明日は晴れ！", "そう？"]),
        ("彼は「晴れ。」と言った。終わり。", ["彼は「晴れ。」と言った。", "終わり。"]),
        ("他说：“好。”然后走了。", ["他说：“好。”", "然后走了。"]),
        ("यह एक है। वह दो है॥ अंत", ["यह एक है।", "वह दो है॥", "अंत"]),
        ("هل هذا سؤال؟ نعم۔ حسنا", ["هل هذا سؤال؟", "نعم۔", "حسنا"]),
        ("A title\n\nA paragraph", ["A title", "A paragraph"]),
    ],
)
def test_sentences_of_many_scripts(text: str, expected: list[str]) -> None:
    """Each script's own terminators end a sentence, and Korean final endings do without one."""
    assert split(text) == expected


def test_korean_words_that_look_like_endings_do_not_end_a_sentence() -> None:
    """Nouns in 요 and the particle 보다 stay inside."""
    text = "중요 사항이 필요 없는 것은 그보다\n작은 주요 내용이다."
    assert split(text) == [text]


def test_thai_is_parted_at_spaces_but_not_into_scraps() -> None:
    """Thai has no full stop: a space after a long stretch parts, one after a short word doesn't."""
    long = "ภาษาไทยเป็นภาษาที่ไม่มีการเว้นวรรคระหว่างคำ"
    assert split(f"{long} ครับ {long}") == [long, f"ครับ {long}"]


@pytest.mark.parametrize("unit", ["-", "a", " ", ".", ". ", "\n", '"', "다 ", "' ", "a.b", "。", "A. "])
def test_long_repetition_is_read_in_one_pass(unit: str) -> None:
    """Nothing is quadratic: 200,000 characters of anything come back whole."""
    text = unit * (200_000 // len(unit))
    assert sum(span.end - span.start for span in sentences(text)) == len(text)
