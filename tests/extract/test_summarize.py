"""Summaries of sentences: what goes in, in which order, and never too much of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.extract import join, rank, summarize
from promptops.text import count_words
from promptops.text import words as words_of

FORMATS = ["markdown", "rst", "text", "html", "code"]
PIECES = st.lists(
    st.sampled_from(
        [
            *("A sentence about cats. ", "고양이는 잔다. ", "猫が好きです。", "ภาษาไทย ", "word ", "x" * 300),
            *("?", "\n\n", "References\n==========\n"),
            *("# Title\n", "- an item\n", "```\ncode;\n```\n", "| a | b |\n", "It leads to:\n"),
        ]
    )
).map("".join)

HANDBOOK = """# The cellar handbook

Welcome! Here we go.

## Introduction

This handbook describes how the wine cellar is kept at the right temperature. The cellar stays at twelve degrees all
year, because wine ages badly in a warm cellar. See [the map](map.png) for `DOOR_2`.

```python
cellar = Cellar(temperature=12)
```

| room | degrees |
|------|---------|
| cellar | 12 |

## Doors

Doors of the cellar are kept shut:

- Each door has a spring.
- The key hangs in the office[^1].

## References

Smith, J. The temperature of every cellar and how the wine cellar is kept at the right temperature. 1999.

[^1]: Ask for it.
"""


@given(
    st.one_of(PIECES, st.text()), st.integers(-1, 60), st.sampled_from(FORMATS), st.sampled_from(["", "cats 고양이"])
)
def test_any_text_within_any_limit(text: str, words: int, format: str, focus: str) -> None:
    """Nothing raises, and the limit is never passed."""
    assert count_words(summarize(text, words=words, format=format, focus=focus)) <= max(0, words)


@given(PIECES, st.integers(1, 60))
def test_something_is_said_of_a_text_with_letters(text: str, words: int) -> None:
    """A summary is empty only where there is nothing to say."""
    summary = summarize(text, words=words)
    assert bool(summary) == any(character.isalpha() for character in text)


@given(PIECES, st.integers(1, 200))
def test_order_of_the_source_is_kept(text: str, words: int) -> None:
    """Sentences stand as they stood, each once, and where the source has them."""
    chosen = rank(text).pick(words)
    starts = [candidate.start for candidate in chosen]
    assert starts == sorted(set(starts))
    for candidate in chosen:
        first, there = (
            " ".join(words_of(said)[:1]) for said in (candidate.text, text[candidate.start : candidate.end])
        )
        assert there.startswith(first) or candidate.words < 3  # a word that never ends is cut


def test_what_tells_most_is_chosen() -> None:
    """The sentence that says what the document is for, and no greeting."""
    summary = summarize(HANDBOOK, words=16)
    assert summary == "This handbook describes how the wine cellar is kept at the right temperature."


def test_apparatus_and_markup_never_appear() -> None:
    """However long the summary may be, it holds no code, table, link target, footnote mark or reference."""
    summary = summarize(HANDBOOK, words=500)
    for unwanted in ("Cellar(", "|", "map.png", "[^1]", "1999", "`", "#", "Ask for it"):
        assert unwanted not in summary
    assert "See the map for DOOR_2." in summary
    assert "The key hangs in the office." in summary


def test_what_leads_up_to_a_list_ends_as_a_sentence() -> None:
    """A colon with nothing after it is made a full stop."""
    text = "The doors of every single cellar in the house are always kept shut with great care:\n\n- springs\n"
    assert summarize(text, words=16).endswith("with great care.")


def test_focus_moves_the_choice() -> None:
    """Sentences near the focus come first."""
    text = "The house is old and large. The garden has apple trees. The house has four rooms. A house needs a roof."
    assert "apple" not in summarize(text, words=6)
    assert summarize(text, words=6, focus="apple trees in the garden") == "The garden has apple trees."


def test_the_title_moves_the_choice() -> None:
    """A title given from outside tells what the text is about."""
    text = "The house is old and large. The garden has apple trees. The house has four rooms. A house needs a roof."
    assert summarize(text, words=6, title="Apple trees of the garden", format="text") == "The garden has apple trees."


def test_a_sentence_is_said_once() -> None:
    """What is repeated in the source is not repeated in the summary."""
    text = "Wine ages badly in a warm cellar. " * 5 + "Cheese keeps well in the same place."
    assert summarize(text, words=100).count("ages badly") == 1


def test_parts_share_the_room() -> None:
    """Each part of several gets its say before one of them gets a second."""
    wine = "Wine ages in the cellar of the house. Wine in the cellar is old. The cellar keeps wine cool."
    parts = [wine, "Cheese is made of milk from the farm.", "Bread needs flour and some patience."]
    chosen = rank(parts).pick(24)
    assert {candidate.part for candidate in chosen} == {0, 1, 2}


def test_nothing_fits() -> None:
    """The best sentence is cut at a clause or a word, with an ellipsis."""
    text = "When the cellar is warm, the wine that is kept in there ages rather badly over the years."
    assert summarize(text, words=6) == "When the cellar is warm…"
    assert summarize(text, words=3) == "When the cellar…"
    assert summarize(text, words=1) == "When…"


def test_japanese_is_joined_without_spaces() -> None:
    """Scripts without spaces get none between their sentences."""
    text = "ワインは涼しい場所で熟成します。地下室は一年中十二度です。"
    assert summarize(text, words=100, format="text") == text


def test_long_summaries_have_paragraphs() -> None:
    """Past a screenful, a stretch of the source begins a paragraph."""
    topics = ["wine", "cheese", "bread", "salt", "honey", "oil", "fish", "fruit"]
    text = "".join(
        f"# About {topic}\n\n" + "".join(f"The {topic} of {n} is kept in {topic}{n}. " for n in range(8)) + "\n\n"
        for topic in topics
    )
    assert "\n\n" in summarize(text, words=300)
    assert "\n\n" not in summarize(text, words=80)


@pytest.mark.parametrize(
    ("text", "format", "expected"),
    [
        ("", "text", ""),
        (" \n\n ", "markdown", ""),
        ("--- ... 123 +++", "text", ""),
        ("# Only a title of some words", "markdown", "Only a title of some words."),
        ("| cheese | milk |\n|---|---|\n| bread | flour |", "markdown", "cheese, milk. bread, flour."),
        ("x" * 200_000, "text", None),
        ("word " * 40_000, "text", None),
        ("def f():\n    return 1\n" * 1000, "code", None),
        ("다" * 100_000, "text", None),
        ("中" * 100_000, "markdown", None),
    ],
)
def test_odd_documents(text: str, format: str, expected: str | None) -> None:
    """Empty, code, tables and lines without end: something short, or nothing where there is nothing."""
    summary = summarize(text, words=20, format=format)
    assert count_words(summary) <= 20
    if expected is None:
        assert summary
    else:
        assert summary == expected


def test_a_long_text_needs_no_square_of_its_sentences() -> None:
    """20,000 sentences against each other would take 3 GB; the whole takes a hundredth."""
    import tracemalloc

    text = "".join(f"Sentence {n} speaks of thing {n % 97} and place {n % 89}. " for n in range(20_000))
    tracemalloc.start()
    summarize(text, words=100, format="text")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * len(text)


def test_ranking_orders_every_sentence() -> None:
    """Whoever shortens a text from its weakest end gets all sentences, best first."""
    ranking = rank(HANDBOOK)
    best = ranking.best_first()
    assert sorted(best, key=lambda candidate: candidate.start) == ranking.candidates
    assert "This handbook describes" in best[0].text
    assert join([best[0]]) == best[0].text


def test_numbers_of_clauses_are_left_out() -> None:
    """A contract's clauses lose their numbers, a sentence that starts with a figure keeps it."""
    clause = "{}.1 The member of class {} keeps the key of the workshop and returns it."
    clauses = "\n\n".join(clause.format(n, n) for n in range(1, 7))
    assert summarize(clauses, words=13, format="text").startswith("The member")
    assert summarize("3.5 or later is what the members need to run it.", words=13, format="text").startswith("3.5")


def test_sentences_that_need_what_follows_are_left_out() -> None:
    """What ends in "are:" or "다음과 같습니다:" says nothing without its list."""
    text = "The fees of the workshop from July on are:\n\n- ten\n\nMembers pay the fees of the workshop in advance.\n"
    assert summarize(text, words=60) == "Members pay the fees of the workshop in advance."


def test_a_text_shorter_than_its_summary_may_be_stays_whole() -> None:
    """Its short sentences too."""
    for text in ("Hello in one line. It works.", "안녕하세요. 강이 흐른다. 끝."):
        assert summarize(text, words=50) == text
