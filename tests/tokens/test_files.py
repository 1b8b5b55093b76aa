"""Vocabularies in files: a Hugging Face tokenizer.json and a GGUF model's header, proved against known vocabularies."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import splintr
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.errors import TokenizerError
from promptops.tokens import Vocabulary, caches, counter, vocabulary

TEXTS = ["Hello  world\n\n  x", "안녕하세요 <|endoftext|>", "a\ud800b", "", "👩‍👩‍👧 e\u0301", "tabs\t\tand 12345 </s>"]


@pytest.fixture(scope="module")
def gpt2_parts() -> tuple[list[str], list[str]]:
    """GPT-2's tokens and merges as Hugging Face and GGUF files write them."""
    letters = caches._letters()
    tokens = ["".join(letters[byte] for byte in token) for token in caches._ranks()]
    return [*tokens, "<|endoftext|>"], caches._merges_file().decode().splitlines()[1:]


@pytest.fixture(scope="module")
def tokenizer_json(gpt2_parts: tuple[list[str], list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2 as a tokenizer.json."""
    tokens, merges = gpt2_parts
    letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    special = {"id": 50256, "content": "<|endoftext|>", "special": True, "single_word": False, "lstrip": False}
    document = {
        "version": "1.0",
        "added_tokens": [{**special, "rstrip": False, "normalized": False}],
        "pre_tokenizer": letters,
        "decoder": letters,
        "model": {"type": "BPE", "vocab": {token: rank for rank, token in enumerate(tokens)}, "merges": merges},
    }
    path = tmp_path_factory.mktemp("json") / "tokenizer.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def gpt2_gguf(gpt2_parts: tuple[list[str], list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2's vocabulary in a GGUF file with a tensor."""
    tokens, merges = gpt2_parts
    writer = started(tmp_path_factory.mktemp("gguf") / "gpt2.gguf", "gpt2", tokens, [1] * 50256 + [3])
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_merges(merges)
    return finished(writer)


@pytest.fixture(scope="module")
def llama_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Llama 2's vocabulary in a GGUF file."""
    pieces = llama_pieces()
    writer = started(
        tmp_path_factory.mktemp("gguf") / "llama.gguf", "llama", pieces, [2, 3, 3] + [6] * 256 + [1] * 31741
    )
    writer.add_token_scores(
        [-1e9 if len(piece) > 1 and not piece.strip("▁") else -float(rank) for rank, piece in enumerate(pieces)]
    )
    return finished(writer)


def llama_pieces() -> list[str]:
    known = splintr.Tokenizer.from_pretrained("llama2")
    pieces = [known.decode_token_bytes(rank).decode().replace(" ", "▁") for rank in range(259, 32000)]
    return ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]


def started(path: Path, kind: str, tokens: list[str], types: list[int]) -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(kind)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    return writer


def finished(writer: gguf.GGUFWriter) -> Path:
    writer.add_tensor("weights", np.zeros(1024, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(writer.path)


def same(found: Vocabulary, known: Vocabulary, text: str) -> bool:
    return bool(np.array_equal(found.encode_flat(text), known.encode_flat(text)))


@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_a_tokenizer_json_counts_as_the_vocabulary_in_it(tokenizer_json: Path, text: str) -> None:
    """GPT-2 read from a tokenizer.json gives the ids of the GPT-2 that ships with promptops."""
    found = vocabulary(str(tokenizer_json))
    assert all(same(found, vocabulary("gpt2"), each) for each in [text, *TEXTS])


@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_a_byte_pair_gguf_counts_as_the_vocabulary_in_it(gpt2_gguf: Path, text: str) -> None:
    """GPT-2 read from a GGUF header gives the ids of the GPT-2 that ships with promptops."""
    found = vocabulary(str(gpt2_gguf))
    assert all(same(found, vocabulary("gpt2"), each) for each in [text, *TEXTS])


@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_a_sentencepiece_gguf_counts_as_the_vocabulary_in_it(llama_gguf: Path, text: str) -> None:
    """Llama 2 read from a GGUF header gives the ids of the Llama 2 that splintr carries."""
    found = vocabulary(str(llama_gguf))
    assert all(same(found, vocabulary("llama2"), each) for each in [text, *TEXTS])


def test_a_model_spec_of_a_gguf_file_names_its_vocabulary(gpt2_gguf: Path) -> None:
    """``llama:PATH`` counts with what is in the file."""
    assert counter(f"llama:{gpt2_gguf}").count("Hello world") == 2


def test_a_gguf_without_a_known_split_is_an_error(gpt2_parts: tuple[list[str], list[str]], tmp_path: Path) -> None:
    """A pre-tokenizer that promptops does not know is named, and nothing near it is taken."""
    writer = started(tmp_path / "odd.gguf", "gpt2", gpt2_parts[0][:300], [1] * 300)
    writer.add_tokenizer_pre("no-such-split")
    writer.add_token_merges(["a b"])
    with pytest.raises(TokenizerError, match="no-such-split"):
        counter(tokenizer=str(finished(writer)))


@pytest.mark.parametrize("kind", ["bert", "t5", "rwkv"])
def test_a_gguf_of_another_kind_is_an_error(kind: str, tmp_path: Path) -> None:
    """Kinds of vocabulary that cannot be run are named, with what to pass instead."""
    path = finished(started(tmp_path / "other.gguf", kind, ["a", "b"], [1, 1]))
    with pytest.raises(TokenizerError, match=rf"{kind}.*tokenizer\.json"):
        counter(tokenizer=str(path))


def test_a_gguf_that_adds_no_space_is_an_error(tmp_path: Path) -> None:
    """A SentencePiece vocabulary that works in a way the engine does not is refused, not miscounted."""
    writer = started(tmp_path / "bare.gguf", "llama", ["a", "b"], [1, 1])
    writer.add_token_scores([0.0, -1.0])
    writer.add_add_space_prefix(False)
    with pytest.raises(TokenizerError, match="space before"):
        counter(tokenizer=str(finished(writer)))


def test_a_gguf_without_a_vocabulary_is_an_error(tmp_path: Path) -> None:
    """A file of weights alone has nothing to count with."""
    path = finished(gguf.GGUFWriter(tmp_path / "bare.gguf", "llama"))
    with pytest.raises(TokenizerError, match="no vocabulary"):
        counter(tokenizer=str(path))


@pytest.mark.parametrize("name", ["tokenizer.json", "model.gguf"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a": 1}', b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 16, b"\xff\xfe\0",
    b"GGUF\x09\0\0\0" + b"\0" * 16]
)  # fmt: skip
def test_a_file_that_is_no_tokenizer_is_an_error(name: str, content: bytes, tmp_path: Path) -> None:
    """The message is one line that names the file."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TokenizerError, match=name) as caught:
        counter(tokenizer=str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [100, 5_000, 400_000])
def test_a_gguf_cut_short_is_an_error(cut: int, llama_gguf: Path, tmp_path: Path) -> None:
    """A download that broke off is told from a whole file."""
    path = tmp_path / "short.gguf"
    path.write_bytes(llama_gguf.read_bytes()[:cut])
    with pytest.raises(TokenizerError, match=r"short\.gguf is not a GGUF file"):
        counter(tokenizer=str(path))


@pytest.mark.parametrize("name", ["tokenizer.json", "model.gguf"])
def test_a_missing_file_is_an_error(name: str, tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(TokenizerError, match=f"cannot read the tokenizer .*{name}"):
        counter(tokenizer=str(tmp_path / name))
