"""Model files with random weights, through the real library."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops.errors import UsageError
from promptops.testing.tiny_gguf import BROKEN_TEMPLATE, CHATML, Shape, Weights, tiny_gguf
from promptops.testing.tiny_vocabulary import tokens
from promptops.tokens import counter
from promptops.tokens.header import read

TEXTS = ["the report in the valley", "안녕하세요, 세계!", "🎉👩‍👩‍👧 é", "a\n\n  b\t<|im_start|>"]
MESSAGES = [{"role": "user", "content": "세 개의 강이 어디서 만나나? 🎉"}]

Load = Callable[..., Any]


@pytest.fixture
def load() -> Iterator[Load]:
    """Opens model files with the real library, and closes them."""
    library = pytest.importorskip("llama_cpp")
    opened: list[Any] = []

    def load(path: Path, **given: Any) -> Any:
        opened.append(library.Llama(str(path), n_ctx=512, n_threads=1, verbose=False, **given))
        return opened[-1]

    yield load
    for model in opened:
        model.close()


@pytest.mark.parametrize("weights", ["F32", "F16"])
def test_a_chat_model_loads_and_answers(weights: Weights, load: Load, tmp_path: Path) -> None:
    """Any text goes into its tokens and back; what it answers is tokens of its own."""
    model = load(tiny_gguf(tmp_path / "tiny.gguf", weights=weights))
    for text in TEXTS:
        assert model.detokenize(model.tokenize(text.encode(), add_bos=False)).decode() == text
    reply = model.create_chat_completion(MESSAGES, max_tokens=8, temperature=0)
    assert 0 < reply["usage"]["completion_tokens"] <= 8
    assert model.metadata["tokenizer.chat_template"] == CHATML


@pytest.mark.parametrize("weights", ["Q8_0", "Q4_0"])
def test_a_quantized_model_loads(weights: Weights, load: Load, tmp_path: Path) -> None:
    """Its blocks are laid out as the library reads them; the smaller, the smaller the file."""
    path = tiny_gguf(tmp_path / "tiny.gguf", weights=weights)
    assert path.stat().st_size < tiny_gguf(tmp_path / "half.gguf", weights="F16").stat().st_size
    assert load(path).n_vocab() == len(tokens())


def test_our_counter_counts_as_the_library_does(load: Load, tmp_path: Path) -> None:
    """The vocabulary in the file is the one that both run."""
    path = tiny_gguf(tmp_path / "tiny.gguf")
    model, ours = load(path, vocab_only=True), counter(f"llama:{path}")
    for text in TEXTS:
        assert ours.count(text) == len(model.tokenize(text.encode(), add_bos=False))


def test_a_separated_model_decides_by_wide_margins(load: Load, tmp_path: Path) -> None:
    """Whatever came before, and differently for what came long before."""
    import numpy as np

    model = load(tiny_gguf(tmp_path / "sure.gguf", kind="separated", weights="F16"), logits_all=True)
    said = model.tokenize(b"The first report of the committee." * 6, add_bos=False)
    while len(said) < 250:
        model.eval(said[model.n_tokens :])
        said.append(int(np.argmax(model.scores[len(said) - 1])))
    best = np.sort(model.scores[: model.n_tokens], axis=1)[:, -2:]
    assert (best[:, 1] - best[:, 0]).min() > 1
    assert len(set(said[-100:])) > 30


def test_an_embedding_model_gives_vectors(load: Load, tmp_path: Path) -> None:
    """Of its width, different ones for different texts."""
    model = load(tiny_gguf(tmp_path / "vectors.gguf", kind="embedding", shape=Shape(width=32)), embedding=True)
    one, other = model.embed(["the valley", "강"])
    assert len(one) == 32
    assert one != other


def test_a_vocabulary_has_no_weights(load: Load, tmp_path: Path) -> None:
    """It tokenizes, and nothing else."""
    model = load(tiny_gguf(tmp_path / "words.gguf", kind="vocabulary"), vocab_only=True)
    assert model.tokenize("강".encode(), add_bos=False)
    with pytest.raises(ValueError, match="Failed to load"):
        load(tmp_path / "words.gguf")


@pytest.mark.parametrize("template", [None, BROKEN_TEMPLATE])
def test_a_template_may_be_missing_or_broken(template: str | None, tmp_path: Path) -> None:
    """Such files are what a backend has to refuse."""
    path = tiny_gguf(tmp_path / "tiny.gguf", template=template)
    assert read(path).values.get("tokenizer.chat_template") == template


def test_an_unknown_architecture_is_refused_by_the_library(load: Load, tmp_path: Path) -> None:
    """The same tensors under another name."""
    with pytest.raises(ValueError, match="Failed to load"):
        load(tiny_gguf(tmp_path / "other.gguf", architecture="martian"))


def test_without_the_extra_it_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UsageError, match=r"pip install 'promptops\[local\]'"):
        tiny_gguf(tmp_path / "tiny.gguf")


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    """And another seed gives others."""
    first, same = (tiny_gguf(tmp_path / f"{name}.gguf", seed=3).read_bytes() for name in "ab")
    assert first == same != tiny_gguf(tmp_path / "c.gguf", seed=4).read_bytes()
