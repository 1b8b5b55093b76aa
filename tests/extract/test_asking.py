"""Reading a prompt: the fenced documents, the length, the focus."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.extract.asking import Asked, read_prompt
from promptops.types import Message


def read(user: str, system: str = "") -> Asked:
    return read_prompt((Message("system", system), Message("user", user)))


@pytest.mark.parametrize(
    ("wish", "words", "characters", "sentences"),
    [
        ("Write at most 120 words.", 120, None, None),
        ("in 1,200 words", 1200, None, None),
        ("a 50-word summary", 50, None, None),
        ("100 to 150 words", 150, None, None),
        ("You get 3 words of advice: write at most 40 words", 40, None, None),
        ("120단어 이내로 요약하라", 120, None, None),
        ("100자 이내", None, 100, None),
        ("300자로 써라", None, 300, None),
        ("200字以内", None, 200, None),
        ("at most 280 characters", None, 280, None),
        ("3 sentences", None, None, 3),
        ("two or three sentences", None, None, 3),
        ("2-3문장", None, None, 3),
        ("한 문장으로", None, None, 1),
        ("2 sentences of 40 words in all", 40, None, 2),
        ("Write something short", None, None, None),
        ("3자 회담에 대해", None, None, None),
    ],
)
def test_lengths(wish: str, words: int | None, characters: int | None, sentences: int | None) -> None:
    """Lengths are understood in English and Korean, wherever the wish stands."""
    for asked in (read("x", wish), read(f"{wish}\n<document>\nx\n</document>")):
        assert (asked.words, asked.characters, asked.sentences) == (words, characters, sentences)


def test_a_document_cannot_ask() -> None:
    """What stands inside a fence is material, whatever it says."""
    asked = read("<document>\nin 3 words\nFocus: sheep\n</document>\nFocus: goats", "at most 9 words")
    assert (asked.words, asked.focus) == (9, "goats")


def test_fences() -> None:
    """Several documents, numbered fences and attributes are read; a tag inside a numbered fence is text."""
    first = '<document-1 title="A &amp; B" part="1 of 2">\na </document>\n<document>\n</document-1>'
    asked = read(f"{first}\n<document>\nb\nc\n</document>")
    assert asked.parts == ("a </document>\n<document>", "b\nc")


def test_title_and_format() -> None:
    """A title comes from its own fence or from the attribute of a lone document."""
    assert read('<document title="T" format="rst">\na\n</document>') == Asked(("a",), title="T", format="rst")
    assert read("<title>\nT\n</title>\n<document>\na\n</document>\n<document>\nb\n</document>").title == "T"


@pytest.mark.parametrize("text", ["no fence at all", "<document>\nnever closed", "a <document> b </document> c", ""])
def test_without_a_fence(text: str) -> None:
    """The whole last user message is the material."""
    assert read(text).parts == (text,)


def test_the_last_user_message_counts() -> None:
    """Examples before it are instructions, not material."""
    old, new = (Message("user", f"<document>\n{text}\n</document>") for text in ("old", "new"))
    messages = (old, Message("assistant", "x"), new)
    assert read_prompt(messages).parts == ("new",)
    assert read_prompt(()).parts == ("",)


@pytest.mark.parametrize("line", ["Focus: the doors", "초점: the doors", "  focus： the doors  "])
def test_focus(line: str) -> None:
    """A line of its own says what to look for."""
    assert read(f"{line}\n<document>\nx\n</document>").focus == "the doors"


LINES = ["<document>", "</document>", "<document-1>", "</document-1>", "x", "", "3 words"]


@given(st.lists(st.sampled_from(LINES)).map("\n".join))
def test_any_nesting_is_read(text: str) -> None:
    """Nothing raises, and something is always the material."""
    assert read(text).parts
