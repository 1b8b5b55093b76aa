"""Counts are tiktoken's, id for id; and nothing in a text is ever read as a special token."""

from __future__ import annotations

import sysconfig
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import splintr
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from promptops.tokens import NAMES, Vocabulary, vocabulary
from promptops.types import Counter

ENCODINGS = sorted(openai_public.ENCODING_CONSTRUCTORS)
SPECIALS = [
    "<|endoftext|>", "<|fim_prefix|>", "<|endofprompt|>", "<|system|>", "<|im_start|>", "<|think|>", "<s>",
    "</s>", "<unk>", "<bos>", "<eos>", "<pad>", "[INST]", "[/INST]", "[MASK]", "[CLS]", "<think>", "<｜User｜>",
    "<|eot_id|>", "|||EMAIL_ADDRESS|||",
]  # fmt: skip
FRAGMENTS = st.sampled_from(
    [
        *SPECIALS, "\n", "\r\n", "  ", "\t", "Hello", " world", "'S", "don't", "123456", "안녕하세요",
        "한국어 문장입니다.", "日本語。", "中文，", "👩‍👩‍👧‍👦", "🇰🇷", "e\u0301", "ﬁ", "ǅ", "٣", "\x00", "\u2028",
        "\xa0", "\ud800", "\udfff", "\ud83d\ude00", "ก็", "क्ष", "/", "...",
    ]
)  # fmt: skip
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=())),  # lone surrogates too
    st.lists(FRAGMENTS, max_size=30).map("".join),
    st.text(max_size=200),
)


@pytest.mark.parametrize("name", ENCODINGS)
@settings(max_examples=150, deadline=None)
@given(text=ANY_TEXT)
def test_ids_are_tiktokens(name: str, oracle: Callable[[str], tiktoken.Encoding], text: str) -> None:
    """Any text at all gives the ids that tiktoken gives it as ordinary text."""
    expected = oracle(name).encode_ordinary(text)
    assert vocabulary(name).encode_flat(text).tolist() == expected
    assert vocabulary(name).count(text) == len(expected)


@pytest.mark.parametrize("name", ENCODINGS)
def test_ids_of_files_are_tiktokens(name: str, oracle: Callable[[str], tiktoken.Encoding]) -> None:
    """Real files, code and licences, give tiktoken's ids."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.glob("*.py"))[:40]:
        text = path.read_text("utf-8", "replace")
        assert vocabulary(name).encode_flat(text).tolist() == oracle(name).encode_ordinary(text), path.name


@pytest.mark.parametrize("name", NAMES)
def test_no_special_token_comes_out_of_a_text(name: str) -> None:
    """What spells a special token in a text counts as the plain text that it is."""
    found = vocabulary(name)
    text = " ".join([*SPECIALS, *SPECIALS[::-1]])
    assert not special_ids(name) & set(found.encode_flat(text).tolist())
    assert found.count("") == 0


def special_ids(name: str) -> set[int]:
    try:
        known = splintr.Tokenizer.from_pretrained(name).special_tokens()
    except ValueError:  # one of the vocabularies that ship with promptops, which have none
        return set()
    return {known[spelled] for spelled in SPECIALS if spelled in known}


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(text=ANY_TEXT)
def test_counting_never_raises(name: str, text: str) -> None:
    """Every text has a count, in every vocabulary, and it is the number of its ids."""
    found = vocabulary(name)
    assert found.count(text) == len(found.encode_flat(text))


@settings(max_examples=150, deadline=None)
@given(text=st.text())
def test_token_bytes_spell_the_text(text: str) -> None:
    """The bytes of a text's tokens, put together, are the text in UTF-8."""
    found = vocabulary("o200k_base")
    assert b"".join(found.token_bytes(token) for token in found.encode_flat(text).tolist()) == text.encode()


def test_qwen_composes_the_text_first() -> None:
    """Qwen's own tokenizer reads decomposed Hangul as the syllables that it makes up; llama's does not."""
    syllables, letters = "한국어", unicodedata.normalize("NFD", "한국어")
    assert vocabulary("qwen3").encode_flat(letters).tolist() == vocabulary("qwen3").encode_flat(syllables).tolist()
    assert vocabulary("llama3").count(letters) > vocabulary("llama3").count(syllables)


def test_an_unknown_id_stands_for_no_text() -> None:
    """An id outside the vocabulary has no bytes."""
    assert vocabulary("o200k_base").token_bytes(10**9) == b""


@pytest.mark.parametrize(
    "text",
    ["a" * 10**6, " " * 10**6, "가나다" * 333_333, "👩‍👩‍👧‍👦" * 30_000, "\n" * 10**6,
    "aGVsbG8gd29ybGQ" * 60_000, "ok\ud800" * 100_000],
    ids=["letter", "spaces", "hangul", "emoji", "breaks", "base64", "surrogates"],
)  # fmt: skip
def test_hard_texts_have_counts(text: str) -> None:
    """A megabyte of one kind of character, where other tokenizers panic, is counted."""
    assert 0 < vocabulary("o200k_base").count(text) <= len(text.encode("utf-8", "replace")) * 3


def test_a_vocabulary_is_a_counter() -> None:
    """It can stand wherever a counter is asked for, and says that it is exact."""
    found = vocabulary("o200k_base")
    assert isinstance(found, Counter)
    assert isinstance(found, Vocabulary)
    assert found.exact
    assert found.name == "o200k_base"
