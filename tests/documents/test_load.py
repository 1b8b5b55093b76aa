"""From files on disk to documents, and what is said of files that are none."""

from __future__ import annotations

import io
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from promptops.documents import find, load
from promptops.errors import DocumentError
from promptops.types import Document, Source


def _load(path: Path, data: bytes | str) -> Document:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    (source,) = find([path])
    return load(source)


def _error(source: Source) -> str:
    with pytest.raises(DocumentError) as caught:
        load(source)
    message = str(caught.value)
    assert message.startswith(source.name)
    assert "\n" not in message
    return message


def test_a_markdown_file(tmp_path: Path) -> None:
    """Text, format, title and encoding."""
    document = _load(tmp_path / "a.md", "# Title\n\nText.\n")
    assert document == Document(str(tmp_path / "a.md"), "# Title\n\nText.\n", "markdown", "Title", "utf-8")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.md", "markdown"), ("a.rst", "rst"), ("a.txt", "text"), ("a", "text"), ("a.py", "code"), ("A.HTM", "markdown")],
)
def test_the_format_comes_from_the_ending(name: str, expected: str, tmp_path: Path) -> None:
    """HTML is Markdown once it is read."""
    assert _load(tmp_path / name, "plain").format == expected


def test_line_ends_are_line_feeds(tmp_path: Path) -> None:
    """Windows and old Mac line ends give the same text as those of Unix, so offsets do not depend on a checkout."""
    assert _load(tmp_path / "a.txt", b"\xef\xbb\xbfa\r\nb\rc\n\r\n").text == "a\nb\nc\n\n"


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.pdf", "a.docx", "a.rst"])
def test_an_empty_file_is_an_empty_document(name: str, tmp_path: Path) -> None:
    """Of any kind; its format is one that documents have."""
    document = _load(tmp_path / name, b"")
    assert (document.text, document.title) == ("", "")
    assert document.format in {"markdown", "rst", "text"}


def test_white_space_is_kept(tmp_path: Path) -> None:
    """Whoever reads the document decides that it is empty."""
    assert _load(tmp_path / "a.txt", " \n\t\n").text == " \n\t\n"


def test_html_without_a_telling_name_is_still_html(tmp_path: Path) -> None:
    """A page that was saved under any name."""
    document = _load(tmp_path / "page", "<!DOCTYPE html><title>T</title><h1>H</h1><script>x</script>")
    assert (document.text, document.format, document.title) == ("# H", "markdown", "T")


def test_text_in_memory() -> None:
    """No file is read; what no model can be sent is replaced."""
    document = load(Source("note.md", text="\ufeff# 제목\r\n\ud800x\ud83d\ude00"))
    assert (document.text, document.title) == ("# 제목\n\ufffdx\U0001f600", "제목")
    _error(Source("nothing"))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are decoded like a file's; a text stream in its place is taken as it is."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("한글 문서입니다".encode("cp949"))))
    assert load(Source("-", "-")) == Document("-", "한글 문서입니다", "text", "", "cp949")
    monkeypatch.setattr(sys, "stdin", io.StringIO("text"))
    assert load(Source("-", "-")).text == "text"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DocumentError, match="standard input is closed"):
        load(Source("-", "-"))


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    """The message says what to do."""
    (tmp_path / "a.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)))
    assert "looks like a binary file; convert it" in _error(find([tmp_path])[0])


def test_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    """Removed between find and load."""
    (tmp_path / "a.txt").write_text("x")
    (source,) = find([tmp_path])
    (tmp_path / "a.txt").unlink()
    assert "not there any more" in _error(source)


@pytest.mark.parametrize("kind", ["pipe", "link", "knot"])
def test_what_is_no_file_fails_at_once(kind: str, tmp_path: Path) -> None:
    """A pipe without a writer does not hang; a broken link says what it is."""
    path = tmp_path / "x.md"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("x.md" if kind == "knot" else "gone")
    message = _error(find([tmp_path])[0])
    assert {"pipe": "named pipe", "link": "link to a file", "knot": "cannot be read"}[kind] in message


def test_a_pipe_is_left_to_its_writer(tmp_path: Path) -> None:
    """Refusing it does not open it, so the writer's next reader gets everything."""
    path = tmp_path / "x.md"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_text("for another"))
    writer.start()
    _error(Source(str(path), str(path)))
    assert path.read_text() == "for another"
    writer.join()


def test_a_device_is_no_document() -> None:
    """It might never end."""
    assert "device" in _error(find(["/dev/zero"])[0])


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    """Made after the search."""
    assert "is a folder" in _error(Source("x.md", str(tmp_path)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_says_so(tmp_path: Path) -> None:
    """A file and a folder."""
    (tmp_path / "a.md").write_text("x")
    (tmp_path / "a.md").chmod(0)
    (tmp_path / "b").mkdir(mode=0)
    try:
        assert ["permission denied" in _error(source) for source in find([tmp_path])] == [True, True]
    finally:
        (tmp_path / "b").chmod(0o755)


def test_names_that_are_not_utf8_are_opened_and_shown(tmp_path: Path) -> None:
    """Source and title print."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xb0\xa1.txt")).write_text("x")
    document = load(find([tmp_path])[0])
    (document.source + document.title).encode()


def test_a_file_that_grows_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document is one version of the file, never half of each; a file that never rests is an error."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    real, writes = os.fstat, iter(["newer", "newest"])

    def fstat(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        text = next(writes, None)
        if text:
            path.write_text(text)
        return status

    monkeypatch.setattr(os, "fstat", fstat)
    (source,) = find([path])
    assert load(source).text == "newest"
    writes = iter(["x" * n for n in range(1, 20)])
    assert "changed during each of 3 readings" in _error(source)


def test_files_whose_size_is_unknown_are_read() -> None:
    """Those of /proc say that they are empty."""
    if not Path("/proc/version").exists():
        pytest.skip("no /proc")
    assert load(find(["/proc/version"])[0]).text


def test_loading_in_many_threads_gives_what_loading_one_by_one_gives(tmp_path: Path) -> None:
    """Nothing is shared between two loads."""
    texts = {"a.md": "# A\n한글", "b.html": "<h1>B</h1><ul><li>1</ul>", "c.txt": "날씨가 좋습니다. 오늘은"}
    for number in range(20):
        for name, text in texts.items():
            (tmp_path / f"{number}{name}").write_bytes(text.encode("cp949" if name == "c.txt" else "utf-8"))
    sources = find([tmp_path])
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(load, sources)) == [load(source) for source in sources]
