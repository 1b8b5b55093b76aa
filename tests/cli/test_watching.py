"""--diff and --watch, as a user types them."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TEXT = "The mill stood by the river. The river turned the wheel. The wheel turned the stone. " * 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text(f"First. {TEXT}", encoding="utf-8")
    (docs / "b.md").write_text(f"Second. {TEXT}", encoding="utf-8")
    return docs


@contextmanager
def watching(*words: object, store: Path) -> Iterator[tuple[subprocess.Popen[str], queue.Queue[str]]]:
    """A watching command, and the lines of its stderr as they come."""
    process = subprocess.Popen(
        [sys.executable, "-m", "promptops", *map(str, words), "--watch"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PROMPTOPS_STORE": str(store)},
    )
    lines: queue.Queue[str] = queue.Queue()
    stderr = process.stderr
    assert stderr is not None
    reader = threading.Thread(target=lambda: [lines.put(line) for line in stderr], daemon=True)
    reader.start()
    try:
        yield process, lines
    finally:
        process.kill()
        process.wait(10)
        reader.join(10)
        stderr.close()


def heard(lines: queue.Queue[str], what: str) -> list[str]:
    """The lines up to the one that has ``what`` in it."""
    found = [lines.get(timeout=30)]
    while what not in found[-1]:
        found.append(lines.get(timeout=30))
    return found


def test_a_watched_folder_is_kept_summarized_until_it_is_interrupted(
    folder: Path, tmp_path: Path, script: Callable[..., str]
) -> None:
    """Only what was edited is asked about, what a run writes into the folder is no change, and Ctrl-C ends it."""
    written = ("--out", folder / "out", "--html", folder / "page.html")
    with watching("summarize", folder, "-m", script(), *written, store=tmp_path / "s.db") as (process, lines):
        assert any("3 calls" in line for line in heard(lines, "waiting for changes"))
        (folder / "b.md").write_text(f"Edited. {TEXT}", encoding="utf-8")
        assert any("2 calls" in line for line in heard(lines, "waiting for changes"))
        for path in (next((folder / "out").rglob("b.md.md")), folder / "page.html"):
            assert "Edited." in path.read_text(encoding="utf-8")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_standard_input_cannot_be_watched(command: Callable[..., Any]) -> None:
    """One line says so."""
    said = command("summarize", "-", "--watch")
    assert said.status == 2
    assert "standard input cannot be watched" in said.err


def test_the_difference_is_said_and_nothing_is_sent(
    folder: Path, command: Callable[..., Any], script: Callable[..., str]
) -> None:
    """In words, and as JSON."""
    command("summarize", folder, "-m", script())
    (folder / "b.md").write_text(f"Edited. {TEXT}", encoding="utf-8")
    said = command("summarize", folder, "-m", script(), "--diff")
    assert said.status == 0
    assert f"{folder / 'b.md'}: edited text: 1 call" in said.out
    assert "1 document would cost nothing" in said.out
    told = json.loads(command("summarize", folder, "-m", script(), "--diff", "--json").out)
    assert [part["reasons"] for part in told["changed"]] == [["edited text"], ["what it rests on"]]
    assert told["usage"]["calls"] == 2
