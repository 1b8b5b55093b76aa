"""Texts cut to a number of tokens, never inside a grapheme."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.errors import UsageError
from promptops.tokens import counter, truncate

O200K = counter(tokenizer="o200k_base")
PARTS = st.sampled_from(
    ["word ", "안녕", "👩‍👩‍👧‍👦", "🇰🇷", "e\u0301", "क्षि", "\r\n", "漢字。", "x", " ", "\ud800", "ก็"]
)
TEXTS = st.lists(PARTS, max_size=80).map("".join)


def borders(text: str) -> set[int]:
    return {0, *(match.end() for match in regex.finditer(r"\X", text))}


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, n=st.integers(0, 60))
def test_the_head_fits_and_is_whole_graphemes(text: str, n: int) -> None:
    """What is kept is a beginning of the text, within the limit, and one more grapheme would not have fitted."""
    kept = truncate(text, n, counter=O200K, keep="head")
    assert text.startswith(kept)
    assert O200K.count(kept) <= n
    assert len(kept) in borders(text)
    more = [end for end in borders(text) if end > len(kept)]
    assert not more or O200K.count(text[: min(more)]) > n


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, n=st.integers(0, 60))
def test_the_tail_fits_and_is_whole_graphemes(text: str, n: int) -> None:
    """What is kept is an end of the text, within the limit, begun at a grapheme."""
    kept = truncate(text, n, counter=O200K, keep="tail")
    assert text.endswith(kept)
    assert O200K.count(kept) <= n
    assert len(text) - len(kept) in borders(text)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, n=st.integers(0, 60))
def test_both_ends_fit_with_a_sign_between(text: str, n: int) -> None:
    """Head and tail are the text's own, and the line between says that something is missing."""
    kept = truncate(text, n, counter=O200K, keep="both")
    assert O200K.count(kept) <= n
    head, sign, tail = kept.partition("\n…\n")
    assert kept == text or (text.startswith(head) and text.endswith(tail))
    assert kept == text or sign or text.startswith(kept)


def test_a_text_that_fits_stays_as_it_is() -> None:
    """Nothing is taken from a short text."""
    assert truncate("short", 100, counter=O200K, keep="both") == "short"


@pytest.mark.parametrize("keep", ["head", "tail", "both"])
def test_a_long_text_is_filled_to_the_limit(keep: str) -> None:
    """From plain prose the limit is used up, or nearly so."""
    kept = truncate("The quick brown fox. " * 5000, 500, counter=O200K, keep=keep)  # type: ignore[arg-type]
    assert 495 <= O200K.count(kept) <= 500


@pytest.mark.parametrize(("n", "keep"), [(-1, "head"), (5, "middle")])
def test_what_cannot_be_asked_is_an_error(n: int, keep: str) -> None:
    """A negative number of tokens or another part is refused."""
    with pytest.raises(UsageError):
        truncate("text", n, counter=O200K, keep=keep)  # type: ignore[arg-type]
