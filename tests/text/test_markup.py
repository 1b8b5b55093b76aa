"""Inline markup: what a reader sees of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.text import plain_text


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("- **Bold** and *italic* and `a*b*c`", "Bold and italic and a*b*c"),
        ("See [the docs](https://x.y/z_(a)) or [this][ref].", "See the docs or this."),
        ("![logo](x.png) A claim[^1] with a snake_case_name.", "A claim with a snake_case_name."),
        ("### 소개 {#intro}", "소개"),
        ("> quoted\n> twice", "quoted twice"),
        ("A <b>tag</b> &amp; 1 < 2 but `<div>` stays", "A tag & 1 < 2 but <div> stays"),
        ("`f()` is (called) \\*here\\*", "f() is (called) *here*"),
        ("2 * 3 * 4 = 24", "2 * 3 * 4 = 24"),
        ("[x] done", "[x] done"),
    ],
)
def test_markdown(source: str, plain: str) -> None:
    """Links leave their words, code its name, and footnote marks nothing."""
    assert plain_text(source, "markdown") == plain


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("Use :meth:`~list.append` and ``x**y``.", "Use list.append and x**y."),
        ("As in :pep:`302` and :rfc:`822` [1]_.", "As in PEP 302 and RFC 822."),
        ("`The docs <https://x.y>`_ say *so*, `twice`_.", "The docs say so, twice."),
        ("A role :ref:`with text <target>` here.", "A role with text here."),
        ("The :ref:`packaging:specifications/platform-tags` say so.", "The platform tags say so."),
    ],
)
def test_restructured_text(source: str, plain: str) -> None:
    """Roles leave their text, and a reference to a proposal its name."""
    assert plain_text(source, "rst") == plain


@given(st.text(), st.sampled_from(["markdown", "rst", "text"]))
def test_any_text_becomes_one_line(text: str, format: str) -> None:
    """Whatever comes in, one stripped line goes out."""
    plain = plain_text(text, format)
    assert "\n" not in plain
    assert plain == plain.strip()
