"""The folder of ``--out``: a place for every name, whole files, and the last run's results kept until this one ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.drivers.result import Result
from promptops.errors import UsageError
from promptops.plans.results import CorpusResult, DocumentResult
from promptops.report.folder import Folder
from promptops.types import Totals


def write(path: Path, *documents: DocumentResult, corpus: CorpusResult | None = None) -> list[str]:
    """Write these, and return the names of all files, sorted."""
    with Folder(path, "some:model") as folder:
        for document in documents:
            folder.add(document)
        folder.end(Result("r", "c", "some:model", "ok", (), corpus, Totals()))
    return sorted(str(found.relative_to(path)) for found in path.rglob("*") if found.is_file())


def named(*names: str) -> list[DocumentResult]:
    return [DocumentResult(name, "ok", f"text of {name}") for name in names]


def test_documents_index_and_lines(tmp_path: Path) -> None:
    """A file per document with its front matter, an index that links them, and a line of JSON for each."""
    documents = [*named("docs/a.txt", "docs/한글.md"), DocumentResult("b.bin", "failed", error="is binary")]
    files = write(tmp_path, *documents, corpus=CorpusResult("ok", "All of it.", 2))
    assert files == ["docs/a.txt.md", "docs/한글.md.md", "index.md", "results.jsonl"]
    head, _, text = (tmp_path / "docs/한글.md.md").read_text(encoding="utf-8").partition("---\n\n")
    assert text == "text of docs/한글.md\n"
    assert 'source: "docs/한글.md"\nmodel: "some:model"\nstatus: ok\n' in head
    index = (tmp_path / "index.md").read_text(encoding="utf-8")
    assert "- [docs/한글.md](<docs/한글.md.md>)\n- b.bin: failed, is binary\n\n# Overview\n\nAll of it.\n" in index
    lines = (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["docs/a.txt", "docs/한글.md", "b.bin"]


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["../../etc/passwd"], ["etc/passwd.md"]),
        (["/etc/passwd"], ["etc/passwd.md"]),
        (["a/../../b.txt"], ["a/b.txt.md"]),
        (["-"], ["-.md"]),
        ([".."], ["stdin.md"]),
        (["/"], ["stdin.md"]),
        ([""], ["stdin.md"]),
        (["../a.txt", "a.txt", "/a.txt"], ["a.txt-2.md", "a.txt-3.md", "a.txt.md"]),
        (["A.txt", "a.txt"], ["A.txt.md", "a.txt-2.md"]),
        (["index"], ["index-2.md"]),
        (["C:\\x.txt"], ["C_\\x.txt.md"]),
        (["a\nb.txt"], ["a b.txt.md"]),
        (["caf\udce9.txt"], ["caf\ufffd.txt.md"]),
        (["~/x.txt"], ["~/x.txt.md"]),
    ],
)
def test_every_name_has_a_place_of_its_own_inside(tmp_path: Path, names: list[str], files: list[str]) -> None:
    """Whatever path a document came from: never outside, never over another."""
    out = tmp_path / "out"
    found = write(out, *named(*names))
    assert found == sorted([*files, "index.md", "results.jsonl"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_long_name_is_cut(tmp_path: Path) -> None:
    """File systems allow 255 bytes, which is 85 Korean syllables; two that differ late stay two."""
    files = write(tmp_path, *named("가" * 84 + ".txt", "나" * 300 + "1", "나" * 300 + "2"))
    assert len(files) == 5
    assert all(len(name.encode()) <= 255 for name in files)


@given(st.lists(st.text(st.characters(exclude_categories=[]), max_size=20), max_size=6))
def test_any_names_and_texts_can_be_written(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    """One file per document, all inside."""
    out = tmp_path_factory.mktemp("any") / "out"
    flat = [name.replace("/", "_") for name in names]
    assert len(write(out, *named(*flat))) == len(flat) + 2
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_half_characters_in_a_reply_are_escaped(tmp_path: Path) -> None:
    """A server may send them; UTF-8 has none."""
    write(tmp_path, DocumentResult("a", "ok", "x\ud800y"), corpus=CorpusResult("ok", "\udfff", 1))
    assert "x\\ud800y" in (tmp_path / "a.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "results.jsonl").read_text(encoding="utf-8"))["text"] == "x\ud800y"


def test_the_last_results_stay_until_a_run_has_ended(tmp_path: Path) -> None:
    """A run that is stopped leaves its lines beside them, each whole."""
    write(tmp_path, *named("a", "b"))
    with Folder(tmp_path, "m") as folder:
        folder.add(named("c")[0])
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 2
    assert "[b]" in (tmp_path / "index.md").read_text()
    assert [json.loads(line)["source"] for line in (tmp_path / "results.jsonl.part").read_text().splitlines()] == ["c"]
    files = write(tmp_path, *named("d"))
    assert not [name for name in files if name.endswith(".part")]


def test_markdown_in_a_name_stays_a_name(tmp_path: Path) -> None:
    """Brackets and stars do not end the link."""
    write(tmp_path, *named("[x](y) *z* <b>.txt"))
    assert r"- [\[x\](y) \*z\* \<b\>.txt](<[x](y) *z* %3Cb%3E.txt.md>)" in (tmp_path / "index.md").read_text()


def test_an_error_is_one_line_of_the_index(tmp_path: Path) -> None:
    """Whatever a server said."""
    write(tmp_path, DocumentResult("a", "failed", error="no\n# Overview\x1b[2J"), DocumentResult("b", "empty"))
    assert "- a: failed, no # Overview [2J\n- b: empty, no answer\n" in (tmp_path / "index.md").read_text()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Before a run, where it is a file; during one, where something else stands in a document's place."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"--out .*file: .*; name a folder"):
        Folder(tmp_path / "file", "m")
    (tmp_path / "out" / "a.md").mkdir(parents=True)
    with pytest.raises(UsageError, match="what is paid for is in the store"):
        write(tmp_path / "out", *named("a"))
