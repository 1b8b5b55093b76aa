"""Words: one count for all scripts, and terms to compare texts by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.text import count_words, words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Two words", 2),
        ("a well-known state-of-the-art idea", 4),
        ("a dash - and | marks — are not words", 7),
        ("don't, (really) 3.14!", 3),
        ("나는 학교에 갔다.", 3),
        ("今日は雨です。", 3),
        ("中文ABC中文", 3),
        ("你好", 1),
        ("Python で 書く", 3),
        ("यह वाक्य है", 3),
        ("ภาษาไทย", 2),
    ],
)
def test_count_words(text: str, count: int) -> None:
    """Spaced scripts count what stands between spaces, Han and Kana two characters a word, Thai four."""
    assert count_words(text) == count


@given(st.text(), st.text())
def test_joining_adds_no_words(first: str, second: str) -> None:
    """A limit kept by each sentence's own count is kept by the whole."""
    assert count_words(f"{first} {second}") <= count_words(first) + count_words(second)


@given(st.text(), st.integers(0, 50))
def test_a_beginning_has_no_more_words(text: str, length: int) -> None:
    """So that a cut can be found by halving."""
    assert count_words(text[:length]) <= count_words(text)


def test_long_runs_of_marks_take_one_pass() -> None:
    """A rule of 200,000 dashes is not searched from each dash on."""
    assert count_words("-" * 200_000) == 0
    assert count_words("—" * 200_000) == 0


def test_words_are_lowercased_terms() -> None:
    """English gives words with their apostrophes."""
    assert words("The Cat's “Pyjamas” – don’t!") == ["the", "cat's", "pyjamas", "don’t"]


def test_korean_particles_leave_the_stem_in_common() -> None:
    """형태소를 and 형태소가 share what matters."""
    assert {"형태", "태소"} <= set(words("형태소를")) & set(words("형태소가"))


def test_scripts_without_spaces_give_pairs() -> None:
    """Han, Kana and Thai have no words to split at."""
    assert words("東京都") == ["東京", "京都"]
    assert words("水") == ["水"]


def test_vowel_signs_stay_in_their_word() -> None:
    """Hindi words are not split at their marks."""
    assert words("हिन्दी वाक्य") == ["हिन्दी", "वाक्य"]
