"""Vocabularies in GGUF files, held against llama.cpp itself: the same ids for any text and every split."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from itertools import groupby, product
from pathlib import Path

import gguf
import pytest
import splintr
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.chunking import split
from promptops.tokens import Vocabulary, caches, vocabulary
from promptops.tokens.splits import SPLITS

llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python, the oracle of these tests, is not installed")

FAMILIES = [names[0] for names in (list(group) for _, group in groupby(SPLITS, key=SPLITS.__getitem__))]
PARTS = [
    *"aAsStTdDlLéÉßǅʰⅫ가나ᄒ中漢あアー١٣½²ſ_.,'’/-\"!?#(){}<|>😀👩$€+=^`~《》。、אбЖж",
    *"\u0301\u0e31\u0e01\u0915\u094d\u093f\u200d\ufe0f\xad\u2028\xa0\u3000\u200b\x85 \n\r\t\x0b\x0c\ue000\u0378",
    "'s", "'S", "'ll", "'RE", "'ſ", "A'LL", "  ", "   ", "\r\n", "\n\n", " \n", "\n/", "?\n\n", "123", "1234567",
    "the", " The", "iPhone", "vesta", "<|end|>", "<think>", "<th",
]  # fmt: skip
PROSE = [
    "It's 12,345.67 dollars — they'll pay (maybe).\n\n  Then 'twas over…\r\n\tEND",
    "한국어 문장은 띄어쓰기가 있다. 2026년 3월 1일!\n강이 만난다.", "日本語の文章、カタカナとひらがな。全角１２３！",
    "中文没有空格，2026年。", "ภาษาไทยไม่มีช่องว่าง", "हिन्दी में १२३ क्षेत्र", "עברית ועוד", "العربية ١٢٣، نعم",
    "def f(x):\n    return {'a': x ** 2}  # done\n", "https://example.org/a_b?c=1&d=2", "👩‍👩‍👧‍👦🇰🇷 e\u0301",
]  # fmt: skip
OLD = st.characters(exclude_categories=["Cs"]).filter(lambda c: unicodedata.ucd_3_2_0.category(c) != "Cn")
"""Characters that every table of Unicode's has: splintr's and llama.cpp's are of different versions."""
TEXTS = st.one_of(st.lists(st.sampled_from(PARTS), max_size=16).map("".join), st.text(OLD, max_size=40))
FIXED = [*PROSE, *("".join(random.Random(seed).choices(PARTS, k=12)) for seed in range(60))]


class Real:
    """llama.cpp's tokenizer over the vocabulary of a file."""

    def __init__(self, path: Path) -> None:
        parameters = llama_cpp.llama_model_default_params()
        parameters.vocab_only = True
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        assert self._model, f"llama.cpp does not load {path}"
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)

    def ids(self, text: str) -> list[int]:
        """Ids of the text; control tokens in it are plain text, and no token is put around it."""
        data = text.encode()
        room = len(data) + 8
        buffer = (llama_cpp.llama_token * room)()
        found = llama_cpp.llama_tokenize(self._vocabulary, data, len(data), buffer, room, False, False)
        return list(buffer[:found])

    def free(self) -> None:
        llama_cpp.llama_model_free(self._model)


def pairs() -> tuple[list[str], list[str]]:
    """All bytes, and pairs of those that the texts hold: merges reach over every border that a split could miss."""
    letters = caches._letters()
    used = [*sorted(set("".join(PARTS).encode()))]
    joined = list(product(used, used))
    random.Random(0).shuffle(joined)
    tokens = [*(letters[byte] for byte in range(256)), *(letters[a] + letters[b] for a, b in joined)]
    return tokens, [f"{letters[a]} {letters[b]}" for a, b in joined]


def written(
    path: Path, kind: str, tokens: list[str], types: list[int], fill: Callable[[gguf.GGUFWriter], None]
) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(kind)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    fill(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str | None], tuple[Vocabulary, Real]]]:
    """Ours and llama.cpp's reading of one file with a given name of a split, or with none."""
    folder, (tokens, merges) = tmp_path_factory.mktemp("gguf"), pairs()
    made: dict[str | None, tuple[Vocabulary, Real]] = {}

    def make(pre: str | None) -> tuple[Vocabulary, Real]:
        whole = ["vesta"] if pre and SPLITS[pre].whole else []  # a token that no merge leads to

        def fill(writer: gguf.GGUFWriter) -> None:
            if pre:
                writer.add_tokenizer_pre(pre)
            writer.add_token_merges(merges)
            writer.add_eos_token_id(len(tokens) + len(whole))
            writer.add_bos_token_id(len(tokens) + len(whole))

        everything = [*tokens, *whole, "<|end|>", "<think>"]
        types = [*[1] * (len(everything) - 2), 3, 4]
        path = written(folder / f"{pre}.gguf", "gpt2", everything, types, fill)
        return vocabulary(str(path)), Real(path)

    def get(pre: str | None) -> tuple[Vocabulary, Real]:
        if pre not in made:
            made[pre] = make(pre)
        return made[pre]

    yield get
    for _, real in made.values():
        real.free()


Both = Callable[[str | None], tuple[Vocabulary, Real]]


@pytest.mark.parametrize("pre", [None, *SPLITS])
def test_every_named_split_is_llamas(pre: str | None, both: Both) -> None:
    """Prose in many scripts and mixed fragments have llama.cpp's ids under each name, and where there is none."""
    ours, real = both(pre)
    for text in FIXED:
        assert ours.encode_flat(text).tolist() == real.ids(text), text


@pytest.mark.parametrize("pre", FAMILIES)
@settings(max_examples=40, deadline=None)
@given(text=TEXTS)
def test_any_text_has_llamas_ids(pre: str, both: Both, text: str) -> None:
    """Any text has llama.cpp's ids: control tokens in it are plain text, tokens that a user added are found."""
    ours, real = both(pre)
    assert ours.encode_flat(text).tolist() == real.ids(text)
    assert ours.count(text) == len(real.ids(text))


@pytest.mark.parametrize("pre", FAMILIES)
@settings(max_examples=8, deadline=None)
@given(text=st.lists(st.sampled_from(PARTS), min_size=30, max_size=120).map("".join))
def test_chunks_have_the_tokens_that_llama_counts(pre: str, both: Both, text: str) -> None:
    """The count that a chunk carries is llama.cpp's count of that chunk alone."""
    ours, real = both(pre)
    for chunk in split(text, 40, ours):
        assert chunk.tokens == len(real.ids(chunk.text)) <= 40


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Vocabulary, Real]]:
    """Llama 2's vocabulary, read by both."""
    known = splintr.Tokenizer.from_pretrained("llama2")
    pieces = [known.decode_token_bytes(rank).decode().replace(" ", "▁") for rank in range(259, 32000)]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    scores = [-1e9 if len(piece) > 1 and not piece.strip("▁") else -float(rank) for rank, piece in enumerate(tokens)]
    types = [2, 3, 3, *[6] * 256, *[1] * len(pieces)]
    folder = tmp_path_factory.mktemp("gguf")
    path = written(folder / "llama2.gguf", "llama", tokens, types, lambda writer: writer.add_token_scores(scores))
    real = Real(path)
    yield vocabulary(str(path)), real
    real.free()


@settings(max_examples=80, deadline=None)
@given(text=TEXTS)
def test_a_sentencepiece_text_has_llamas_ids(sentencepiece: tuple[Vocabulary, Real], text: str) -> None:
    """Any text has the ids that llama.cpp gives it with Llama 2's vocabulary."""
    ours, real = sentencepiece
    for each in (text, *PROSE):
        assert ours.encode_flat(each).tolist() == real.ids(each)
