"""``run`` and ``summarize``: results on standard output, notes on standard error, and what ``--json`` promises."""

from __future__ import annotations

import io
import json
import re
import shlex
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from promptops.testing import KEY, FakeOpenAI

ITEM = re.compile(r'<item(?:-\d+)? id="([^"]+)">\n.*?\n(\S[^\n]*)\n</document', re.DOTALL)

Command = Callable[..., Any]
Script = Callable[..., str]

USAGE = {"calls", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "usd"}
DOCUMENT = {
    "problems",
    "notes",
    "source",
    "status",
    "text",
    "data",
    "chunks",
    "coverage",
    "citations",
    "tree",
    "usage",
    "error",
}
RUN = {"run", "chain", "model", "status", "documents", "corpus", "coverage", "usage", "estimate"}


def test_replies_past_their_age_are_asked_for_again(
    command: Command, docs: Path, openai_environment: FakeOpenAI, store: Path
) -> None:
    """By --max-age, which the estimate knows of as well; what is younger costs nothing."""
    words = ("summarize", docs, "-m", "openai:gpt-4o-mini", "--json", "--set", "corpus=false")
    assert command(*words).json["usage"]["calls"] == 3
    with closing(sqlite3.connect(store)) as database, database:
        database.execute("UPDATE replies SET created = created - 7200")
    assert command(*words).json["usage"]["calls"] == 0
    assert command(*words, "--max-age", "3h").json["usage"]["calls"] == 0
    assert command("plan", *words, "--max-age", "1h").json["calls"] == 3
    assert command(*words, "--max-age", "1h").json["usage"]["calls"] == 3
    assert command(*words, "--max-age", "1h").json["usage"]["calls"] == 0


def test_a_run_says_what_came_from_the_providers_cache(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the last line and in the JSON, as a share of the input."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    rules = "Keep to the rule that every river is named once. " * 150
    (tmp_path / "rules").mkdir()
    for number in range(4):
        (tmp_path / "rules" / f"{number}.txt").write_text(f"River {number} flows to the sea. It is long.")
    with FakeOpenAI(caching=True, latency=0.02) as server:
        words = ("summarize", tmp_path / "rules", "-m", "openai:gpt-4o-mini", "--base-url", server.base_url)
        found = command(*words, "--json", "--set", "corpus=false", "--set", f"focus={rules}")
        billed = server.billed
    share = billed["cached_tokens"] / billed["input_tokens"]
    assert found.json["usage"]["cache_hit_rate"] == round(share, 4) > 0.4
    assert f"({billed['cached_tokens']:,} cached, {round(share * 100)} %)" in found.err


def test_results_go_to_stdout_and_notes_to_stderr(command: Command, docs: Path, script: Script) -> None:
    """A heading and an answer per document, the overview last; what it took on standard error."""
    said = command("summarize", docs, "-m", script())
    assert said.status == 0
    assert said.out == (
        f"## {docs}/a.txt\n\nThe first document speaks of\n\n## {docs}/b.md\n\n# 다리 다리는 길을 잇는다.\n\n"
        f"## {docs}/c.txt\n\nThe third document speaks of\n\n# Overview\n\nThe first document speaks of\n"
    )
    assert len(said.lines) == 1
    assert said.lines[0].startswith(f"promptops: ok: {script()} · 4 calls · ")


def test_one_document_is_answered_without_headings(command: Command, docs: Path, script: Script) -> None:
    """The answer and nothing else, to be piped on."""
    assert command("summarize", docs / "c.txt", "-m", script()).out == "The third document speaks of\n\n"


def test_the_default_model_is_extractive(command: Command, docs: Path) -> None:
    """No key, no model file, no network."""
    said = command("summarize", docs, "--json")
    assert said.status == 0
    assert said.json["model"] == "extractive"
    assert all(document["text"] for document in said.json["documents"])
    assert said.json["usage"]["usd"] == 0


@pytest.mark.parametrize("words", [("summarize",), ("run", "summarize")])
def test_json_has_the_promised_keys(command: Command, docs: Path, script: Script, words: tuple[str, ...]) -> None:
    """``summarize`` is short for ``run summarize``."""
    value = command(*words, docs, "-m", script(), "--json").json
    assert set(value) == RUN
    assert (value["chain"], value["model"], value["status"]) == ("summarize", script(), "ok")
    assert [Path(found["source"]).name for found in value["documents"]] == ["a.txt", "b.md", "c.txt"]
    for document in value["documents"]:
        assert set(document) == DOCUMENT
        assert set(document["usage"]) == USAGE
        assert document["coverage"][0]["start"] == 0
    assert set(value["usage"]) == set(value["corpus"]["usage"]) | {"cache_hit_rate"} == USAGE | {"cache_hit_rate"}
    assert value["usage"]["calls"] == 4
    parts = [*value["documents"], value["corpus"]]
    assert sum(part["usage"]["input_tokens"] for part in parts) == value["usage"]["input_tokens"]
    assert value["estimate"]["calls"] == 4


def test_run_again_costs_nothing(command: Command, docs: Path, script: Script) -> None:
    """A reply from the store is no call; ``--fresh`` asks again."""
    first = command("summarize", docs, "-m", script(), "--json").json
    again = command("summarize", docs, "-m", script(), "--json").json
    fresh = command("summarize", docs, "-m", script(), "--json", "--fresh").json
    assert [value["usage"]["calls"] for value in (first, again, fresh)] == [4, 0, 4]
    assert [found["text"] for found in first["documents"]] == [found["text"] for found in again["documents"]]
    assert again["estimate"]["stored"] == 4


def test_out_writes_a_folder(command: Command, docs: Path, script: Script, tmp_path: Path) -> None:
    """And says where; with ``--json`` both are there."""
    said = command("summarize", docs, "-m", script(), "--out", tmp_path / "out")
    assert (said.status, said.out) == (0, "")
    assert f"promptops: written to {tmp_path}/out/index.md" in said.lines
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 3
    both = command("summarize", docs, "-m", script(), "--out", tmp_path / "both", "--json")
    assert len(both.json["documents"]) == 3
    assert (tmp_path / "both" / "index.md").exists()


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_standard_input_is_a_document(
    command: Command, script: Script, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """It is there for the estimate and again for the run, under the name it was asked for."""
    stdin = io.TextIOWrapper(io.BytesIO("다리는 길을 잇는다. 다리는 오래 간다.\n".encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    said = command("summarize", "-", "-m", script("model: gpt-4o-mini\nreplies:\n  - lead: 3\n"), *words)
    assert said.status == 0
    if words:
        assert [(found["source"], found["text"]) for found in said.json["documents"]] == [("-", "다리는 길을 잇는다.")]
        assert said.json["estimate"]["calls"] == 1
    else:
        assert said.out == "다리는 길을 잇는다.\n\n"
    stdin.detach()


def test_settings_reach_the_prompt(command: Command, docs: Path, script: Script) -> None:
    """Text on the command line becomes what the setting is."""
    spec = script(
        'replies:\n  - {match: "at most 33 words[\\\\s\\\\S]*Focus: 비용", text: focused}\n  - text: not focused\n'
    )
    value = command("summarize", docs, "-m", spec, "--set", "words=33", "--set", "focus=비용", "--json").json
    assert {found["text"] for found in value["documents"]} == {"focused"}
    value = command("summarize", docs, "-m", spec, "--set", "corpus=false", "--json").json
    assert value["corpus"] is None
    assert value["usage"]["calls"] == 3


def test_what_is_covered_is_said_everywhere(command: Command, script: Script, tmp_path: Path) -> None:
    """In the exit status, in a note, in the JSON object and in the front matter; also by plan's command line."""
    (tmp_path / "a.txt").write_text("".join(f"On day {day} the river rose and 양을 옮겼다. " for day in range(120)))
    spec = script(
        'replies:\n  - match: "On day 70 "\n    error: {status: 400, code: content_filter, message: filtered}\n'
        "  - text: a part.\n"
    )
    words = ["summarize", tmp_path / "a.txt", "-m", spec, "--set", "chunk_tokens=600", "--min-coverage", "0.95"]
    said = command(*words, "--out", tmp_path / "out", "--json")
    assert (said.status, said.json["status"]) == (1, "failed")
    assert "of the text, under --min-coverage 0.95; " in said.err
    assert 0.5 < said.json["coverage"] < 0.95
    assert [span["status"] for span in said.json["documents"][0]["coverage"]].count("refused") == 1
    head = next((tmp_path / "out").rglob("a.txt.md")).read_text().split("---")[1]
    assert f"coverage: {said.json['coverage']}\n" in head
    assert "refused: 1" in head
    assert 'error: "1 of ' in head
    assert command("plan", *words).status == 0
    assert command(*words[:-1], "95").status == 2


def test_a_chain_of_yours_runs_with_its_own_templates(
    command: Command, docs: Path, script: Script, tmp_path: Path
) -> None:
    """And its name is what the ledger and the JSON show."""
    (tmp_path / "chain" / "templates").mkdir(parents=True)
    for step, body in (("map", "{{ text | fence }}"), ("join", "{% for t in texts %}{{ t | fence }}\n{% endfor %}")):
        inputs = "text: string" if step == "map" else "texts: list"
        (tmp_path / "chain" / "templates" / f"{step}.j2").write_text(
            f"---\nname: my-{step}\nversion: 4\ninputs: {{{inputs}}}\n---\nMine: {body}"
        )
    chain = tmp_path / "chain" / "digest.yaml"
    chain.write_text(
        "name: digest\nplan: map_reduce\nsteps:\n  map: {template: map}\n  reduce: {template: join}\n"
        "  corpus: {template: join}\n"
    )
    said = command("run", chain, docs, "-m", script('replies:\n  - {match: "^Mine", text: mine}\n'), "--json")
    assert said.status == 0
    assert said.json["chain"] == "digest"
    assert {found["text"] for found in said.json["documents"]} == {"mine"}
    rows = command("ledger", "--by", "template", "--json").json
    assert {row["key"] for row in rows} == {"my-map@4", "my-join@4"}


def test_a_document_that_cannot_be_read_leaves_the_rest(command: Command, docs: Path, script: Script) -> None:
    """Exit status 3, a line that names it, and the command that goes on."""
    (docs / "bad.txt").write_bytes(b"\x00\x01\x02\xff\xfe" * 100)
    (docs / "empty.txt").write_text("")
    said = command("summarize", docs, "-m", script(), "--json")
    assert said.status == 3
    statuses = {Path(found["source"]).name: found["status"] for found in said.json["documents"]}
    assert statuses == {"a.txt": "ok", "b.md": "ok", "bad.txt": "failed", "c.txt": "ok", "empty.txt": "empty"}
    assert said.json["status"] == "incomplete"
    assert any("failed: " in line and "bad.txt" in line for line in said.lines)
    assert said.lines[-1].startswith("promptops: to go on, paying nothing twice: promptops summarize ")


def test_no_answer_at_all_is_a_failure(command: Command, docs: Path) -> None:
    """Exit status 1."""
    (docs / "bad.txt").write_bytes(b"\x00\x01\x02\xff\xfe" * 100)
    assert command("summarize", docs / "bad.txt").status == 1


def test_the_same_failure_is_said_once(command: Command, docs: Path, script: Script) -> None:
    """A thousand documents with one reason are one line and a count."""
    for number in range(20):
        (docs / f"d{number:02}.txt").write_text(f"Document {number}.")
    spec = script("replies:\n  - {match: 'first document', text: ok}\n  - error: {status: 400, message: no good}\n")
    said = command("summarize", docs, "-m", spec, "--set", "corpus=false", "--concurrency", 1)
    assert said.status == 3
    assert len([line for line in said.lines if "no good" in line]) == 1
    assert any(line == "promptops: … and the same for 21 more documents" for line in said.lines)


@pytest.mark.parametrize("cap", [("--max-tokens", "400"), ("--max-usd", "0.0002")])
def test_a_budget_that_runs_out_is_incomplete(
    command: Command, docs: Path, script: Script, cap: tuple[str, str]
) -> None:
    """Exit status 3, what is missing is said once, and the command goes on without asking again."""
    for number in range(5):
        (docs / f"d{number}.txt").write_text(f"Document {number} speaks of one thing and of another thing.")
    spec = script("model: gpt-4o-mini\nreplies:\n  - lead: 4\n")
    said = command("summarize", docs, "-m", spec, *cap, "--concurrency", 1, "--fresh", "--set", "words=20", "--json")
    assert said.status == 3
    assert said.json["status"] == "incomplete"
    used = said.json["usage"]
    assert used["calls"] < 9
    spent = used["usd"] if cap[0] == "--max-usd" else used["input_tokens"] + used["output_tokens"]
    assert 0 < spent <= float(cap[1])
    assert len([line for line in said.lines if "of the cap of" in line]) == 1
    assert said.lines[-1].startswith("promptops: to go on, paying nothing twice: ")
    assert "--fresh" not in said.lines[-1]
    done = command("summarize", docs, "-m", spec, "--set", "words=20", "--json")
    assert done.status == 0
    assert done.json["usage"]["calls"] == 9 - used["calls"]


def going_on(said: Any) -> list[str]:
    """The words of the command that goes on, after its name."""
    return shlex.split(said.lines[-1].partition("to go on, paying nothing twice: promptops ")[2])


def test_a_fresh_run_that_failed_goes_on_as_fresh_as_it_began(
    command: Command, docs: Path, openai_environment: FakeOpenAI
) -> None:
    """What it paid for is not asked again, and what is older is not taken for an answer."""
    words = ("summarize", docs, "-m", "openai:gpt-4o-mini", "--concurrency", 1)
    openai_environment.answer = lambda _: "An older answer."
    assert command(*words).status == 0
    openai_environment.answer = lambda _: "A newer answer."
    openai_environment.fail("", "", "quota")
    before = openai_environment.billed["calls"]
    said = command(*words, "--fresh", "--max-age", "7d")
    assert said.status == 3
    rest = going_on(said)
    assert [word.partition("=")[0] for word in rest[6:]] == ["--max-age"]
    assert openai_environment.billed["calls"] == before + 2
    done = command(*rest)
    assert done.status == 0
    assert "older" not in done.out
    assert openai_environment.billed["calls"] == before + 4
    assert command(*rest, "--json").json["usage"]["calls"] == 0


def test_a_moment_is_an_age_too(command: Command, docs: Path, script: Script) -> None:
    """What was known before it is asked again; one that is yet to come is a mistake."""
    words = ("summarize", docs, "-m", script(), "--json")
    assert command(*words, "--max-age", "2020-01-01T09:00").json["usage"]["calls"] == 4
    assert command(*words, "--max-age", "2020-01-01").json["usage"]["calls"] == 0
    now = datetime.now(UTC).isoformat()
    assert command("plan", *words, "--max-age", now).json["calls"] == 4
    assert command(*words, "--max-age", now).json["usage"]["calls"] == 4
    said = command(*words, "--max-age", "2999-01-01")
    assert (said.status, "--max-age must be" in said.err) == (2, True)


def test_where_only_answers_were_cut_it_is_said_what_gives_them_room(
    command: Command, docs: Path, openai_environment: FakeOpenAI
) -> None:
    """The same command would only have them cut again, so it is not offered."""
    openai_environment.rates = {"length": 1.0}
    said = command("summarize", docs, "-m", "openai:gpt-4o-mini")
    assert said.status == 3
    cut = "answers were cut at their limit, of 3 documents and of the overview"
    assert said.lines[-1].startswith(f"promptops: {cut}: allow more words (--set words=N), or ")


def test_a_cap_under_the_next_call_offers_no_command(command: Command, docs: Path, script: Script) -> None:
    """It would stop at the same call again; what would help is said, and how many documents wait."""
    said = command("summarize", docs, "-m", script(), "--max-tokens", 20)
    assert said.status == 3
    assert "to go on" not in said.err
    assert "more than the whole cap of 20; go on with a higher --max-tokens" in said.lines[-1]
    assert said.lines[-1].endswith(" (and 2 more documents: --out DIR or --json names them)")


def test_what_stopped_a_run_is_said_beside_what_failed_before(command: Command, docs: Path, script: Script) -> None:
    """A file that cannot be read is not why the others wait."""
    (docs / "a.bin.txt").write_bytes(b"\x00\x01\x02\xff\xfe" * 100)
    said = command("summarize", docs, "-m", script(), "--max-tokens", 20)
    assert [line.startswith("promptops: failed: ") and "a.bin.txt" in line for line in said.lines[:-1]].count(True) == 1
    assert f"{docs}/a.txt: the next call may take" in said.lines[-1]
    assert "(and 3 more documents: " in said.lines[-1]


def test_the_last_line_says_where_the_other_documents_are_named(
    command: Command, docs: Path, openai_environment: FakeOpenAI, tmp_path: Path
) -> None:
    """The first one by name, the others by their number."""
    openai_environment.fail("", "quota")
    words = ("summarize", docs, "-m", "openai:gpt-4o-mini", "--concurrency", 1, "--set", "corpus=false")
    said = command(*words, "--out", tmp_path / "out")
    assert f"b.md: openai:gpt-4o-mini at {openai_environment.base_url}: the account is out of credit" in said.lines[-2]
    assert said.lines[-2].endswith(f" (and 1 more document: see {tmp_path}/out/index.md)")
    assert going_on(said)


def test_documents_with_nothing_in_them_are_no_failure(command: Command, tmp_path: Path) -> None:
    """They were read; that there was nothing is said, and nothing of how answers were made."""
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(" \n")
    said = command("summarize", tmp_path / "a.txt", tmp_path / "b.txt")
    assert (said.status, said.out) == (0, "")
    assert said.lines[-1] == "promptops: there was nothing to read: all 2 documents are empty"
    assert "sentences picked" not in said.err
    assert command("summarize", tmp_path / "a.txt").lines[-1].endswith("nothing to read: the document is empty")


def test_control_characters_reach_a_pipe_but_no_terminal(
    command: Command, docs: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document must not write on someone's terminal."""
    spec = script('replies:\n  - text: "a\\x1b[2Jb"\n')
    assert command("summarize", docs / "a.txt", "-m", spec).out == "a\x1b[2Jb\n\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert command("summarize", docs / "a.txt", "-m", spec).out == "a [2Jb\n\n"


def test_json_of_an_error_is_still_json_or_nothing(command: Command, docs: Path, script: Script) -> None:
    """What is refused before the first document leaves standard output empty."""
    said = command("summarize", docs, "-m", script(), "--json", "--set", "words=none")
    assert (said.status, said.out) == (2, "")
    said = command("summarize", docs, "-m", script("window: 300\nreplies: []\n"), "--json")
    assert said.status == 2
    assert not said.out or json.loads(said.out)


PACKED = """name: packed
plan: map_reduce
settings: {corpus: false, words: 10}
steps:
  map: {template: summarize/map, pack: auto}
  reduce: {template: summarize/reduce}
  corpus: {template: summarize/corpus}
"""


def in_turn(body: dict[str, Any]) -> str:
    """A model that says of each packed item how it begins."""
    items = ITEM.findall(body["messages"][-1]["content"])
    return json.dumps({"answers": [{"id": name, "answer": text[:24]} for name, text in items]})


def test_a_run_and_the_ledger_say_what_packing_saved(
    command: Command, tmp_path: Path, openai_environment: FakeOpenAI
) -> None:
    """In tokens, repairs included; each document still has its own answer."""
    chain = tmp_path / "packed.yaml"
    chain.write_text(PACKED, encoding="utf-8")
    folder = tmp_path / "reviews"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.txt").write_text(f"후기 {number}: the tea was good", encoding="utf-8")
    openai_environment.answer = in_turn
    said = command("run", chain, folder, "-m", "openai:gpt-4o-mini")
    assert said.status == 0
    assert [f"후기 {number}" in said.out for number in range(12)] == [True] * 12
    assert len(openai_environment.requests) <= 3
    note = next(line for line in said.lines if "packed: 12 answers in" in line)
    assert "tokens saved, repairs included" in note
    assert note.removeprefix("promptops: ") in command("ledger").out
