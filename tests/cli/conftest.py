"""The command in this process and in one of its own; the user's own store is never touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import promptops
from promptops import cli

ROOT = Path(promptops.__file__).parent.parent


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines on standard error."""
        return self.err.splitlines()


Command = Callable[..., Said]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the test's own, as ``PROMPTOPS_STORE``."""
    path = tmp_path / "state" / "store.db"
    monkeypatch.setenv("PROMPTOPS_STORE", str(path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING", "PYTHONUTF8"):
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in this process, as its entry point does."""

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["promptops", *map(str, words)])
        capsys.readouterr()
        try:
            cli.main()
            status = 0
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return run


@pytest.fixture
def spawn() -> Command:
    """Runs the command in a process of its own."""

    def run(*words: object, stdin: bytes = b"", **environment: str) -> Said:
        done = subprocess.run(
            argv(*words), input=stdin, capture_output=True, env={**os.environ, **environment}, cwd=ROOT, timeout=60,
            check=False,
        )  # fmt: skip
        return Said(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    return run


def argv(*words: object) -> list[str]:
    """The command line of ``python -m promptops``."""
    return [sys.executable, "-m", "promptops", *map(str, words)]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder of three documents, one of them Korean."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text(
        "The first document speaks of bridges. Bridges carry roads. They are built to last.\n"
    )
    (folder / "b.md").write_text(
        "# 다리\n\n다리는 길을 잇는다. 다리는 오래 간다. 사람들은 다리를 건넌다.\n", encoding="utf-8"
    )
    (folder / "c.txt").write_text("The third document speaks of rivers. Rivers flow under bridges.\n")
    return folder


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Writes a script and returns the model spec that reads it; by default five words of what it is given."""

    def write(text: str = "replies:\n  - lead: 5\n") -> str:
        path = tmp_path / "script.yaml"
        path.write_text(text, encoding="utf-8")
        return f"scripted:{path}"

    return write
