"""A model file on the command line: run, planned, counted, interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptops
from promptops.testing.tiny_gguf import BROKEN_TEMPLATE, Shape, tiny_gguf

pytest.importorskip("llama_cpp", reason="it needs the extra local")

Command = Callable[..., Any]
ROOT = Path(promptops.__file__).parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The spec of a tiny chat model, on one thread."""
    return f"llama:{tiny_gguf(tmp_path_factory.mktemp('models') / 'tiny.gguf', context=4096)},threads=1"


def workers(store: Path) -> set[int]:
    """The processes that run an engine for whoever uses this store."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if b"promptops.local.worker" in command and str(store).encode() in environment:
            found.add(int(process.name))
    return found


def test_a_chain_runs_on_a_model_file(spawn: Command, command: Command, docs: Path, model: str, store: Path) -> None:
    """Ends with results, a ledger without dollars, nothing of the library on the terminal; again, it sends nothing."""
    words = ("summarize", docs, "-m", model, "--set", "words=10", "--json")
    said = spawn(*words)
    assert said.status in {0, 3}
    assert said.json["usage"]["calls"] >= 4
    assert said.json["usage"]["usd"] == 0
    assert [document["status"] in {"ok", "truncated"} for document in said.json["documents"]] == [True] * 3
    assert all(line.startswith("promptops: ") for line in said.lines), said.err
    assert workers(store) == set()
    (row,) = command("ledger", "--by", "model", "--json").json
    assert (row["key"], row["usd"]) == (model.removesuffix(",threads=1"), 0)
    if said.status == 0:
        assert spawn(*words).json["usage"]["calls"] == 0


def test_a_label_is_one_of_those_given(spawn: Command, docs: Path, model: str) -> None:
    """Whatever the weights would say: a grammar leaves nothing else to choose."""
    said = spawn("run", "classify", docs, "-m", model, "--set", 'labels=회의,"x",river', "--json")
    assert said.status == 0
    assert {document["text"] for document in said.json["documents"]} <= {"회의", '"x"', "river"}


def test_planning_and_counting_read_the_header_alone(command: Command, docs: Path, model: str, store: Path) -> None:
    """No process is started for them."""
    planned = command("plan", "summarize", docs, "-m", model, "--set", "words=10", "--json").json
    assert (planned["calls"], planned["usd"]) == (4, 0)
    assert command("count", docs, "-m", model, "--json").json["tokens"] > 100
    assert workers(store) == set()


def test_an_interrupted_run_leaves_no_process(docs: Path, model: str, store: Path) -> None:
    """Ctrl-C goes to the whole group of a terminal; the run ends with 130, and its engine with it."""
    (docs / "long.txt").write_text("A river runs under the old bridge. " * 4_000)
    words = ["summarize", str(docs), "-m", model, "--set", "words=60", "--set", "chunk_tokens=600"]
    run = subprocess.Popen(
        [sys.executable, "-m", "promptops", *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not workers(store) and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in said
    assert "To go on: promptops summarize" in said
    assert workers(store) == set()


BAD: dict[str, tuple[bytes | dict[str, Any] | None, str, str]] = {
    "nowhere": (None, "", "nowhere.gguf' is not there"),
    "empty": (b"", "", "it is empty"),
    "text": (b"this is my model\n", "", "it begins with 'this is my model"),
    "page": (b"<!DOCTYPE html><html></html>", "", "it is a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "", "git lfs pull"),
    "newer": (b"GGUF\x09\0\0\0" + bytes(64), "", "its version is 9"),
    "cut": ({}, "", "is the download complete?"),
    "vocabulary": ({"kind": "vocabulary"}, "", "a vocabulary and no weights"),
    "embedding": ({"kind": "embedding"}, "", "it gives vectors (po.embed) and no answers"),
    "template": ({"template": BROKEN_TEMPLATE}, "", "its chat template cannot be used (line 1)"),
    "foreign": ({"architecture": "martian"}, "", "unknown model architecture: 'martian'"),
    "option": ({}, ",thread=2", "did you mean threads?"),
    "cache": ({"shape": Shape(heads=4)}, ",kv=q8_0", "its heads have 16 numbers; keep them as f16"),
    "window": ({}, ",context=300", "do not fit the model's window of 300 tokens"),
    "trained": ({}, ",context=5000", "say --window 4096 at most"),
    "adapter": ({}, ",lora=nowhere.gguf", "there is no such file"),
    "page as adapter": ({}, ",lora=page.gguf", "it is a web page"),
    "model as adapter": ({}, ",lora=model as adapter.gguf", "expect general.type to be 'adapter'"),
}
"""What is in the file (bytes, or how a tiny model is written), what stands behind its path, and what is said."""


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_run_is_wrong_usage(
    command: Command, docs: Path, tmp_path: Path, store: Path, kind: str
) -> None:
    """One line, exit status 2, and no process is left."""
    content, more, what = BAD[kind]
    path = tmp_path / f"{kind}.gguf"
    if isinstance(content, dict):
        tiny_gguf(path, **content)
    elif content is not None:
        path.write_bytes(content)
    if kind == "cut":
        os.truncate(path, path.stat().st_size - 5000)
    (tmp_path / "page.gguf").write_text("<!DOCTYPE html>")
    said = command("summarize", docs, "-m", f"llama:{path}{more.replace('lora=', f'lora={tmp_path}/')}")
    assert (said.status, said.out, len(said.lines)) == (2, "", 1), said.err
    assert what in said.lines[0]
    assert workers(store) == set()
