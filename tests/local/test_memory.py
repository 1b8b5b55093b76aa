"""What a model needs in memory, and settings that fit."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.errors import UsageError
from promptops.local import machine as measuring
from promptops.local.machine import Machine, this
from promptops.local.memory import check, defaults, predict, quantized, room
from promptops.local.model import Model, model
from promptops.local.settings import EngineSettings
from promptops.testing.tiny_gguf import Shape, tiny_gguf

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "memory.py"
BIG = Machine(cores=6, free=64 << 30, memory=64 << 30, features=frozenset({"avx2"}))
WIDE = Shape(width=4096, layers=32, heads=32, shared=8, feed_forward=11008)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A header of a model whose cache takes gigabytes; its weights are not there."""
    path = tmp_path_factory.mktemp("wide") / "wide.gguf"
    return model(tiny_gguf(path, kind="vocabulary", shape=WIDE, context=131072))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    return model(tiny_gguf(path, weights="Q4_0", shape=Shape(vocabulary=640)))


def test_weights_that_are_laid_out_anew_are_held_twice_when_mapped(tiny: Model) -> None:
    """Read, they are held once; and the second copy need not be free, since the system may drop it."""
    plain = EngineSettings(str(tiny.path), repack=False)
    twice, once = (predict(tiny, replace(plain, repack=True, mmap=mmap), BIG) for mmap in (True, False))
    embeddings = next(weight.size for weight in tiny.weights if weight.name == "token_embd.weight")
    anew = sum(weight.size for weight in tiny.weights if weight.kind == "Q4_0") - embeddings
    assert predict(tiny, plain, BIG).weights == tiny.size == once.weights
    assert (twice.weights, twice.mapped) == (tiny.size + anew, anew)
    assert twice.least == once.total


def test_what_the_processor_cannot_do_is_not_laid_out(tiny: Model) -> None:
    """Then there is no copy."""
    bare = replace(BIG, features=frozenset({"sse4_2"}))
    assert predict(tiny, EngineSettings(str(tiny.path)), bare).weights == tiny.size


def test_good_defaults_use_the_machine(wide: Model) -> None:
    """Every physical core, eight sequences, half precision, no flash attention, as far as memory goes."""
    found = defaults(wide, BIG)
    assert (found.threads, found.sequences, found.context) == (6, 16, 8192)
    assert defaults(wide, replace(BIG, free=24 << 30)).sequences == 8  # sixteen would take more than half
    assert (found.key_type, found.value_type, found.flash_attention, found.repack) == ("f16", "f16", False, True)
    assert not defaults(wide, replace(BIG, faulty=True)).repack


@given(free=st.integers(1 << 26, 1 << 36), faulty=st.booleans())
@settings(max_examples=60, deadline=None)
def test_defaults_fit_wherever_anything_does(wide: Model, free: int, faulty: bool) -> None:
    """And what is refused is refused with settings that are not, or with what the least would be."""
    machine = Machine(cores=2, free=free, memory=free, faulty=faulty)
    found = defaults(wide, machine)
    smallest = predict(wide, replace(found, sequences=1, context=256), machine)
    assert predict(wide, found, machine).least <= room(machine) or smallest.least > room(machine) * 0.99


def test_a_load_that_does_not_fit_is_refused_with_one_that_does(wide: Model) -> None:
    """In one line; those settings are then let through."""
    machine = Machine(cores=2, free=6 << 30, memory=8 << 30)
    asked = EngineSettings(str(wide.path), context=32768, sequences=8)
    with pytest.raises(
        UsageError, match=r"needs 32\.\d\d GiB and 5\.62 GiB are free; this fits: 1 sequence"
    ) as failure:
        check(asked, machine)
    assert "\n" not in str(failure.value)
    assert "32,768 tokens, cache in f16" in str(failure.value)
    need = check(replace(asked, sequences=1), machine)
    assert need.total <= room(machine)


def test_where_nothing_fits_the_least_is_said(wide: Model) -> None:
    """So that it is clear how far off it is."""
    with pytest.raises(UsageError, match=r"its least is [\d.]+ MiB: free some memory"):
        check(EngineSettings(str(wide.path)), Machine(cores=1, free=1 << 20, memory=1 << 30))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"value_type": "q8_0"}, "flash attention"), ({"key_type": "q9"}, "'q9'"), ({"threads": 0}, "threads"),
        ({"micro_batch": -1}, "micro batch"), ({"sequences": 0}, "sequences"),
    ],
)  # fmt: skip
def test_settings_that_the_library_would_refuse_are_refused(given: dict[str, object], said: str, tiny: Model) -> None:
    """Before anything is loaded."""
    with pytest.raises(UsageError, match=said):
        check(replace(EngineSettings(str(tiny.path)), **given), BIG)


def test_a_cache_that_cannot_be_is_neither_loaded_nor_proposed(tmp_path: Path) -> None:
    """Its heads would end inside of a block."""
    narrow = model(tiny_gguf(tmp_path / "narrow.gguf", shape=Shape(heads=4)))
    asked = quantized(EngineSettings(str(narrow.path), context=512, sequences=1))
    with pytest.raises(UsageError, match=r"keep them as f16 \(kv=f16\)"):
        check(asked, BIG)
    little = Machine(cores=1, free=1 << 20, memory=1 << 30)
    assert defaults(narrow, little).key_type == "f16"


def test_this_machine_has_cores_and_memory() -> None:
    """Never more free than there is."""
    found = this()
    assert found.cores >= 1
    assert 0 < found.free <= found.memory


@pytest.mark.parametrize(
    "names",
    [
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_a_container_bounds_the_memory(
    names: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of either version of control groups; its page cache counts as free."""
    for name, content in zip((*names[:2], "memory.stat"), ("4096000", "3000000", f"{names[2]} 1000000"), strict=True):
        (tmp_path / name).write_text(f"{content}\n", encoding="ascii")
    monkeypatch.setattr(measuring, "_groups", lambda: [tmp_path / "none", tmp_path])
    assert (this().memory, this().free) == (4096000, 2096000)


@pytest.mark.parametrize("quota", [("150000 100000", 2), ("50000 100000", 1)])
def test_a_container_bounds_the_cores(quota: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a core is a core."""
    (tmp_path / "cpu.max").write_text(quota[0], encoding="ascii")
    monkeypatch.setattr(measuring, "_groups", lambda: [tmp_path])
    assert this().cores <= quota[1]


@pytest.mark.parametrize("changes", [{}, {"mmap": False, "flash_attention": True, "key_type": "q8_0"}])
def test_a_process_holds_what_was_predicted(changes: dict[str, object], tmp_path: Path) -> None:
    """Within a tenth, by the benchmark's own process."""
    pytest.importorskip("llama_cpp")
    shape = Shape(width=512, layers=8, heads=8, shared=8, feed_forward=512, vocabulary=2048)
    path = tiny_gguf(tmp_path / "model.gguf", shape=shape, weights="F16", context=2048)
    asked = replace(EngineSettings(str(path), context=256, sequences=4, threads=1), **changes)
    wanted = {name: getattr(asked, name) for name in EngineSettings.__slots__} | {"loras": [], "prefix_folder": None}
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--child", json.dumps(wanted)], capture_output=True, text=True, check=True
    )
    assert predict(model(path), asked, this()).total == pytest.approx(int(done.stdout), rel=0.1)
