"""The library: found by name, yours before ours, and never outside of its folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.errors import NotFoundError, TemplateError
from promptops.prompts import Library


def write(folder: Path, name: str, body: str = "mine") -> Path:
    path = folder / f"{name}.j2"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\nname: {name}\nversion: 1\n---\n{body}", encoding="utf-8")
    return path


def test_the_stock_library_holds_the_stock_templates() -> None:
    """Partials are no templates."""
    names = Library().names()
    assert {"ask/answer", "extract/map", "summarize/map", "summarize/reduce"} <= set(names)
    assert not any(name.startswith("partials/") for name in names)


def test_a_folder_of_yours_wins_over_the_stock_library(tmp_path: Path) -> None:
    """For the whole template, and for a partial that a stock template includes."""
    write(tmp_path / "a", "summarize/map", "mine, {% include 'partials/style' %}")
    write(tmp_path / "b", "summarize/map", "later")
    write(tmp_path / "b", "partials/style", "in my style")
    library = Library([tmp_path / "a", tmp_path / "b"])
    assert library.template("summarize/map").render().messages[0].content == "mine, in my style"
    assert "in my style" in library.template("summarize/reduce").render(texts=["x"]).messages[0].content
    assert "in my style" not in Library().template("summarize/reduce").render(texts=["x"]).messages[0].content


def test_a_name_may_carry_its_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Your folders come first, then the path as given, then the stock library."""
    write(tmp_path / "folder", "own", "in the folder")
    write(tmp_path, "own", "in the working directory")
    monkeypatch.chdir(tmp_path)
    assert Library([tmp_path / "folder"]).template("own.j2").render().messages[0].content == "in the folder"
    assert Library().template("own.j2").render().messages[0].content == "in the working directory"
    assert Library().template("summarize/map.j2").head.name == "summarize/map"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing",
        "../templates/summarize/map",
        "summarize/../summarize/map",
        "/etc/passwd",
        "x" * 5000,
        "a\0b",
        "partials",
    ],
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """With a hint, and without leaving the library."""
    with pytest.raises(NotFoundError, match="no template is named"):
        Library().template(name)


@pytest.mark.parametrize("name", ["nothing.j2", "x" * 5000 + ".j2", "/nowhere/at/all.j2", ".j2"])
def test_a_file_that_is_not_there_is_refused(name: str) -> None:
    """Whatever its name."""
    with pytest.raises(NotFoundError, match="is not there"):
        Library().template(name)


def test_near_names_are_offered(tmp_path: Path) -> None:
    """Those of your folders too."""
    write(tmp_path, "review/first")
    with pytest.raises(NotFoundError, match="did you mean review/first"):
        Library([tmp_path]).template("review/frist")
    with pytest.raises(NotFoundError, match="did you mean summarize/map"):
        Library().template("summarise/map")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A template is UTF-8."""
    (tmp_path / "bad.j2").write_bytes(b"---\nname: \xff\xfe\n---\n")
    with pytest.raises(TemplateError, match=r"bad\.j2: cannot be read as UTF-8"):
        Library([tmp_path]).template("bad")


def test_a_template_is_read_once(tmp_path: Path) -> None:
    """A run that asks for it a thousand times compiles it once."""
    write(tmp_path, "own")
    library = Library([tmp_path])
    assert library.template("own") is library.template("own")
