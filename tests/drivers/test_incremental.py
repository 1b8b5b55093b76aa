"""Run again after an edit, a folder pays for what the edit touched."""

from __future__ import annotations

from pathlib import Path

import pytest

import promptops as po
from promptops.backends.scripted import Scripted
from promptops.errors import QuotaError

SETTINGS = {"chunk_tokens": 120, "reduce_tokens": 300, "words": 8}


def answer(call: po.Call) -> str:
    return f"An answer about {hash(call.messages) % 10**6}."


def section(number: int, note: str = "") -> str:
    return f"## Section {number}\n\n{note}" + f"In section {number} the river rose by {number * 7} feet. " * 8 + "\n\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in range(6):
        (docs / f"{name}.md").write_text("".join(section(100 * name + i) for i in range(40)), encoding="utf-8")
    return docs


def sent(folder: Path, store: Path) -> Scripted:
    """What a run over the folder as it is now sends, in a process that knows only the store."""
    backend = Scripted(answer=answer)
    with po.connect(backend, store=store) as client:
        expected = po.plan("summarize", folder, Scripted(answer=answer), store=store, **SETTINGS).expected
        result = po.run("summarize", folder, client, **SETTINGS)
    assert result.status == "ok"
    assert len(backend.calls) <= expected.calls + 4
    return backend


def test_an_edited_paragraph_costs_its_chunks_and_one_path(folder: Path, tmp_path: Path) -> None:
    """A first run sends hundreds of calls, the second one a handful."""
    store = tmp_path / "store.db"
    first = len(sent(folder, store).calls)
    path = folder / "2.md"
    path.write_text(path.read_text("utf-8").replace(section(219), section(219, "A line was put in here. ")), "utf-8")
    second = sent(folder, store)
    steps = [call.tags.step for call in second.calls]
    assert first > 200
    assert steps.count("map") <= 3
    levels = max(call.tags.level for call in second.calls)
    assert steps.count("reduce") <= 3 * levels
    assert sent(folder, store).calls == []


def test_a_fresh_run_that_failed_leaves_what_was_paid_for_of_use(folder: Path, tmp_path: Path) -> None:
    """It keeps the chunks where an edit left them, so that all earlier replies still answer."""
    store, path = tmp_path / "store.db", folder / "2.md"
    sent(path, store)
    edited = section(219, "A line was put in here. " * 9)
    path.write_text(path.read_text("utf-8").replace(section(219), edited), "utf-8")
    sent(path, store)

    def nothing(_: po.Call) -> str:
        raise QuotaError("no credit")

    with po.connect(Scripted(answer=nothing), store=store, fresh=True) as client:
        assert po.run("summarize", path, client, **SETTINGS).status == "incomplete"
    assert sent(path, store).calls == []


def test_a_renamed_and_a_moved_file_cost_nothing(folder: Path, tmp_path: Path) -> None:
    """Even one whose chunks stand where an earlier edit left them."""
    store = tmp_path / "store.db"
    path = folder / "0.md"
    sent(folder, store)
    path.write_text(
        path.read_text("utf-8").replace(section(19), section(19, "A longer line was put in. " * 9)), "utf-8"
    )
    sent(folder, store)
    path.rename(folder / "0-renamed.md")
    other = tmp_path / "other"
    folder.rename(other)
    assert sent(other, store).calls == []


def test_a_removed_file_costs_the_reduces_above_it(folder: Path, tmp_path: Path) -> None:
    """And no map."""
    store = tmp_path / "store.db"
    sent(folder, store)
    (folder / "3.md").unlink()
    assert {call.tags.step for call in sent(folder, store).calls} == {"corpus"}
