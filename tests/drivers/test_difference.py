"""Before a run, what it would send again, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

import promptops as po
from promptops.backends.scripted import Scripted

TEXT = "The mill stood by the river. 물레방아는 강가에 있었다. " * 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("a.md", "b.md", "c.md"):
        (docs / name).write_text(f"{name} {TEXT}", encoding="utf-8")
    return docs


@pytest.fixture
def store(folder: Path, tmp_path: Path) -> Path:
    """A store after one run over the folder."""
    path = tmp_path / "store.db"
    with po.connect(Scripted(answer=answer), store=path) as client:
        po.run("summarize", folder, client)
    return path


def answer(call: po.Call) -> str:
    return f"Answer to {hash(call.messages)}."


def reasons(folder: Path, store: Path, **asked: object) -> dict[str, tuple[str, ...]]:
    found = po.diff("summarize", folder, Scripted(answer=answer), store=store, **asked)
    return {Path(part.source).name: part.reasons for part in found.changed}


def test_nothing_to_send_is_no_difference(folder: Path, store: Path) -> None:
    """And all documents are counted as unchanged."""
    found = po.diff("summarize", folder, Scripted(answer=answer), store=store)
    assert (found.changed, found.unchanged, found.totals.calls) == ((), 3, 0)


def test_an_edited_and_a_new_document_are_told_apart(folder: Path, store: Path) -> None:
    """And the folder's answer rests on them."""
    (folder / "b.md").write_text(f"Edited. {TEXT}", encoding="utf-8")
    (folder / "d.md").write_text(f"New. {TEXT}", encoding="utf-8")
    assert reasons(folder, store) == {"b.md": ("edited text",), "d.md": ("new",), "": ("what it rests on",)}


def test_another_setting_is_named_with_what_it_was(folder: Path, store: Path) -> None:
    """For each document."""
    assert reasons(folder, store, words=60)["a.md"] == ("other setting: words 120 before, 60 now",)


def test_another_model_is_named(folder: Path, store: Path) -> None:
    """Its replies are another's."""
    found = po.diff("summarize", folder, "openai:gpt-4o-mini", store=store)
    assert found.changed[0].reasons == ("other model: scripted before",)


def test_a_changed_template_is_named_by_its_step(folder: Path, tmp_path: Path) -> None:
    """Through whatever it includes."""
    home = Path("templates/summarize")
    chain = tmp_path / "mine.yaml"
    (tmp_path / "map.j2").write_text((home / "map.j2").read_text("utf-8"), "utf-8")
    chain.write_text(
        "name: mine\nplan: map_reduce\nsteps:\n  map: {template: map.j2}\n"
        "  reduce: {template: summarize/reduce}\n  corpus: {template: summarize/corpus}\n"
    )
    path = tmp_path / "store.db"
    with po.connect(Scripted(answer=answer), store=path) as client:
        po.run(str(chain), folder, client)
    text = (tmp_path / "map.j2").read_text("utf-8")
    (tmp_path / "map.j2").write_text(text.replace("{% endsystem %}", "Mind the names.\n{% endsystem %}"), "utf-8")
    found = po.diff(str(chain), folder, Scripted(answer=answer), store=path)
    assert {part.reasons for part in found.changed[:-1]} == {("changed template: map",)}


def test_an_unfinished_document_is_said_to_be_one(folder: Path, tmp_path: Path) -> None:
    """It was seen, but its reply is not there."""
    path = tmp_path / "store.db"
    with po.connect(Scripted(answer=answer), store=path, max_tokens=1_000) as client:
        result = po.run("summarize", folder, client)
    missing = {Path(part.source).name for part in result.documents if part.status == "failed"}
    assert missing
    assert {name for name in reasons(folder, path) if name} == missing
