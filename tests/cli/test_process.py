"""The command as a process: terminals, pipes, encodings, and being stopped."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import promptops

Command = Callable[..., Any]
Script = Callable[..., str]

ROOT = Path(promptops.__file__).parent.parent
SLOW = "replies:\n  - {match: 'third document', lead: 5, delay: 30, times: 1}\n  - lead: 5\n"
SGR = re.compile(r"\x1b\[[0-9;]*m")
CURSOR = "\x1b["


def start(*words: object, **streams: Any) -> subprocess.Popen[bytes]:
    """The command in a process of its own, in a session of its own."""
    environment = {**os.environ, **streams.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "promptops", *map(str, words)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        **streams,
    )


def in_terminal(*words: object, both: bool, **environment: str) -> tuple[int, str, str]:
    """Exit status, what a pipe on stdout got, and what a terminal got: stderr, or with ``both`` stdout too."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = start(
        *words,
        stdout=slave if both else subprocess.PIPE,
        stderr=slave,
        env={"TERM": "xterm", "COLUMNS": "", **environment},
    )
    os.close(slave)
    shown = bytearray()
    readers = [master] if both else [master, process.stdout.fileno()]  # type: ignore[union-attr]
    piped = bytearray()
    deadline = time.monotonic() + 60
    while readers and time.monotonic() < deadline:
        for ready in select.select(readers, [], [], 1)[0]:
            data = b""
            with suppress(OSError):  # Linux reports the end of a terminal as an error
                data = os.read(ready, 65536)
            (shown if ready == master else piped).extend(data)
            if not data:
                readers.remove(ready)
    status = process.wait(30)
    os.close(master)
    if process.stdout:
        process.stdout.close()
    return status, piped.decode(), shown.decode("utf-8", "replace").replace("\r\n", "\n")


def visible(shown: str) -> str:
    """What a terminal shows in the end: lines erased by cursor movements are gone."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", shown):
        if piece == "\n":
            row, column = row + 1, 0
            lines.extend([""] * (row - len(lines) + 1))
        elif piece == "\r":
            column = 0
        elif piece.startswith("\x1b["):
            if piece.endswith("A"):
                row -= int(piece[2:-1] or 1)
            elif piece.endswith("K"):
                lines[row] = ""
        else:
            lines[row] = lines[row][:column].ljust(column) + piece + lines[row][column + len(piece) :]
            column += len(piece)
    return "\n".join(lines)


def test_progress_on_a_terminal_and_results_in_the_pipe(docs: Path, script: Script) -> None:
    """Documents, calls, tokens and money of the cap, live; none of it in the results, and nothing left in the end."""
    spec = script("model: gpt-4o-mini\nreplies:\n  - {lead: 5, delay: 0.25}\n")
    words = ("summarize", docs, "-m", spec, "--max-usd", "1", "--concurrency", 1)
    status, piped, shown = in_terminal(*words, both=False)
    assert status == 0, shown
    assert piped.startswith(f"## {docs}/a.txt\n\nThe first document speaks of\n")
    assert "\x1b" not in piped
    plain = SGR.sub("", shown)
    assert re.search(r"[123]/3 documents", plain)
    assert re.search(r"\d calls? · [\d,]+ in \d+ out · \$0\.\d+ of \$1\.00", plain)
    last = [line for line in visible(plain).split("\n") if line.strip()]
    assert len(last) == 2, last
    assert last[0].startswith("promptops: expected: ")
    assert last[1].startswith("promptops: ok: ")


def test_results_on_the_terminal_are_whole(docs: Path, script: Script) -> None:
    """The line is out of their way: long lines are not broken, and each is there once."""
    long = "word " * 100
    spec = script(f"replies:\n  - {{text: '{long.strip()}', delay: 0.15}}\n")
    status, _, shown = in_terminal("summarize", docs, "-m", spec, both=True)
    assert status == 0
    assert "documents" in shown
    assert visible(SGR.sub("", shown)).count(long.strip()) == 4
    assert shown.rstrip().endswith("0:00") or "promptops: ok: " in shown


def test_json_on_a_terminal_is_valid(docs: Path, script: Script) -> None:
    """Also where progress is shown on the same one."""
    status, _, shown = in_terminal("summarize", docs, "-m", script(), "--json", both=True)
    assert status == 0
    text = visible(SGR.sub("", shown))
    value = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert len(value["documents"]) == 3


def test_a_failure_on_a_terminal_stands_above_the_line(docs: Path, script: Script) -> None:
    """And stays there."""
    spec = script(
        "replies:\n  - {match: 'third', error: {status: 400, message: no good}}\n  - {lead: 5, delay: 0.15}\n"
    )
    status, _, shown = in_terminal("summarize", docs, "-m", spec, "--concurrency", 1, both=False)
    assert status == 3
    assert "failed: " in SGR.sub("", visible(shown).replace("\n", " "))


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "unknown"}])
def test_a_dumb_terminal_gets_plain_lines(docs: Path, script: Script, environment: dict[str, str]) -> None:
    """No cursor movement, no colour."""
    status, _, shown = in_terminal("summarize", docs, "-m", script(), both=False, **environment)
    assert status == 0
    assert CURSOR not in shown
    assert shown.startswith("promptops: ok: ")


def test_no_color_means_none(docs: Path, script: Script) -> None:
    """``NO_COLOR`` leaves the movement and takes the colours."""
    spec = script("replies:\n  - {lead: 5, delay: 0.1}\n")
    status, _, shown = in_terminal("summarize", docs, "-m", spec, both=False, NO_COLOR="1")
    assert status == 0
    codes = {code for found in SGR.findall(shown) for code in found[2:-1].split(";")}
    assert not {code for code in codes if code.startswith(("3", "4", "9")) and len(code) > 1}


@pytest.mark.parametrize("words", [(), ("--json",), ("--out",)], ids=["text", "json", "out"])
def test_an_interrupt_stops_cleanly_and_the_next_run_goes_on(
    docs: Path,
    script: Script,
    command: Command,
    tmp_path: Path,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No traceback, the results so far, the command that goes on; and that command pays only for the rest."""
    out = tmp_path / "o u t"
    asked = ["summarize", docs, "-m", script(SLOW), "--fresh", *words, *([out] if words == ("--out",) else [])]
    process = start(*asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _until(lambda: _calls(command) >= 2)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    piped, noted = process.communicate(timeout=20)
    assert time.monotonic() - began < 15
    assert process.returncode == 130
    lines = noted.decode().splitlines()
    assert "Traceback" not in noted.decode()
    assert lines[-1].startswith("promptops: stopped; what is paid for is kept. To go on: promptops summarize ")
    if words == ("--json",):
        value = json.loads(piped)
        assert {"run", "chain", "model", "status", "documents", "corpus", "coverage", "usage", "estimate"} == set(value)
        assert (value["status"], value["usage"]["calls"], len(value["documents"])) == ("incomplete", 2, 2)
        assert value["run"]
    going_on = shlex.split(lines[-1].partition("To go on: ")[2])
    assert "--fresh" not in going_on
    rows = command("ledger", "--by", "document", "--json").json
    assert sum(row["calls"] for row in rows if not row["possibly_billed"]) == 2
    assert sum(row["calls"] for row in rows if row["possibly_billed"]) == 1
    monkeypatch.setattr("promptops.backends.scripted.asyncio.sleep", _no_time)
    said = command(*going_on[1:])
    assert said.status == 0
    assert sum(row["calls"] for row in command("ledger", "--json").json if not row["possibly_billed"]) == 4
    if words == ("--out",):
        assert len((out / "results.jsonl").read_text().splitlines()) == 3


async def _no_time(seconds: float) -> None:
    """The second asking need not take as long."""


def _calls(command: Command) -> int:
    said = command("ledger", "--json")
    return sum(row["calls"] for row in said.json if not row["possibly_billed"]) if said.status == 0 else 0


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def test_a_reader_that_goes_away_ends_the_command(docs: Path, script: Script) -> None:
    """``| head -1``: quietly, with exit status 1, for much output and for little."""
    for number in range(30):
        (docs / f"d{number:02}.txt").write_text(f"Document {number} speaks. " * 50)
    spec = script("replies:\n  - lead: 100\n")
    for words in (
        ("summarize", docs, "-m", spec),
        ("summarize", docs, "-m", spec, "--json"),
        ("count", docs),
        ("ledger",),
    ):
        process = start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        noted = process.stderr.read().decode()
        assert process.wait(30) == 1
        process.stderr.close()
        assert "Traceback" not in noted
        assert "BrokenPipe" not in noted
        assert "Exception ignored" not in noted


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_one_line(docs: Path, script: Script) -> None:
    """Where standard output cannot be written."""
    with Path("/dev/full").open("wb") as full:
        for words in (("summarize", docs, "-m", script()), ("count", docs), ("templates", "list")):
            process = start(*words, stdout=full, stderr=subprocess.PIPE)
            noted = process.communicate(timeout=30)[1].decode()
            assert process.returncode == 1
            assert noted.splitlines()[-1] == "promptops: the output cannot be written: No space left on device"
            assert "Traceback" not in noted


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=lambda given: next(iter(given.values())),
)  # fmt: skip
def test_any_encoding_of_the_output(spawn: Command, docs: Path, script: Script, environment: dict[str, str]) -> None:
    """JSON says the same in all of them; text is escaped where the encoding lacks it, never lost."""
    (docs / "d.txt").write_text("Café 🌉 다리.\n", encoding="utf-8")
    said = spawn("summarize", docs, "-m", script(), "--json", **environment)
    assert said.status == 0, said.err
    assert "Traceback" not in said.err
    texts = [found["text"] for found in said.json["documents"]]
    assert texts[1] == "# 다리 다리는 길을 잇는다."
    assert texts[3] == "Café 🌉 다리."
    text = spawn("summarize", docs / "b.md", "-m", script(), **environment).out
    assert text in (
        "# 다리 다리는 길을 잇는다.\n\n",
        "# 다리 다리는 길을 잇는다.\n\n".encode("ascii", "backslashreplace").decode(),
    )


def test_names_of_any_bytes(spawn: Command, docs: Path, script: Script) -> None:
    """A file whose name is no text is read, and named as far as it can be."""
    with suppress(OSError):
        (Path(os.fsdecode(os.fsencode(docs) + b"/caf\xe9.txt"))).write_text("The name is Latin-1. The text is not.")
    said = spawn("summarize", docs, "-m", script(), "--json", "--out", docs.parent / "out")
    assert said.status == 0
    assert len(said.json["documents"]) == 4
    assert any("caf" in path.name for path in (docs.parent / "out").rglob("*.md"))


def test_closed_streams_are_no_crash(docs: Path, script: Script) -> None:
    """Nothing to write to is nothing to fail on."""
    line = shlex.join([sys.executable, "-m", "promptops", "summarize", str(docs), "-m", script()])
    done = subprocess.run(["/bin/sh", "-c", f"{line} >&- <&-"], cwd=ROOT, capture_output=True, timeout=30, check=False)
    assert b"Traceback" not in done.stderr
    line = shlex.join([sys.executable, "-m", "promptops", "summarize", "-", "-m", script()])
    done = subprocess.run(["/bin/sh", "-c", f"{line} <&-"], cwd=ROOT, capture_output=True, timeout=30, check=False)
    assert b"Traceback" not in done.stderr
    assert done.returncode in (1, 2)


def test_the_version_of_help_is_quick_to_import() -> None:
    """``--help`` needs none of the heavy libraries."""
    code = (
        "import sys, runpy\nsys.argv = ['promptops', '--help']\n"
        "try:\n    runpy.run_module('promptops', run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'openai', 'langchain_core', 'llama_cpp', 'numpy', 'jinja2', 'pydantic', 'splintr', 'tiktoken'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=30, check=True)
    assert done.stderr.decode().strip() == "[]"
