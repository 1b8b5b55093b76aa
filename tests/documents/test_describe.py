"""The title that a document gives itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.documents.describe import title_of


@pytest.mark.parametrize(
    ("text", "format_", "expected"),
    [
        ("# One **two** `three` #\n", "markdown", "One two three"),
        ("text\n\n## Later [link](http://x)", "markdown", "Later link"),
        ("Title\n=====\n", "markdown", "Title"),
        ("```\n# comment\n```\n# Real", "markdown", "Real"),
        ("~~~~\n# comment\n```\n~~~~\n# Real", "markdown", "Real"),
        ('---\ntitle: "Front: matter"\n---\n# Heading', "markdown", "Front: matter"),
        ("---\nlayout: x\n---\n# Heading", "markdown", "Heading"),
        ("snake_case stays\n---", "markdown", "snake_case stays"),
        ("| a |\n|---|\n", "markdown", ""),
        ("#hashtag", "markdown", ""),
        ("PEP: 1\nTitle: A Long\n  Title\nAuthor: x\n\nAbstract\n========", "rst", "A Long Title"),
        (":Author: me\n:Title: Docutils\n\n", "rst", "Docutils"),
        ("=====\nOver\n=====\n", "rst", "Over"),
        ("제목입니다\n~~~~~~~~~~\n", "rst", "제목입니다"),
        ("text\n\nnot\n..\n", "rst", ""),
        ("RFC: 1\nTitle: In text\n\nbody", "text", "In text"),
        ("Some text\nTitle: not a header\n", "text", ""),
        ("", "text", ""),
    ],
)
def test_the_title_stands_in_the_first_lines(text: str, format_: str, expected: str) -> None:
    """Front matter, a Title field or the first heading; a file's name is no title."""
    assert title_of(text, format_) == expected


@given(st.text(st.sampled_from("#`~=-|* \n\ttitle:[](x)_")), st.sampled_from(["markdown", "rst", "text"]))
def test_a_title_is_one_short_line(text: str, format_: str) -> None:
    """Whatever the document begins with."""
    title = title_of(text, format_)
    assert title == title.strip()
    assert "\n" not in title
    assert len(title) <= 200
