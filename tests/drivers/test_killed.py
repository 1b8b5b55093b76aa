"""Killed at any instant and run again: only calls that were in flight are paid twice, and the result is the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from promptops.testing import KEY, FakeOpenAI

CONCURRENCY = 4


def start(folder: Path, store: Path, server: FakeOpenAI, *chain: str) -> subprocess.Popen[str]:
    asked = chain or ("summarize",)
    command = [sys.executable, "-m", "promptops", *asked, str(folder), "--model", "openai:gpt-4o-mini"]
    options = ["--store", str(store), "--json", "--concurrency", str(CONCURRENCY), "--set", "chunk_tokens=120"]
    environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
    return subprocess.Popen(
        [*command, *options, "--window", "16000"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def documents(folder: Path) -> Path:
    folder.mkdir()
    for number in range(6):
        text = "\n\n".join(f"Paragraph {part} of document {number} says so. " * 12 for part in range(8))
        (folder / f"{number}.md").write_text(text, encoding="utf-8")
    return folder


def answer(run: str) -> list[object]:
    found = json.loads(run)
    return [(one["source"], one["status"], one["text"], one["coverage"]) for one in found["documents"]] + [
        (found["corpus"] or {}).get("text")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "chain"), [(1, "summarize"), (2, "refine"), (3, "compare")])
def test_kill_9_and_go_on(seed: int, chain: str, tmp_path: Path) -> None:
    """At three instants of one run, by the server's own record of what it answered."""
    folder = documents(tmp_path / "documents")
    with FakeOpenAI(latency=0.05) as server:
        whole = start(folder, tmp_path / "whole.db", server, "run", chain)
        out, err = whole.communicate(timeout=120)
        assert whole.returncode == 0, err
        once = len(server.requests)

    chance = random.Random(seed)
    with FakeOpenAI(latency=0.05) as server:
        for _ in range(3):
            seen = len(server.requests)
            process = start(folder, tmp_path / "store.db", server, "run", chain)
            while process.poll() is None and len(server.requests) < seen + once // 5:
                time.sleep(0.005)
            time.sleep(chance.random() * 0.1)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        last = start(folder, tmp_path / "store.db", server, "run", chain)
        resumed, err = last.communicate(timeout=120)
        assert last.returncode == 0, err
        assert len(server.requests) <= once + 3 * CONCURRENCY
    assert answer(resumed) == answer(out)


@pytest.mark.slow
def test_after_a_kill_the_ledger_holds_every_attempt(tmp_path: Path) -> None:
    """What was in flight stands as possibly billed; all of it covers what the server billed."""
    folder = documents(tmp_path / "documents")
    with FakeOpenAI(latency=0.2) as server:
        process = start(folder, tmp_path / "store.db", server)
        while process.poll() is None and len(server.requests) < 9:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        billed = server.billed
    command = [sys.executable, "-m", "promptops", "ledger", "--store", str(tmp_path / "store.db"), "--json"]
    rows = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    known = [row for row in rows if not row["possibly_billed"]]
    unknown = [row for row in rows if row["possibly_billed"]]
    assert 1 <= sum(row["calls"] for row in unknown) <= CONCURRENCY
    assert sum(row["input_tokens"] for row in known) <= billed["input_tokens"]
    assert sum(row["input_tokens"] for row in rows) >= billed["input_tokens"]
