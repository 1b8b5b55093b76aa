"""Results as a folder: a Markdown file per document, ``index.md`` and ``results.jsonl``, written as they come.

A file takes its name once it is whole. Until a run has ended, its index and lines are in files that end in ``.part``,
so a run that was stopped leaves those of the run before as they were.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePath
from types import TracebackType
from typing import IO, Self

from promptops.drivers.result import Result
from promptops.errors import UsageError
from promptops.plans.results import DocumentResult
from promptops.report.encoding import dumps, printable
from promptops.report.jsonable import document
from promptops.report.sources import with_sources
from promptops.report.words import plain, share, spent

INDEX = "index.md"
LINES = "results.jsonl"

_PART = ".part"
_SHELVES = 1_024
"""Lists among which the digests of names are divided, so that each is short enough to be searched through."""
_LONGEST = 240
"""Bytes that every file system allows in a name, with room for the endings."""


class Folder:
    """The folder that ``--out`` names; raises ``UsageError`` where it cannot be written."""

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        self._names = _Names((INDEX, LINES, INDEX + _PART, LINES + _PART))
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lines = _open(path / f"{LINES}{_PART}")
            self._index = _open(path / f"{INDEX}{_PART}")
        except OSError as failure:
            raise UsageError(f"--out {path}: {failure.strerror}; name a folder that can be written") from None
        self._index.write("# Documents\n\n")

    def add(self, result: DocumentResult) -> None:
        """Write one document's files."""
        label = printable(result.source)
        try:
            self._lines.write(dumps(document(result)) + "\n")
            self._lines.flush()
            if result.text:
                name = self._name(label)
                self._write(name, _front_matter(result, self._model) + with_sources(result) + "\n")
                self._index.write(f"- [{_escaped(label)}](<{_target(name)}>)\n")
            else:
                self._index.write(f"- {_escaped(label)}: {result.status}, {plain(result.error or 'no answer')}\n")
        except OSError as failure:
            raise self._lost(failure) from None

    def end(self, result: Result) -> None:
        """Write the overview, and give index and lines their names."""
        try:
            if result.corpus is not None and result.corpus.text:
                self._index.write(f"\n# Overview\n\n{with_sources(result.corpus)}\n")
            self._index.write(f"\n---\n{result.model}: {spent(result.usage)}\n")
            for file, name in ((self._lines, LINES), (self._index, INDEX)):
                file.close()
                (self._path / f"{name}{_PART}").replace(self._path / name)
        except OSError as failure:
            raise self._lost(failure) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._lines, self._index):
            with suppress(OSError):
                file.close()

    def _lost(self, failure: OSError) -> UsageError:
        return UsageError(f"--out {self._path}: {failure.strerror}; what is paid for is in the store")

    def _name(self, source: str) -> PurePath:
        """A place of its own inside the folder for a document, whatever path it came from."""
        path = PurePath(source)
        parts = [_short(part) for part in path.parts if part not in ("..", ".", path.anchor)] or ["stdin"]
        stem, number = parts.pop(), 1
        name = PurePath(*parts, f"{stem}.md")
        while not self._names.add(name.as_posix().casefold()):
            number += 1
            name = PurePath(*parts, f"{stem}-{number}.md")
        return name

    def _write(self, name: PurePath, text: str) -> None:
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + _PART)
        with _open(part) as file:
            file.write(text)
        part.replace(target)


class _Names:
    """Names that are taken, eight bytes each: those of a large folder would weigh more than all else of a run."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._digests = [array("Q") for _ in range(_SHELVES)]
        for name in taken:
            self.add(name)

    def add(self, name: str) -> bool:
        """Take ``name``; false where it is taken already."""
        digest = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        shelf = self._digests[digest % _SHELVES]
        if digest in shelf:
            return False
        shelf.append(digest)
        return True


def _open(path: Path) -> IO[str]:
    """Half characters, which a reply may hold and UTF-8 does not, are written as escapes."""
    return path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n")


def _short(part: str) -> str:
    part = plain(part).replace(":", "_")
    if len(part.encode("utf-8", "replace")) <= _LONGEST:
        return part
    digest = hashlib.sha256(part.encode("utf-8", "replace")).hexdigest()[:8]
    return part.encode("utf-8", "replace")[: _LONGEST - 9].decode("utf-8", "ignore") + f"-{digest}"


def _escaped(label: str) -> str:
    return "".join(f"\\{character}" if character in "\\[]<>*_`" else character for character in plain(label))


def _target(name: PurePath) -> str:
    return name.as_posix().replace("\\", "\\\\").replace("<", "%3C").replace(">", "%3E")


def _front_matter(result: DocumentResult, model: str) -> str:
    usage = result.usage
    covered, whole = result.covered
    spans = Counter(span.status for span in result.coverage)
    error = f"error: {dumps(plain(result.error))}\n" if result.error else ""
    notes = f"notes: {dumps([plain(said) for said in result.notes])}\n" if result.notes else ""
    return (
        f"---\nsource: {dumps(printable(result.source))}\nmodel: {dumps(model)}\n"
        f"status: {result.status}\n{error}{notes}"
        f"coverage: {share(covered / whole) if whole else 1}\n"
        f"spans: {{{', '.join(f'{status}: {number}' for status, number in spans.items())}}}\n"
        f"input_tokens: {usage.input_tokens}\noutput_tokens: {usage.output_tokens}\n---\n\n"
    )
