"""A text encoded in pieces has the tokens of the whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.tokens import NAMES, vocabulary
from promptops.tokens.pieces import pieces

PARTS = st.sampled_from(
    [
        " ", "  ", "\n", "\r\n", "\t", "/", "。", "、", "，", "...", "Hello", "don't", "'S", "12345", "漢字", "かな",
        "안녕", "e\u0301", "क्ष", "ก็", "👩‍👩‍👧‍👦", "ǅ", "٣", "_", "\x00", "\xa0", "\u2028", "x" * 30, "<|endoftext|>",
    ]
)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if vocabulary(name).additive])
@settings(max_examples=60, deadline=None)
@given(parts=st.lists(PARTS, max_size=60), size=st.integers(1, 40))
def test_the_tokens_of_the_pieces_are_those_of_the_whole(name: str, parts: list[str], size: int) -> None:
    """Wherever a text is parted, and for every vocabulary that is encoded so."""
    text = "".join(parts)
    engine = vocabulary(name)._engine
    parted = list(pieces(text, size))
    assert "".join(parted) == text
    assert [token for piece in parted for token in engine.encode_ordinary(piece)] == engine.encode_ordinary(text)


def test_pieces_are_about_as_long_as_asked() -> None:
    """Where splits are plenty no piece is much longer, in scripts with and without spaces."""
    for text in ("some words " * 9_000, "他走了很远的路，终于到了。" * 7_000):
        lengths = [len(piece) for piece in pieces(text, 1_000)]
        assert max(lengths) <= 2_000 + 20
        assert len(lengths) > len(text) // 2_000


def test_a_text_without_a_sure_split_stays_whole() -> None:
    """One letter, or white space alone, is not parted."""
    for text in ("a" * 100_000, " \n" * 50_000, "。" * 100_000):
        assert list(pieces(text, 1_000)) == [text]
