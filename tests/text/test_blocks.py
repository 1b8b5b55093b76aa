"""Blocks: what each format's lines are taken for, and that the blocks tile the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.text import blocks, guess

FORMATS = ["markdown", "rst", "text", "html", "code", "unheard-of"]
LINES = st.lists(
    st.sampled_from(
        [
            *("", "word word.", "# Title", "====", "---", "- item", "  more", "    code()", "```", "> quote"),
            *("| a | b |", "|---|---|", ".. note::", ".. code:: x", "Text::", ":field: x", "Key: value"),
            *("<div>", "<!--", "-->"),
            *("<pre>", "+--+--+", "== ==", ">>> x", "[x]: y", ":::tip", "1. one", "\t", "term", "***", "키: 값"),
        ]
    )
).map("\n".join)


def kinds(text: str, format: str = "markdown") -> list[tuple[str, str]]:
    return [(block.kind, block.of(text).strip()) for block in blocks(text, format)]


@given(st.one_of(LINES, st.text()), st.sampled_from(FORMATS))
def test_blocks_tile_any_text(text: str, format: str) -> None:
    """Put together, the blocks are the text, whatever it is said to be."""
    found = blocks(text, format)
    assert "".join(block.of(text) for block in found) == text
    assert all(block.start < block.end for block in found)


def test_markdown() -> None:
    """Headings, prose, lists, code, tables and quotes are told apart."""
    text = """---
title: X
---
# One

Some prose
over two lines.

Two
---
- item one
  goes on
- item two

```py
# not a heading
```

| a | b |
|---|---|
| 1 | 2 |

> quoted

<div class="x">

after **all**

* * *
"""
    assert " ".join(kind for kind, _ in kinds(text)) == (
        "fields heading paragraph heading item item code table quote directive paragraph rule"
    )


def test_restructured_text() -> None:
    """Adorned headings, literal blocks, directives, fields and tables are told apart."""
    text = """PEP: 1
Title: X

========
Overlined
========

Prose that leads to code::

    code()

    more()

Under
-----

.. image:: x.png
   :alt: y

.. note::

   An admonition is prose.

term
    What it means.

* item
  goes on

:field: value

=====  =====
a      b
=====  =====

.. [1] A footnote
"""
    assert " ".join(kind for kind, _ in kinds(text, "rst")) == (
        "fields heading paragraph code heading directive directive paragraph term paragraph item fields table directive"
    )


def test_heading_levels() -> None:
    """Markdown says its levels; reStructuredText's come in the order of their marks."""
    levels = [block.level for block in blocks("# a\n\n### b\n\nc\n===\n", "markdown")]
    assert levels == [1, 3, 1]
    levels = [block.level for block in blocks("A\n===\n\nB\n---\n\nC\n===\n", "rst")]
    assert levels == [1, 2, 1]


def test_plain_text_titles() -> None:
    """A short lone line without a final mark is a title, one with it is a paragraph."""
    text = "Chapter One\n\nIt began.\n\nA long paragraph that goes on and on, as they do in books of every kind.\n"
    assert [kind for kind, _ in kinds(text, "text")] == ["heading", "paragraph", "paragraph"]


def test_unwrapped_lines_are_paragraphs() -> None:
    """Lines too long to be wrapped by hand each stand for themselves."""
    line = "A sentence of an unwrapped paragraph. " * 6
    assert len(blocks(f"{line}\n{line}\n{line}", "text")) == 3


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("# Title\n\nSee [this](x).\n", "markdown"),
        ("Title\n=====\n\n.. note:: x\n\nSee :ref:`this`.\n", "rst"),
        ("Just some words. And more.", "text"),
        ("", "text"),
    ],
)
def test_guess(text: str, format: str) -> None:
    """A text that comes without its format is read by its marks."""
    assert guess(text) == format


@pytest.mark.parametrize(
    "unit", ["```\n", "<!--\n", "---\n", "<pre>\n", "== ==\n", "| a\n", "- a\n", "a\n b\n", "A: b\n", "> \n", "- \n"]
)
@pytest.mark.parametrize("format", ["markdown", "rst", "text"])
def test_long_repetition_is_read_in_one_pass(unit: str, format: str) -> None:
    """Fences and comments that never close are not looked for twice."""
    text = unit * 20_000
    assert blocks(text, format)[-1].end == len(text)


def test_keys_and_values_at_the_start_are_fields() -> None:
    """Date, place and author under a title are about the document, in any language; a dialogue is not."""
    for kind in ("text", "markdown"):
        assert kinds("회의록 제목\n\n일시: 3월 20일\n장소: 본사 회의실\n\n본문은 이렇다.", kind)[1][0] == "fields"
    assert kinds("**Owner:** Head\n**Next review**: May\n")[0][0] == "fields"
    assert kinds("Ann: Good morning.\nBob: Is it?\nAnn: It is.\n", "markdown")[0][0] == "paragraph"


def test_numbered_titles_in_plain_text() -> None:
    """A short numbered line alone is a title; numbered lines that follow each other are a list."""
    assert [kind for kind, _ in kinds("1. WHO WE ARE\n\nWe are many here.\n", "text")] == ["heading", "paragraph"]
    assert [kind for kind, _ in kinds("1. Apples\n2. Pears\n", "text")] == ["item", "item"]
