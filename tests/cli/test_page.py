"""``--html``: one page beside whatever else a run writes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops.testing import FakeOpenAI

Command = Callable[..., Any]
Script = Callable[..., str]


def test_html_writes_a_page(command: Command, docs: Path, script: Script, tmp_path: Path) -> None:
    """In the place of text on standard output, and beside --json and --out."""
    page = tmp_path / "new" / "page.html"
    said = command("summarize", docs, "-m", script(), "--html", page)
    assert (said.status, said.out) == (0, "")
    assert f"promptops: written to {page}" in said.lines
    text = page.read_text(encoding="utf-8")
    assert '<h2>Overview </h2>\n<p class="figures">over 3 documents · 1 call' in text
    assert "The third document speaks of rivers." in text
    assert [found.name for found in page.parent.iterdir()] == ["page.html"]
    out = tmp_path / "out"
    both = command("run", "summarize", docs, "-m", script(), "--html", page, "--json", "--out", out)
    assert len(both.json["documents"]) == 3
    assert both.lines[-2:] == [f"promptops: written to {out}/index.md", f"promptops: written to {page}"]


def test_a_page_among_the_documents_is_none_of_them(command: Command, docs: Path, script: Script) -> None:
    """Where the run before wrote it; another HTML file of that name is kept, and nothing is sent."""
    words = ("summarize", docs, "-m", script(), "--json", "--html")
    for _ in range(2):
        said = command(*words, docs / "page.html")
        assert [Path(found["source"]).name for found in said.json["documents"]] == ["a.txt", "b.md", "c.txt"]
    (docs / "mine.html").write_text("<p>My own words stand here.</p>")
    said = command(*words, docs / "mine.html")
    assert said.status == 2
    assert said.lines[-1].endswith("mine.html: something else has that name; give the page a name of its own")
    assert (docs / "mine.html").read_text() == "<p>My own words stand here.</p>"


def test_nothing_is_sent_where_the_page_cannot_be_written(
    command: Command, docs: Path, openai_environment: FakeOpenAI
) -> None:
    """One line says why, before a cent is spent."""
    said = command("summarize", docs, "-m", "openai:gpt-4o-mini", "--html", docs / "a.txt" / "page.html")
    assert said.status == 2
    assert "a.txt/page.html: File exists; name a file that can be written" in said.lines[-1]
    assert not openai_environment.requests


def test_standard_input_has_a_page_too(
    command: Command, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be read only once, and is shown all the same."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("다리는 길을 잇는다. 오래 간다.\n".encode())))
    assert command("summarize", "-", "-m", script(), "--html", tmp_path / "page.html").status == 0
    assert 'lang="ko" dir="auto"><span id="s0-0"' in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_citations_lead_from_the_answer_to_the_source(command: Command, docs: Path, tmp_path: Path) -> None:
    """Each number in an answer, and in the overview, stands before its place in a source."""
    page = tmp_path / "page.html"
    assert command("summarize", docs, "--set", "cite=true", "--html", page).status == 0
    text = page.read_text(encoding="utf-8")
    assert "Sentences</dt>" in text
    assert 'data-labels="1, overview 1"' in text
    assert 'role="button"' in text


def test_a_run_that_a_cap_stopped_has_its_page(
    command: Command, docs: Path, openai_environment: FakeOpenAI, tmp_path: Path
) -> None:
    """With what there is, and why it is not all."""
    words = ("summarize", docs, "-m", "openai:gpt-4o-mini", "--concurrency", "1", "--html", tmp_path / "page.html")
    assert command(*words, "--max-tokens", "900").status == 3
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<span class="status incomplete">incomplete</span>' in text
    assert '<span class="status failed">failed</span>' in text
