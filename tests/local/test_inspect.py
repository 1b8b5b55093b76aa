"""What a GGUF file's header tells."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptops.errors import NotFoundError, UsageError
from promptops.local.inspect import inspect
from promptops.local.machine import Machine
from promptops.local.model import model
from promptops.testing.tiny_gguf import TINY, Shape, tiny_gguf
from promptops.testing.tiny_vocabulary import tokens

gguf = pytest.importorskip("gguf")
MACHINE = Machine(cores=4, free=1 << 30, memory=2 << 30)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A chat model with grouped-query attention."""
    return tiny_gguf(tmp_path / "tiny.gguf", weights="Q8_0")


@pytest.fixture
def header(tmp_path: Path) -> Callable[..., Path]:
    """Writes a header of the architecture and the keys under its name."""

    def write(architecture: str, **values: Any) -> Path:
        writer = gguf.GGUFWriter(tmp_path / "header.gguf", architecture)
        for key, value in values.items():
            name = f"{architecture}.{key.replace('__', '.')}"
            writer.add_array(name, value) if isinstance(value, list) else writer.add_uint32(name, value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return tmp_path / "header.gguf"

    return write


def test_the_header_tells_what_the_model_is(tiny: Path) -> None:
    """Without a weight being read."""
    found = inspect(tiny, machine=MACHINE)
    known = found.model
    assert (known.name, known.architecture, known.blocks, known.vocabulary) == ("Tiny", "llama", 2, len(tokens()))
    assert (known.context, known.chat_template, known.causal) == (4096, True, True)
    reader = gguf.GGUFReader(tiny)
    assert known.parameters == sum(math.prod(map(int, tensor.shape)) for tensor in reader.tensors)
    assert known.size == sum(int(tensor.n_bytes) for tensor in reader.tensors)
    assert {kind: number for kind, (number, _) in found.types.items()} == {"Q8_0": 16, "F32": 5}


def test_the_cache_grows_with_context_and_sequences(tiny: Path) -> None:
    """Keys and values of every layer's shared heads, two bytes each, in cells of 256 tokens per sequence."""
    per_token = TINY.layers * TINY.shared * TINY.head * 2 * 2
    assert inspect(tiny, context=512, sequences=1, machine=MACHINE).need.cache == 512 * per_token
    assert inspect(tiny, context=100, sequences=3, machine=MACHINE).need.cache == 3 * 256 * per_token
    kept = inspect(tiny, context=512, sequences=1, cache="q8_0", machine=MACHINE)
    assert kept.need.cache == 512 * per_token * 34 // 64
    assert kept.settings.flash_attention


def test_heads_that_are_no_whole_blocks_are_not_quantized(tmp_path: Path) -> None:
    """Where 16 numbers make a head, and 32 a block: it is said, refused, and in no table."""
    tiny = tiny_gguf(tmp_path / "narrow.gguf", shape=Shape(heads=4))
    with pytest.raises(UsageError, match="blocks of 32, and its heads have 16 numbers; keep them as f16"):
        inspect(tiny, cache="q4_0", machine=MACHINE)
    found = inspect(tiny, machine=MACHINE)
    assert {fit.cache for fit in found.others if fit.possible} == {"f16"}
    assert not any(fit.fits for fit in found.others if not fit.possible)
    assert "blocks of 32" in dict(found.lines())["smaller cache"]


def test_a_model_is_found_by_its_name_and_options(tiny: Path) -> None:
    """As a run would load it; what is given beside them wins."""
    named = inspect(f"llama:{tiny},context=700,sequences=3", sequences=2, machine=MACHINE)
    assert (named.model.path, named.settings.context, named.settings.sequences) == (tiny, 700, 2)


def test_layers_may_have_their_own_numbers_of_heads(header: Callable[..., Path]) -> None:
    """Then the header holds lists."""
    path = header(
        "llama", block_count=2, embedding_length=64, attention__head_count=[2, 4], attention__head_count_kv=[1, 2]
    )
    assert [layer.keys for layer in model(path).layers] == [16, 32]


def test_a_sliding_window_is_told_and_kept_whole(header: Callable[..., Path]) -> None:
    """Of five layers in six, as this architecture has it; the library's cache is as large as without."""
    path = header(
        "gemma3", block_count=12, embedding_length=64, attention__head_count=4, attention__head_count_kv=1,
        context_length=1 << 17, attention__sliding_window=512,
    )  # fmt: skip
    assert [layer.window for layer in model(path).layers] == [512, 512, 512, 512, 512, 0] * 2
    found = inspect(path, context=1 << 16, sequences=1, machine=MACHINE)
    assert found.need.cache == 12 * (1 << 16) * 16 * 2 * 2
    assert dict(found.lines())["window"].startswith("512 tokens in 10 of 12 layers")


def test_recurrent_layers_keep_the_same_at_any_length(header: Callable[..., Path]) -> None:
    """Where attention comes every fourth layer only."""
    path = header(
        "jamba", block_count=4, embedding_length=64, attention__head_count=4, attention__head_count_kv=[0, 0, 0, 2],
        ssm__inner_size=128, ssm__state_size=16, ssm__conv_kernel=4,
    )  # fmt: skip
    known = model(path)
    assert len(known.layers) == 1
    assert known.state == 3 * 4 * (3 * 128 + 16 * 128)


def test_an_encoder_keeps_nothing(tmp_path: Path) -> None:
    """And there is no table of what fits."""
    found = inspect(tiny_gguf(tmp_path / "vectors.gguf", kind="embedding"), machine=MACHINE)
    assert (found.need.cache, found.others, found.settings.embeddings) == (0, (), True)


def test_combinations_say_what_fits(tmp_path: Path) -> None:
    """What needs less fits where what needs more does."""
    shape = Shape(width=4096, layers=32, heads=32, shared=8)
    path = tiny_gguf(tmp_path / "wide.gguf", kind="vocabulary", shape=shape, context=8192)
    found = inspect(path, machine=Machine(cores=2, free=4 << 30, memory=8 << 30))
    assert {fit.fits for fit in found.others} == {True, False}
    assert max(fit.bytes for fit in found.others if fit.fits) <= found.free
    assert min(fit.bytes for fit in found.others if not fit.fits) > found.free


def test_several_files_are_one_model(tmp_path: Path) -> None:
    """The first names the others; one of them alone says so."""
    for part in (1, 2):
        writer = gguf.GGUFWriter(tmp_path / f"m-0000{part}-of-00002.gguf", "llama")
        writer.add_uint16("split.count", 2)
        writer.add_tensor(f"part{part}.weight", __import__("numpy").zeros((4, 8), "float32"))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    assert model(tmp_path / "m-00001-of-00002.gguf").parameters == 64
    with pytest.raises(UsageError, match="name the first"):
        model(tmp_path / "m-00002-of-00002.gguf")


KEYS = b"GGUF\x03\0\0\0" + bytes(8)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"GG", "begins with 'GG'"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"Just some text\nof two lines", "begins with 'Just some text"),
        (b"PK\x03\x04zip", "zip"),
        (struct.pack("<Q", 90) + b'{"__metadata__"', "safetensors"),
        (b"GGUF", "ends inside its header"),
        (b"GGUF" + b"\xff" * 40, "version"),
        (b"GGUF\x04\0\0\0" + bytes(16), "version is 4"),
        (b"GGUF\x01\0\0\0" + bytes(16), "version is 1"),
        (b"GGUF\0\0\0\x03" + bytes(16), "big-endian"),
        (b"GGUF\x03\0\0\0" + struct.pack("<QQ", 1 << 60, 0), "claims"),
        (KEYS + struct.pack("<Q", 1 << 62), "claims"),
        (KEYS + struct.pack("<QQ1sIIQ", 1, 1, b"k", 9, 8, 1 << 40), "claims"),
        (KEYS + struct.pack("<QQ1sIIQ", 1, 1, b"k", 9, 4, 1 << 61), "claims"),
        (KEYS + struct.pack("<QQ1sIIQ", 1, 1, b"k", 9, 9, 1), "list"),
        (KEYS + struct.pack("<QQ1sI", 1, 1, b"k", 77) + bytes(16), "unknown type 77"),
        (KEYS + struct.pack("<QQ", 1, 1 << 63) + bytes(16), "ends inside"),
        (struct.pack("<4sIQQQ1sI4QIQ", b"GGUF", 3, 1, 0, 1, b"t", 4, 1 << 62, 1 << 62, 1, 1, 0, 0), "is cut"),
        (struct.pack("<4sIQQQ1sIQIQ", b"GGUF", 3, 1, 0, 1, b"t", 1, 32, 250, 0) + bytes(32), "unknown type 250"),
        (struct.pack("<4sIQQQ1sI", b"GGUF", 3, 1, 0, 1, b"t", 1 << 30) + bytes(32), "dimensions"),
    ],
)
def test_what_is_no_model_is_said_in_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    """Pointers, pages, other formats, versions and machines; counts that no file could hold cost no memory."""
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as failure:
        inspect(path, machine=MACHINE)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("cut", [30, 5_000, 20_000, 60_000])
def test_a_cut_file_is_said(cut: int, tiny: Path) -> None:
    """A download that ended early, wherever that was."""
    tiny.write_bytes(tiny.read_bytes()[:cut])
    with pytest.raises(UsageError, match="is the download complete"):
        inspect(tiny, machine=MACHINE)


@given(
    at=st.integers(0, 900) | st.integers(0, 17_000),
    data=st.binary(min_size=1, max_size=12),
    end=st.integers(0, 110_000),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused(at: int, data: bytes, end: int, tiny: Path) -> None:
    """Wherever the damage is: nothing but our own error comes out."""
    whole = bytearray(tiny.read_bytes())
    whole[at : at + len(data)] = data
    damaged = tiny.with_name("damaged.gguf")
    damaged.write_bytes(whole[:end] if end < 20_000 else whole)
    with suppress(UsageError):
        found = inspect(damaged, machine=MACHINE)
        assert found.need.total >= 0
        assert list(found.lines())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """As anywhere else; a folder is no file."""
    with pytest.raises(NotFoundError, match=r"nowhere\.gguf"):
        inspect("nowhere.gguf", machine=MACHINE)
    with pytest.raises(UsageError, match="directory"):
        inspect(tmp_path, machine=MACHINE)


@pytest.mark.parametrize(
    "values", [{"block_count": ["x"]}, {"block_count": 2, "attention__head_count": [1, -5]}, {"context_length": [-1]}]
)
def test_a_header_that_makes_no_sense_is_said(values: dict[str, Any], header: Callable[..., Path]) -> None:
    """Rather than reckoned with."""
    with pytest.raises(UsageError, match="no sense"):
        inspect(header("llama", **values), machine=MACHINE)


@pytest.mark.parametrize(
    ("said_so", "said"),
    [({"context": 0}, "context"), ({"sequences": 0}, "sequences"), ({"cache": "q9"}, "'q9'; choose one of f16")],
)
def test_settings_that_make_no_sense_are_refused(said_so: dict[str, Any], said: str, tiny: Path) -> None:
    """In one line."""
    with pytest.raises(UsageError, match=said):
        inspect(tiny, machine=MACHINE, **said_so)
