"""What the table over a vocabulary says of the borders between tokens is what the text says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.chunking import grades
from promptops.tokens import spellings, vocabulary
from promptops.tokens.characters import KINDS, ODD, UNKNOWN, code_points

PARTS = st.sampled_from(
    [
        "The end. ",
        "\n\n",
        "했다 ",
        "뷁",
        "ꀀ",
        "👩‍👩‍👧‍👦",
        "🇰🇷",
        "क्ष",
        "e\u0301",
        "漢字。",
        "x = [1]\n",
        "\u2028",
        "ᄒ",
        "￿",
    ]
)


@pytest.mark.parametrize("name", ["o200k_base", "gpt2", "qwen3"])
@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.text(min_size=1), st.lists(PARTS, min_size=1, max_size=30).map("".join)))
def test_tokens_say_of_borders_what_the_text_says(name: str, text: str) -> None:
    """The places are exact; classes agree, or are left open where a character goes on in the next token."""
    found = vocabulary(name)
    ids = found.encode_flat(text)
    entries = found.spellings.of(ids)
    whole = b"".join(found.token_bytes(token) for token in ids.tolist()).decode()
    ends, split = spellings.ends(entries), spellings.inside(entries)
    assert ends[-1] == len(whole)
    by_tokens = spellings.pairs(entries)
    by_text = grades.pairs(code_points(whole), ends)
    for border in range(1, len(ends) - 1):
        before, after = divmod(int(by_tokens[border]), KINDS)
        if split[border]:
            assert after == ODD
            continue
        shown = divmod(int(by_text[border]), KINDS)
        assert before == shown[0] or (before == UNKNOWN and split[border - 1])
        assert after == shown[1] or (after == UNKNOWN and split[border + 1])
