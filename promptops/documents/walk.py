"""From paths to sources: files as named, folders in an order that is the same on every machine."""

from __future__ import annotations

import difflib
import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from promptops.documents.listing import Listing
from promptops.errors import NotFoundError, UsageError
from promptops.types import Source

ENDINGS = (".txt", ".md", ".markdown", ".rst", ".html", ".htm", ".pdf", ".docx")
"""What a folder is searched for, in any case. A file that is named explicitly is taken whatever its ending."""

STDIN = "-"

_NOT_WRITTEN_BY_PEOPLE = frozenset(
    {"node_modules", "bower_components", "site-packages", "__pycache__", "__MACOSX", "lost+found", "$RECYCLE.BIN"}
)
# Control characters and direction marks would act on the terminal, lone surrogates cannot be printed at all.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})


@dataclass(slots=True)
class _Search:
    """What one ``find`` has met so far, so that a file or a folder reached twice is taken once.

    The counts are of the folder that was named last: documents met, folders searched before, and other files.
    """

    files: set[object] = field(default_factory=set)
    folders: set[object] = field(default_factory=set)
    documents: int = 0
    known: int = 0
    others: int = 0


def find(paths: Iterable[str | os.PathLike[str]]) -> Listing:
    """The documents that ``paths`` name, in the order of ``paths`` and, within a folder, by name.

    A file is taken whatever its ending, ``-`` is standard input, and a folder is searched for ``ENDINGS``. Hidden
    entries and folders such as ``node_modules`` are skipped, links are followed, and a file or folder reached twice
    (by device and inode) counts once. Names compare by code point after NFC, whatever the locale. What cannot be
    opened is still a source: ``load`` then says why.

    Raises:
        NotFoundError: a path does not exist.
        UsageError: a path cannot be one at all, or a folder holds no document.
    """
    search = _Search()
    return Listing(source for path in paths for source in _expand(os.fspath(path), search))


def printable(path: str) -> str:
    """``path`` as it can be shown on any UTF-8 terminal: what would not print is escaped."""
    return path if path.isprintable() else _UNPRINTABLE.sub(lambda m: m[0].encode("unicode_escape").decode(), path)


def _expand(path: str, search: _Search) -> Iterator[Source]:
    if path == STDIN:
        if _first_time(STDIN, search.files):
            yield Source(STDIN, STDIN)
        return
    status = _stat(path)
    if status is None or not stat.S_ISDIR(status.st_mode):
        yield from _file(path, status, search)
        return
    search.documents = search.known = search.others = 0
    yield from _walk(path, status, search)
    if not search.documents and not search.known:
        raise UsageError(_nothing_in(path, search.others))


def _walk(top: str, status: os.stat_result, search: _Search) -> Iterator[Source]:
    """Depth first, a folder's content in its own place among its siblings; no recursion, since folders nest deep."""
    waiting: list[tuple[str, os.stat_result | None, bool]] = [(top, status, True)]
    while waiting:
        path, status_, is_folder = waiting.pop()
        if not is_folder:
            yield from _file(path, status_, search)
        elif not _first_time(_identity(path, status_), search.folders):
            search.known += 1
        else:
            try:
                waiting.extend(_children(path, search))
            except OSError:
                search.documents += 1
                yield Source(printable(path), path)


def _children(folder: str, search: _Search) -> Iterator[tuple[str, os.stat_result | None, bool]]:
    """What to visit in ``folder``, last name first, as a stack wants it."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=_order, reverse=True)
    for entry in ordered:
        status = _entry_stat(entry)
        is_folder = entry.is_dir(follow_symlinks=False) if status is None else stat.S_ISDIR(status.st_mode)
        if _skipped(entry.name, is_folder=is_folder):
            search.others += not is_folder
        else:
            yield entry.path, status, is_folder


def _file(path: str, status: os.stat_result | None, search: _Search) -> Iterator[Source]:
    search.documents += 1
    if _first_time(_identity(path, status), search.files):
        yield Source(printable(path), path, size=status.st_size if status else 0)


def _skipped(name: str, *, is_folder: bool) -> bool:
    if name.startswith("."):
        return True
    if is_folder:
        return name in _NOT_WRITTEN_BY_PEOPLE
    # "~$name.docx" is what Word leaves beside a document while it is open.
    return not name.lower().endswith(ENDINGS) or name.startswith("~$")


def _order(entry: os.DirEntry[str]) -> tuple[str, str]:
    """NFC first: one file system hands out ``가`` composed, another decomposed."""
    name = entry.name
    return (name if name.isascii() else unicodedata.normalize("NFC", name), name)


def _identity(path: str, status: os.stat_result | None) -> object:
    """One integer per file, since 100,000 tuples weigh ten megabytes; the real path where there is no inode."""
    if status is None or not status.st_ino:
        return os.path.realpath(path)
    return status.st_dev << 64 | status.st_ino


def _first_time(identity: object, seen: set[object]) -> bool:
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _entry_stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    """``None`` for what cannot be reached, such as a broken link; ``load`` says why."""
    try:
        # scandir's own stat leaves the inode out on Windows.
        return entry.stat() if os.name != "nt" else os.stat(entry.path)  # noqa: PTH116 -- a Path costs 100,000 times
    except OSError:
        return None


def _stat(path: str) -> os.stat_result | None:
    """The status of a path that a person named; ``None`` where it is there but may not be reached."""
    try:
        return os.stat(path)  # noqa: PTH116 -- the path stays as it was written
    except OSError as error:
        if error.errno in _GONE:
            raise NotFoundError(_not_there(path)) from error
        if isinstance(error, PermissionError):
            return None
        message = f"{_short(path)} cannot be opened: {error.strerror}; check the path"
        raise UsageError(message) from error
    except ValueError as error:
        message = f"{_short(path)} cannot be a path: it holds a null character"
        raise UsageError(message) from error


def _not_there(path: str) -> str:
    if os.path.islink(path):  # noqa: PTH114 -- the path stays as it was written
        return f"{_short(path)} is a link to {printable(os.readlink(path))}, which does not exist"  # noqa: PTH115
    parent, name = os.path.split(path.rstrip(os.sep))
    try:
        near = difflib.get_close_matches(name, os.listdir(parent or os.curdir), n=3)  # noqa: PTH208 -- str in, str out
    except OSError:
        return f"{_short(path)} does not exist, nor does the folder {_short(parent)}"
    hint = " or ".join(printable(os.path.join(parent, match)) for match in near)  # noqa: PTH118 -- str in, str out
    return f"{_short(path)} does not exist; " + (f"did you mean {hint}?" if hint else "check the path")


def _nothing_in(folder: str, others: int) -> str:
    seen = {0: "it is empty", 1: "it holds one other file"}.get(others, f"it holds {others:,} other files")
    return (
        f"no document in {_short(folder)}: looked for {' '.join(ENDINGS)}, and {seen}; "
        "name a file itself to read it whatever its ending"
    )


def _short(path: str, width: int = 200) -> str:
    """A path for a message: one line, quoted where it would be invisible, its middle left out where it is endless."""
    shown = printable(path)
    if len(shown) > width:
        shown = f"{shown[: width // 2]}…{shown[-width // 2 :]}"
    return shown if shown.strip() else repr(shown)
