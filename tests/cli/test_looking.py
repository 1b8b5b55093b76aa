"""``plan``, ``count``, ``ledger``, ``inspect`` and ``templates``: they send nothing."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops.prompts import Library
from promptops.store import GROUPINGS
from promptops.testing import FakeOpenAI
from promptops.testing.tiny_gguf import tiny_gguf
from promptops.tokens import counter

Command = Callable[..., Any]
Script = Callable[..., str]

USAGE = {"calls", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "usd"}


def test_a_plan_is_what_a_run_sends(command: Command, docs: Path, script: Script) -> None:
    """The same calls and input of the level that reads the documents; then what the store holds costs nothing."""
    spec = script("model: gpt-4o-mini\nreplies:\n  - lead: 6\n")
    plan = command("plan", "summarize", docs, "-m", spec, "--json").json
    assert set(plan) >= USAGE | {"most", "levels", "chain", "model", "documents"}
    run = command("summarize", docs, "-m", spec, "--json").json
    assert plan["calls"] == run["usage"]["calls"] == 4
    documents = sum(found["usage"]["input_tokens"] for found in run["documents"])
    assert plan["levels"][0]["input_tokens"] == documents
    assert plan["most"]["usd"] >= run["usage"]["usd"]
    again = command("plan", "summarize", docs, "-m", spec, "--json").json
    assert (again["calls"], again["stored"]) == (0, 4)
    assert command("plan", "summarize", docs, "-m", spec, "--json", "--fresh").json["calls"] == 4


def test_a_plan_is_a_table(command: Command, docs: Path, script: Script) -> None:
    """A row per level, what is expected, and what it can come to at most; it makes no store."""
    said = command("plan", "summarize", docs, "-m", script("model: gpt-4o-mini\nreplies: []\n"))
    assert said.status == 0
    starts = [line.split("  ")[0] for line in said.out.splitlines() if line]
    assert starts[1:] == ["", "map, level 0", "corpus, level 1", "expected", "at most"]
    assert all("$0.00" in line for line in said.out.splitlines()[3:7])
    assert said.err == ""
    assert command("ledger").status == 2


def test_a_plan_names_what_cannot_be_read(command: Command, docs: Path, script: Script) -> None:
    """On standard error, and in the JSON."""
    (docs / "bad.txt").write_bytes(b"\x00\x01\x02\xff\xfe" * 100)
    said = command("plan", "summarize", docs, "-m", script(), "--json")
    assert [Path(found["source"]).name for found in said.json["unreadable"]] == ["bad.txt"]
    assert "failed: " in said.err
    assert "bad.txt" in said.err


def test_a_plan_of_standard_input(command: Command, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expected and most are both of the text that was there once."""
    stdin = io.TextIOWrapper(io.BytesIO(b"One sentence. Another sentence.\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    plan = command("plan", "summarize", "-", "-m", script(), "--json").json
    assert (plan["calls"], plan["most"]["calls"], plan["unreadable"]) == (1, 2, [])
    stdin.detach()


def test_count_per_file_and_in_all(command: Command, docs: Path) -> None:
    """By o200k_base unless told otherwise."""
    by = counter(tokenizer="o200k_base")
    value = command("count", docs, "--json").json
    expected = [by.count(path.read_text(encoding="utf-8")) for path in sorted(docs.iterdir())]
    assert [found["tokens"] for found in value["files"]] == expected
    assert (value["tokens"], value["tokenizer"], value["exact"]) == (sum(expected), by.name, True)
    out = command("count", docs).out.splitlines()
    assert out[-1].split() == [str(sum(expected)), "all,", "by", by.name]
    assert len({len(line) - len(line.lstrip()) + len(line.split()[0]) for line in out}) == 1


def test_count_of_one_file_by_a_model(command: Command, docs: Path) -> None:
    """One line; special tokens are plain text."""
    (docs / "a.txt").write_text("<|endoftext|>")
    expected = counter("gpt-4").count("<|endoftext|>")
    assert expected > 1
    assert command("count", docs / "a.txt", "-m", "gpt-4").out.split()[0] == str(expected)
    assert command("count", docs / "a.txt", "-m", "openai:gpt-4").out.split()[0] == str(expected)


def test_count_from_standard_input(spawn: Command) -> None:
    """In a pipe, in any encoding that a document may have."""
    said = spawn("count", "-", stdin="다리는 길을 잇는다.".encode("utf-16"))
    expected = counter(tokenizer="o200k_base").count("다리는 길을 잇는다.")
    assert (said.status, said.out.split()[0]) == (0, str(expected))


def test_count_of_what_cannot_be_read(command: Command, docs: Path) -> None:
    """3 where some could be read, 1 where none could."""
    (docs / "bad.txt").write_bytes(b"\x00\x01\x02\xff\xfe" * 100)
    said = command("count", docs)
    assert said.status == 3
    assert "bad.txt" in said.err
    said = command("count", docs / "bad.txt")
    assert (said.status, said.out) == (1, "")


def test_an_estimate_of_a_count_is_marked(command: Command, docs: Path) -> None:
    """Where no tokenizer is known and the caller allows it."""
    said = command("count", docs, "-m", "nobody-knows-it", "--estimate-tokens", "--json")
    assert said.json["exact"] is False
    assert "(estimate)" in command("count", docs, "-m", "nobody-knows-it", "--estimate-tokens").out


@pytest.mark.parametrize("by", GROUPINGS)
def test_the_ledger_by_every_key(command: Command, docs: Path, script: Script, by: str) -> None:
    """Every grouping adds up to what was sent, as JSON and as a table."""
    used = command("summarize", docs, "-m", script(), "--json").json["usage"]
    rows = command("ledger", "--by", by, "--json").json
    assert all(set(row) >= USAGE | {"key"} for row in rows)
    for name in USAGE:
        assert sum(row[name] for row in rows) == used[name]
    assert len(rows) == {"step": 2, "template": 2, "document": 4}.get(by, 1)
    table = command("ledger", "--by", by).out.splitlines()
    assert table[0].split()[0] == by
    assert table[-1].split()[:3] == ["in", "all", "4"]
    assert len(table) == len(rows) + 2


def test_the_ledger_of_one_run(command: Command, docs: Path, script: Script) -> None:
    """One that is not there is an error, not $0."""
    run = command("summarize", docs, "-m", script(), "--json").json["run"]
    command("summarize", docs, "-m", script(), "--fresh")
    assert [row["calls"] for row in command("ledger", "--run", run, "--by", "chain", "--json").json] == [4]
    assert [row["calls"] for row in command("ledger", "--by", "chain", "--json").json] == [8]
    said = command("ledger", "--run", "nothing")
    assert (said.status, said.out) == (2, "")
    assert "no run 'nothing'" in said.err


def test_the_ledger_says_what_failed(command: Command, docs: Path, script: Script) -> None:
    """Attempts that cost nothing are counted apart."""
    spec = script("replies:\n  - {error: {status: 400}, times: 1}\n  - lead: 3\n")
    command("summarize", docs / "a.txt", "-m", spec)
    assert command("ledger").out.splitlines()[-1] == "1 attempt failed and cost nothing."


def test_stores(command: Command, docs: Path, script: Script, tmp_path: Path, store: Path) -> None:
    """``--store`` before ``PROMPTOPS_STORE``, and folders on the way are made."""
    command("summarize", docs, "-m", script(), "--store", tmp_path / "deep" / "er" / "own.db")
    assert not store.exists()
    command("summarize", docs, "-m", script())
    assert store.exists()
    for words in ((), ("--store", tmp_path / "deep" / "er" / "own.db")):
        assert [row["calls"] for row in command("ledger", "--json", *words).json] == [4]


def test_the_default_store_is_in_the_users_state(
    command: Command, docs: Path, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``XDG_STATE_HOME``, else ``~/.local/state``."""
    monkeypatch.delenv("PROMPTOPS_STORE")
    command("summarize", docs, "-m", script())
    assert (tmp_path / "state-home" / "promptops" / "store.db").exists()
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    command("summarize", docs, "-m", script())
    assert (tmp_path / "home" / ".local" / "state" / "promptops" / "store.db").exists()


def test_templates_are_listed_and_shown(command: Command) -> None:
    """Name, version and purpose; the source as it is."""
    names = Library().names()
    assert [found["name"] for found in command("templates", "list", "--json").json] == names
    assert [line.split("@")[0] for line in command("templates", "list").out.splitlines()] == names
    source = command("templates", "show", "summarize/map").out
    assert source.startswith("---\nname: summarize/map\n")
    assert '{{ text | fence("document", title=title' in source


def test_a_bad_template_is_shown_all_the_same(command: Command, tmp_path: Path) -> None:
    """To be mended, it has to be seen."""
    (tmp_path / "bad.j2").write_text("{{ never ends")
    assert command("templates", "show", tmp_path / "bad.j2").out == "{{ never ends"


def test_templates_are_rendered(command: Command, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With values of their types, from the command line, from a file and from standard input; and their tokens."""
    words = ("templates", "render", "summarize/map", "-v", f"text=@{docs}/b.md", "-v", "words=9")
    said = command(*words)
    assert "--- system\n" in said.out
    assert "at most 9 words" in said.out
    assert "Summarize this part within 9 words in its language;" in command(*words, "-v", "partial=true").out
    assert "다리는 길을 잇는다." in said.out
    value = command(*words, "--json", "-m", "gpt-4o").json
    assert value["template"] == "summarize/map@1"
    assert value["tokens"] == sum(message["tokens"] for message in value["messages"])
    assert f"{value['tokens']:,} tokens" in said.err
    monkeypatch.setattr(sys, "stdin", io.StringIO("from standard input"))
    assert "from standard input" in command("templates", "render", "summarize/map", "-v", "text=@-").out
    assert 100 < value["stable_prefix"] < value["tokens"]
    priced = command(*words, "-m", "gpt-4o", "-m", "gpt-5-mini")
    assert "stable beginning: " in priced.err
    assert priced.err.count(" for 1,000 calls") == 2
    listed = command("templates", "render", "summarize/reduce", "-v", "texts=one\ntwo").out
    assert '<document parts="2">\none\n---\ntwo\n</document>' in listed


def test_examples_come_from_a_file_of_json_lines(command: Command, tmp_path: Path) -> None:
    """Each is a section of the prompt; a bad line is named."""
    path = tmp_path / "examples.jsonl"
    path.write_text('{"input": "차가 좋다", "output": "good"}\n{"input": "stale bread", "output": "bad"}\n', "utf-8")
    words = ("templates", "render", "classify/one", "-v", "text=x", "-v", "labels=good\nbad", "-v", f"examples=@{path}")
    said = command(*words)
    assert "<example_input>\n차가 좋다\n</example_input>" in said.out
    assert "examples" in command(*words, "-m", "gpt-5-mini").err
    path.write_text('{"input": "x"}\n', "utf-8")
    assert 'examples.jsonl:1: an example is an object with "input" and "output"' in command(*words).err


def test_templates_are_linted(command: Command, tmp_path: Path) -> None:
    """The library by default; files of yours with what they include beside them; findings are exit status 1."""
    said = command("templates", "lint")
    assert said.status == 0
    assert "short-prefix" in said.out
    assert " 0 findings, " in said.err
    (tmp_path / "part.j2").write_text("{{ text }}")
    (tmp_path / "own.j2").write_text("---\nname: own\nversion: 1\ninputs:\n  text: {type: string, document: true}\n"
                                     "---\n{% include 'part' %}")  # fmt: skip
    (tmp_path / "bad.j2").write_text("---\nname: bad\n---\n")
    said = command("templates", "lint", tmp_path / "own.j2", tmp_path / "bad.j2")
    assert said.status == 1
    assert said.out.splitlines() == [
        f"{tmp_path}/part.j2:1: unfenced-document: 'text' is document text: write {{{{ text | fence }}}}",
        f"{tmp_path}/bad.j2:2: version: field required",
    ]
    assert said.err == "promptops: 2 templates, 2 findings\n"


def test_a_folder_of_templates_is_linted_and_wins(command: Command, docs: Path, tmp_path: Path, script: Script) -> None:
    """Over those of the library of the same name, in every command that has templates."""
    folder = tmp_path / "mine"
    (folder / "summarize").mkdir(parents=True)
    (folder / "summarize" / "map.j2").write_text(
        "---\nname: summarize/map\nversion: 9\ndescription: mine\ninputs: {text: {type: string, document: true}}\n---\n"
        "In one word.\n{{ text | fence }}\n"
    )
    assert command("templates", "lint", folder).err == "promptops: 1 template, 0 findings\n"
    (folder / "bare.j2").write_text(
        "---\nname: bare\nversion: 1\ninputs:\n  text: {type: string, document: true}\n---\n{{ text }}\n"
    )
    said = command("templates", "lint", folder)
    assert (said.status, "bare.j2:7: unfenced-document" in said.out) == (1, True)
    rendered = command("templates", "render", "summarize/map", "-v", "text=강", "--templates", folder)
    assert "In one word." in rendered.out
    assert "In one word." in command("templates", "show", "summarize/map", "--templates", folder).out
    assert "mine" in command("templates", "list", "--templates", folder).out
    asked = (docs, "-m", script(), "--set", "corpus=false", "--templates", folder)
    plain, own = (command("plan", "summarize", *words, "--json").json for words in (asked[:-2], asked))
    assert own["input_tokens"] < plain["input_tokens"]
    done = command("summarize", *asked, "--json")
    assert done.json["usage"]["input_tokens"] == own["input_tokens"]
    assert "changed template" not in command("summarize", *asked, "--diff").out
    assert "map" in command("summarize", *asked[:-2], "--diff").out
    missing = command("summarize", docs, "--templates", tmp_path / "nowhere")
    assert (missing.status, "templates folder" in missing.err) == (2, True)
    empty = command("templates", "lint", docs)
    assert (empty.status, "there is no .j2 file in this folder" in empty.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        (), ("summarize",), ("run",), ("plan",), ("count",), ("ledger",), ("inspect",), ("templates",),
        ("templates", "list"), ("templates", "show"), ("templates", "render"), ("templates", "lint"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_every_command_has_help(command: Command, words: tuple[str, ...]) -> None:
    """With both spellings, on standard output."""
    said = command(*words, "--help")
    assert (said.status, said.err) == (0, "")
    assert said.out == command(*words, "-h").out
    assert "Usage: " in said.out


def test_every_promised_option_is_there(command: Command) -> None:
    """As the public surface lists them."""
    helps = {name: command(name, "--help").out for name in ("summarize", "run", "plan")}
    promised = [
        "--model", "--tokenizer", "--window", "--set", "--out", "--store", "--max-usd", "--max-tokens", "--concurrency",
        "--fresh", "--json",
    ]  # fmt: skip
    for option in promised:
        assert f"{option} " in helps["summarize"]
        assert f"{option} " in helps["run"]
        assert f"{option} " in helps["plan"]


def test_a_model_file_is_inspected(command: Command, tmp_path: Path) -> None:
    """A GGUF's header says what it is, what it needs, and what fits this machine."""
    pytest.importorskip("gguf")
    path = tiny_gguf(tmp_path / "tiny.gguf")
    said = command("inspect", path, "--json", "--context", "256", "--sequences", "3", "--kv", "q8_0")
    assert (said.status, said.err) == (0, "")
    found = said.json
    assert (found["architecture"], found["fits"], found["free"] > 0) == ("llama", True, True)
    assert found["settings"] | {"threads": 1} == {
        "context": 256, "sequences": 3, "kv": "q8_0", "flash_attention": True, "threads": 1,
    }  # fmt: skip
    memory = found["memory"]
    assert memory["total"] == memory["weights"] + memory["kv_cache"] + memory["compute"] + memory["rest"]
    assert {
        "context": 256,
        "sequences": 3,
        "cache": "q8_0",
        "bytes": memory["must_be_free"],
        "fits": True,
        "possible": True,
    } in found["combinations"]
    shown = command("inspect", path).out
    assert "it fits" in shown
    assert "\x1b" not in shown


def test_a_rendered_prompts_count_says_what_is_exact_and_what_was_learned(
    command: Command,
    docs: Path,
    store: Path,
    openai_environment: FakeOpenAI,
) -> None:
    """What the provider adds is assumed until its replies have shown it."""
    words = ("templates", "render", "summarize/map", "-v", "text=hello", "-m", "gpt-4o-mini", "--store", store)
    assert "tokens by o200k_base, exact; 24 more around the messages, assumed" in command(*words).err
    command("summarize", docs / "a.txt", "-m", "openai:gpt-4o-mini", "--store", store)
    assert "exact; 11 more around the messages, learned from 1 reply" in command(*words).err


def test_count_shows_what_the_chunks_would_be(command: Command, docs: Path) -> None:
    """Their number and sizes, per file and in all."""
    said = command("count", docs, "--chunks", 16, "--json")
    found = json.loads(said.out)
    assert found["chunks"] == sum(len(file["chunks"]) for file in found["files"])
    assert all(size <= 16 for file in found["files"] for size in file["chunks"])
    assert "chunk" in command("count", docs, "--chunks", 16).out


def test_chunks_prints_spans_that_tile_the_document(command: Command, docs: Path) -> None:
    """As lines of JSON with the texts, or as a table."""
    said = command("chunks", docs / "a.txt", "--tokens", 16, "--json")
    pieces = [json.loads(line) for line in said.out.splitlines()]
    assert "".join(piece["text"] for piece in pieces) == (docs / "a.txt").read_text(encoding="utf-8")
    assert [piece["start"] for piece in pieces] == [0, *(piece["end"] for piece in pieces[:-1])]
    assert f"{len(pieces)} chunk" in command("chunks", docs / "a.txt", "--tokens", 16).out


def test_tokens_export_fills_a_folder_for_tiktoken(command: Command, tmp_path: Path) -> None:
    """By the name that tiktoken looks for."""
    said = command("tokens", "export", "o200k_base", "--to", tmp_path / "cache")
    assert said.status == 0
    assert Path(said.out.strip()).parent == tmp_path / "cache"
    assert command("tokens", "export", "nothing", "--to", tmp_path).status == 2


def test_a_plan_is_held_against_a_cap(command: Command, docs: Path, script: Script) -> None:
    """A run's own command line can be planned; where more is expected than the cap allows, both are said."""
    spec = script("model: gpt-4o-mini\nreplies: []\n")
    words = ("plan", "summarize", docs, "-m", spec, "--concurrency", 2, "--timeout", 5)
    planned = command(*words, "--json").json
    tokens, most = (part["input_tokens"] + part["output_tokens"] for part in (planned, planned["most"]))
    assert command(*words, "--max-usd", 5).lines == []
    said = f"at most: {most:,} tokens, more than --max-tokens {tokens} allows; what is expected is within the cap"
    assert command(*words, "--max-tokens", tokens).lines == [f"promptops: {said}"]
    short = command(*words, "--max-tokens", tokens - 1)
    assert short.status == 3
    said = f"expected: {tokens:,} tokens, more than --max-tokens {tokens - 1} allows; a run would stop there, and the"
    assert short.lines == [f"promptops: {said} same command would go on"]
    both = command(*words, "--max-usd", "0.00001", "--max-tokens", 5)
    assert f"${planned['usd']:.6f}, more than --max-usd 0.00001 allows, and {tokens:,} tokens, more than" in both.err
    assert command(*words, "--max-usd", "0").status == 2


@pytest.mark.parametrize("option", [("--out", "x"), ("--diff",), ("--watch",)])
def test_what_a_plan_cannot_do_is_refused(command: Command, docs: Path, option: tuple[str, ...]) -> None:
    """Rather than left out in silence."""
    said = command("plan", "summarize", docs, *option)
    assert (said.status, said.out) == (2, "")
    assert said.lines == [
        f"promptops: plan sends nothing, so it takes no {option[0]}: leave that out, or say run in place of plan"
    ]
