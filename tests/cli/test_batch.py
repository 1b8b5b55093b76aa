"""``--batch`` from the command line: a batch per level, and nothing sent twice whatever becomes of the process."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops.testing import FakeOpenAI

Command = Callable[..., Any]

MODEL = ("-m", "openai:gpt-4o-mini", "--window", "16000")


def start(*words: object) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    line = [sys.executable, "-m", "promptops", *map(str, words)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def until(condition: Callable[[], object]) -> None:
    """Wait for it, but not for ever."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def answer(out: str) -> list[object]:
    """What a run found, without what it took."""
    found = json.loads(out)
    return [*((one["source"], one["text"], one["coverage"]) for one in found["documents"]), found["corpus"]["text"]]


@pytest.mark.slow
def test_a_run_that_is_stopped_and_killed_goes_on_in_the_same_batches(
    docs: Path, command: Command, openai_environment: FakeOpenAI, tmp_path: Path
) -> None:
    """Ctrl-C, then kill -9, then to the end: a batch per level, one bill, the results of a run without --batch."""
    batches = openai_environment.batches
    whole = command("summarize", docs, *MODEL, "--json", "--store", tmp_path / "whole.db")
    at_once = dict(openai_environment.billed)
    words = ("summarize", docs, *MODEL, "--json", "--batch")
    batches.delay = 3_600.0

    interrupted = start(*words)
    until(lambda: batches.asked.get("state"))
    interrupted.send_signal(signal.SIGINT)
    out, noted = interrupted.communicate(timeout=20)
    assert interrupted.returncode == 130
    assert json.loads(out)["status"] == "incomplete"
    left, on = noted.splitlines()[-2:]
    assert left == "promptops: left running at the provider: batch batch_1 with 3 calls; going on waits for it"
    assert "--batch" in shlex.split(on.partition("To go on: ")[2])

    killed = start(*words)
    seen = batches.asked["state"]
    until(lambda: batches.asked["state"] > seen)
    killed.kill()
    killed.communicate()

    batches.delay = 0.0
    last = start(*words)
    out, noted = last.communicate(timeout=60)
    assert last.returncode == 0, noted
    assert "promptops: waiting for batch batch_2: 1 call" in noted.splitlines()
    assert "promptops: batch batch_2: completed, 1 of 1 call done" in noted.splitlines()
    assert answer(out) == answer(whole.out)
    assert [len(batch.lines) for batch in batches.made] == [3, 1]
    (row,) = command("ledger", "--by", "model", "--json").json
    assert not row["possibly_billed"]
    assert (row["calls"], row["input_tokens"], row["output_tokens"]) == (
        4, at_once["input_tokens"], at_once["output_tokens"],
    )  # fmt: skip
    assert row["usd"] == pytest.approx(whole.json["usage"]["usd"] / 2)


@pytest.mark.slow
def test_two_processes_at_once_send_no_call_twice(docs: Path, command: Command, openai_environment: FakeOpenAI) -> None:
    """They share a store, so they share the batches."""
    openai_environment.batches.delay = 0.2
    both = [start("summarize", docs, *MODEL, "--json", "--batch") for _ in range(2)]
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert answer(ends[0][0]) == answer(ends[1][0])
    assert openai_environment.billed["calls"] == 4
    (row,) = command("ledger", "--by", "model", "--json").json
    assert (row["calls"], row["input_tokens"]) == (4, openai_environment.billed["input_tokens"])


@pytest.mark.parametrize("words", [("summarize",), ("plan", "summarize")])
def test_a_model_without_batches_is_one_line(words: tuple[str, ...], docs: Path, command: Command) -> None:
    """Before anything is read or sent."""
    said = command(*words, docs, "--batch")
    assert (said.status, said.out) == (2, "")
    assert said.lines == [
        "promptops: --batch: extractive has no Batch API; only openai:NAME has, or run it without --batch"
    ]


def test_a_server_without_batches_is_one_line(docs: Path, command: Command, openai_environment: FakeOpenAI) -> None:
    """It ends the run, with the mend."""
    openai_environment.batches.enabled = False
    said = command("summarize", docs, *MODEL, "--batch")
    assert said.status == 1
    assert [line for line in said.lines if "this server has no Batch API (404); run without --batch" in line]
    assert openai_environment.batches.asked == {"upload": 1}


def test_a_plan_shows_the_batch_price(docs: Path, command: Command) -> None:
    """And what the same would cost at once; a cap is held against the batch price."""
    words = ("plan", "summarize", docs, "-m", "openai:gpt-5-mini", "--json")
    batched, plain = command(*words, "--batch").json, command(*words).json
    assert batched["usd"] == pytest.approx(plain["usd"] / 2)
    assert batched["most"]["usd"] == pytest.approx(plain["most"]["usd"] / 2)
    assert (batched["usd_at_once"], plain["usd_at_once"]) == (plain["usd"], None)
    shown = command(*words[:-1], "--batch").out.splitlines()
    assert shown[-1].startswith("At the batch price; without --batch, $")
    cap = str(plain["usd"] * 0.75)
    assert (command(*words, "--max-usd", cap).status, command(*words, "--max-usd", cap, "--batch").status) == (3, 0)


def test_a_cap_needs_a_batch_price(docs: Path, command: Command) -> None:
    """A model may have a price and none in batches; half would be a guess."""
    said = command("summarize", docs, "-m", "openai:o1-mini", "--batch", "--max-usd", "1")
    assert said.status == 2
    assert "no batch price is known for openai:o1-mini" in said.lines[-1]
