"""Which files are documents, in which order, and what is said of paths that are none."""

from __future__ import annotations

import os
import socket
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.documents import ENDINGS, find
from promptops.documents.walk import printable
from promptops.errors import NotFoundError, UsageError


def _write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def _names(*paths: Path) -> list[str]:
    return [os.path.relpath(source.path or "", paths[0]) for source in find(paths)]


def test_a_folder_is_walked_by_name_with_files_and_folders_in_one_order(tmp_path: Path) -> None:
    """A folder's content comes where its name sorts among its siblings."""
    _write(tmp_path, "b/2.md", "b/1.txt", "a.md", "c.rst", "B.md", "a/z.html")
    assert _names(tmp_path) == ["B.md", "a/z.html", "a.md", "b/1.txt", "b/2.md", "c.rst"]


def test_the_order_does_not_depend_on_how_hangul_is_composed(tmp_path: Path) -> None:
    """A decomposed name sorts where its composed form would."""
    composed = ["가.md", "각.md", "나.md"]
    _write(tmp_path, composed[0], unicodedata.normalize("NFD", composed[1]), composed[2])
    assert [unicodedata.normalize("NFC", name) for name in _names(tmp_path)] == composed


def test_every_ending_is_found_in_any_case(tmp_path: Path) -> None:
    """Endings count, their case does not."""
    _write(tmp_path, *(f"x{ending.upper()}" for ending in ENDINGS), "x.png", "x.py", "noending")
    assert sorted(_names(tmp_path)) == sorted(f"x{ending.upper()}" for ending in ENDINGS)


def test_hidden_and_installed_files_are_left_out(tmp_path: Path) -> None:
    """Nobody means .git, node_modules or what Word leaves beside an open file."""
    _write(tmp_path, ".git/a.md", ".hidden.md", "node_modules/x/README.md", "~$open.docx", "__pycache__/a.txt", "in.md")
    assert _names(tmp_path) == ["in.md"]


def test_what_is_named_is_taken(tmp_path: Path) -> None:
    """A named file needs no ending, and a named hidden folder is searched."""
    _write(tmp_path, ".notes/a.md", "Makefile")
    sources = find([tmp_path / "Makefile", str(tmp_path / ".notes")])
    assert [Path(source.name).name for source in sources] == ["Makefile", "a.md"]
    assert [source.size for source in sources] == [8, 11]


def test_a_file_reached_twice_is_one_source(tmp_path: Path) -> None:
    """By its own path, its folder, a link and another spelling."""
    _write(tmp_path, "d/a.md")
    (tmp_path / "d" / "link.md").symlink_to("a.md")
    spelled = f"{tmp_path}/d/../d/a.md"
    assert [source.path for source in find([spelled, tmp_path / "d", tmp_path / "d" / "a.md", tmp_path])] == [spelled]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    """Each folder is searched once, whatever points back to it."""
    _write(tmp_path, "a/b/x.md")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "knot.md").symlink_to(tmp_path / "knot.md")
    assert _names(tmp_path) == ["a/b/x.md", "knot.md"]


def test_standard_input_is_taken_once_in_its_place(tmp_path: Path) -> None:
    """A dash is a source among others."""
    _write(tmp_path, "a.md")
    assert [source.path for source in find(["-", tmp_path / "a.md", "-"])] == ["-", str(tmp_path / "a.md")]


def test_a_missing_path_is_named_with_what_is_close(tmp_path: Path) -> None:
    """One line: the path, and names from the same folder that resemble it."""
    _write(tmp_path, "report.md")
    with pytest.raises(NotFoundError, match=r"reprot\.md does not exist; did you mean .*/report\.md\?") as caught:
        find([tmp_path / "reprot.md"])
    assert "\n" not in str(caught.value)
    with pytest.raises(NotFoundError, match="nor does the folder"):
        find([tmp_path / "no" / "such.md"])
    with pytest.raises(NotFoundError, match="check the path"):
        find([tmp_path / "zzzzzzz"])


def test_a_named_link_to_nothing_says_where_it_points(tmp_path: Path) -> None:
    """The target is what is missing."""
    (tmp_path / "a.md").symlink_to("gone.md")
    with pytest.raises(NotFoundError, match=r"a\.md is a link to gone\.md, which does not exist"):
        find([tmp_path / "a.md"])


@pytest.mark.parametrize("path", ["", " ", "a\0b", "x" * 5000, "/etc/passwd/x", "\n", "\udcff"])
def test_what_cannot_be_a_path_is_one_line(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd strings are a wrong use, never a traceback, and print."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        find([path])
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600
    message.encode()


def test_a_folder_without_documents_says_what_was_looked_for(tmp_path: Path) -> None:
    """The endings, and how much else was there."""
    with pytest.raises(UsageError, match="it is empty"):
        find([tmp_path])
    _write(tmp_path, "a.png", "sub/b.jpg", ".c.md")
    with pytest.raises(UsageError, match=r"looked for \.txt \.md .* holds 3 other files"):
        find([tmp_path])


def test_a_folder_whose_documents_are_known_already_is_no_error(tmp_path: Path) -> None:
    """Its documents are in the list, under the first name."""
    _write(tmp_path, "a.md")
    assert len(find([tmp_path / "a.md", tmp_path])) == 1
    assert len(find([tmp_path, tmp_path])) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such names")
def test_names_that_are_not_utf8_can_be_shown_and_opened(tmp_path: Path) -> None:
    """The path keeps its bytes, the name prints."""
    path = os.fsencode(tmp_path) + b"/\xb0\xa1 \x1b[31m\n.md"
    Path(os.fsdecode(path)).write_text("x")
    (source,) = find([tmp_path])
    assert source.name.isprintable()
    source.name.encode()
    assert os.fsencode(source.path or "") == path


@given(st.text(st.characters(codec=None)))
def test_shown_names_are_one_line_that_utf8_can_carry(name: str) -> None:
    """Whatever the name holds."""
    shown = printable(name)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown


def test_pipes_sockets_and_broken_links_are_sources_that_fail_later(tmp_path: Path) -> None:
    """What looks like a document is never passed over in silence."""
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "gone.md").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)
        try:
            server.bind("socket.md")
        finally:
            os.chdir(here)
        assert _names(tmp_path) == ["gone.md", "pipe.md", "socket.md"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_searched_is_a_source(tmp_path: Path) -> None:
    """It is noted, and the search goes on."""
    _write(tmp_path, "a/x.md", "b.md")
    (tmp_path / "a").chmod(0)
    try:
        assert _names(tmp_path) == ["a", "b.md"]
        assert _names(tmp_path / "a") == ["."]
        assert [source.path for source in find([tmp_path / "a" / "x.md"])] == [str(tmp_path / "a" / "x.md")]
    finally:
        (tmp_path / "a").chmod(0o755)


def test_paths_longer_than_the_system_allows_end_as_sources(tmp_path: Path) -> None:
    """Folders nested deeper than a path may be long do not end the search."""
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("n" * 200, dir_fd=folder)
        deeper = os.open("n" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(os.open("deep.md", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    _write(tmp_path, "z.md")
    sources = find([tmp_path])
    assert len(sources) == 2
    assert sources[-1].name.endswith("z.md")
