"""What a GGUF file's header tells."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from promptops.errors import NotFoundError, UsageError
from promptops.local.inspect import inspect

LAYERS, HEADS, SHARED, WIDTH, CONTEXT = 2, 4, 2, 64, 512


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file with two quantizations and grouped-query attention."""
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(SHARED)
    writer.add_token_list([b"a", b"b", b"c"])
    writer.add_chat_template("{{ messages }}")
    writer.add_tensor("token_embd.weight", np.zeros((3, WIDTH), dtype=np.float32))
    writer.add_tensor("output.weight", np.zeros((3, WIDTH), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_header_tells_what_the_model_is(model: Path) -> None:
    """Without a weight being read."""
    found = inspect(str(model))
    assert (found.name, found.architecture, found.layers, found.vocabulary) == ("Tiny", "llama", LAYERS, 3)
    assert (found.parameters, found.context, found.chat_template) == (6 * WIDTH, CONTEXT, True)
    assert found.quantization == {"F32": 1, "F16": 1}
    assert found.weights == 3 * WIDTH * 4 + 3 * WIDTH * 2


def test_the_cache_grows_with_context_and_sequences(model: Path) -> None:
    """Keys and values of every layer's shared heads, two bytes each."""
    per_token = LAYERS * SHARED * (WIDTH // HEADS) * 2 * 2
    assert inspect(str(model)).kv_cache == CONTEXT * per_token
    assert inspect(str(model), context=100, parallel=3).kv_cache == 300 * per_token


def test_layers_may_have_their_own_numbers_of_heads(tmp_path: Path) -> None:
    """Then the header holds lists."""
    path = tmp_path / "layers.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(10)
    writer.add_embedding_length(64)
    writer.add_head_count([2, 4])
    writer.add_head_count_kv([1, 2])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert inspect(str(path)).kv_cache == 10 * (1 + 2) * (64 // 4) * 2 * 2


@pytest.mark.parametrize(
    "content",
    [b"", b"GG", b"version https://git-lfs.github.com/spec/v1\n", b"<!doctype html>", b"GGUF", b"GGUF" + b"\xff" * 40],
)
def test_what_is_no_model_is_said_in_one_line(content: bytes, tmp_path: Path) -> None:
    """Empty, a pointer, a page, cut short, garbage."""
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"model\.gguf") as failure:
        inspect(str(path))
    assert "\n" not in str(failure.value)


def test_a_missing_file_is_named() -> None:
    """As anywhere else."""
    with pytest.raises(NotFoundError, match=r"nowhere\.gguf"):
        inspect("nowhere.gguf")


def test_a_cut_file_is_said(model: Path) -> None:
    """A download that ended early."""
    model.write_bytes(model.read_bytes()[:200])
    with pytest.raises(UsageError, match="complete"):
        inspect(str(model))
