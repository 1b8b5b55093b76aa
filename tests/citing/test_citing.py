"""Marks: given to passages, read back from answers, and led to the text that they stand for."""

from __future__ import annotations

from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.citing import checked, cited, found, free, locate, misquoted, numbered, renumbered, widened

PROSE = (
    "The river rose in the night. The lower meadow was under water by six, and nobody had moved the sheep.\n\n"
    "# 강의 하루\n\n- 강은 밤새 불어났다. 아침 여섯 시에는 아래 목초지가 물에 잠겼다.\n"
    "- 양을 옮긴 사람은 아무도 없었다.\n"
)


def sentences(text: str) -> list[tuple[str, tuple[int, ...]]]:
    """The sentences of an answer as they read, with their numbers."""
    return [(text[one.start : one.end], one.numbers) for one in cited(text)]


@given(st.text(alphabet=st.sampled_from("ab [3]12.\n-#다. 한"), max_size=200))
def test_a_numbered_text_is_the_text_with_marks_in_it(text: str) -> None:
    """Each passage is where its mark says; numbers that the text itself has in brackets are given to none."""
    marked, spans = numbered(text, free(found(text)))
    assert not set(found(text)) & set(spans)
    bare = marked
    for number, span in spans.items():
        assert f"[{number}] " in bare
        bare = bare.replace(f"[{number}] ", "", 1)
        assert span.of(text).strip()
    assert bare == text


def test_every_word_is_in_a_passage_and_only_a_short_line_goes_with_the_next_paragraph() -> None:
    """Passages are some sentences long, so that marks stay few."""
    text = PROSE * 5
    _, spans = numbered(text, count(1))
    inside = {place for span in spans.values() for place in range(span.start, span.end)}
    assert all(place in inside for place, character in enumerate(text) if character.isalnum())
    assert all(len(span.of(text).split("\n\n")[0]) < 40 for span in spans.values() if "\n\n" in span.of(text))
    assert 4 * len(spans) < len(text.split())


def test_headings_and_items_stay_what_they_are() -> None:
    """The mark stands behind their sign."""
    first, second = f"강의 {'긴 ' * 20}하루", "양을 옮긴 사람은 없었다."
    marked, _ = numbered(f"# {first}\n\n- {second}\n", count(1))
    assert marked == f"# [1] {first}\n\n- [2] {second}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rose. [1] It fell [2]. It dried[3].", ["It rose. [1]", "It fell [2].", "It dried[3]."]),
        ("It rose.[1][2] Then it fell.", ["It rose.[1][2]", "Then it fell."]),
        ('He said "it rose." [1] Dr. Kim [2] left [3]!', ['He said "it rose." [1]', "Dr. Kim [2] left [3]!"]),
        ("강은 불어났다. [1] 양은 남았다[2].", ["강은 불어났다. [1]", "양은 남았다[2]."]),
        ("강은 불어났다 [1]\n양은 남았다 [2]\n", ["강은 불어났다 [1]", "양은 남았다 [2]"]),
        ("- one [1]\n- two [2]\n1. three", ["- one [1]", "- two [2]", "1. three"]),
        ("雨が降った。[1]川が増えた。[2]", ["雨が降った。[1]", "川が増えた。[2]"]),
        ("[1] Only a mark before.", ["[1] Only a mark before."]),
        ("[1][2]", []),
        ("", []),
    ],
)
def test_a_mark_belongs_to_the_sentence_it_follows(text: str, expected: list[str]) -> None:
    """On either side of the full stop, and without one."""
    found_ = sentences(text)
    assert [sentence for sentence, _ in found_] == expected
    assert [numbers for _, numbers in found_] == [tuple(found(sentence)) for sentence in expected]


@given(st.text(alphabet=st.sampled_from('ab [1]?2.\n-다.!"”'), max_size=120))
def test_sentences_of_an_answer_are_in_order_and_hold_every_word(text: str) -> None:
    """Whatever was written."""
    spans = [(one.start, one.end) for one in cited(text)]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    inside = {place for start, end in spans for place in range(start, end)}
    assert all(place in inside for place, character in enumerate(text) if character.isalpha())


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a [1, 2] b", "a [1][2] b"), ("a [1-3]", "a [1][2][3]"), ("a【2】", "a[2]"), ("a [2,2]", "a [2]"),
        ("a [9]", "a [?]"), ("a [1, 9]", "a [1][?]"), ("a [3-1]", "a [3][1]"), ("a [1-900]", "a [1][?]"),
        ("a[i] and b[12345]", "a[i] and b[12345]"),
    ],
)  # fmt: skip
def test_marks_are_read_in_the_forms_that_models_write(written: str, read: str) -> None:
    """And what names no passage is marked so."""
    assert checked(written, {1, 2, 3}) == read


def test_a_number_in_brackets_that_the_text_had_is_no_mark() -> None:
    """An array index or a footnote that is quoted stays as it was."""
    assert checked("see x[0] and [7] [1]", {1}, ["x[0] is set, as in [7]."]) == "see x[0] and [7] [1]"


def test_marks_are_renumbered_all_at_once() -> None:
    """So that two may change places."""
    assert renumbered("a [1] b [2] c [3]", {1: 2, 2: 1}) == "a [2] b [1] c [3]"
    assert len(widened("a [1]")) >= len(renumbered("a [1]", {1: 9999}))


@pytest.mark.parametrize(
    "quote",
    [
        "The lower meadow was under water by six",
        "“the lower  meadow was\nunder water by six”,",
        "the **lower meadow** was under water by six.",
        "강은 밤새 불어났다",
    ],
)
def test_a_quote_is_found_where_it_stands(quote: str) -> None:
    """Whatever was done to its blanks, marks and case."""
    span = locate(quote, PROSE)
    assert span is not None
    assert span.of(PROSE) in ("The lower meadow was under water by six", "강은 밤새 불어났다")


@given(st.text(min_size=1, max_size=80), st.data())
def test_any_part_of_a_text_is_located_in_it(text: str, data: st.DataObject) -> None:
    """Whatever script or control characters it is made of."""
    start = data.draw(st.integers(0, len(text) - 1))
    piece = text[start : data.draw(st.integers(start + 1, len(text)))]
    span = locate(piece, text)
    assert span is not None or not piece.strip(" \t\r\n.,;:!?\"'")


def test_words_that_do_not_stand_there_are_found_nowhere() -> None:
    """Not even one changed figure."""
    assert locate("The lower meadow was under water by seven", PROSE) is None
    assert locate("", PROSE) is None


def test_a_misquotation_is_told_from_a_quotation() -> None:
    """Names and single words in quotation marks are neither."""
    texts = [PROSE]
    assert misquoted('It says "the lower meadow was under water" at six.', texts) == []
    assert misquoted('It says "the upper meadow was under water" at six.', texts) == [
        "the upper meadow was under water"
    ]
    assert misquoted('The "meadow" is what "Kim Lee" calls it.', texts) == []
    assert misquoted("「양을 옮긴 사람은 모두 떠났다」고 한다.", texts) == ["양을 옮긴 사람은 모두 떠났다"]
