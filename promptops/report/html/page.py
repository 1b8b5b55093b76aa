"""The page: answers go to a temporary file as they come; sources are read again, one at a time, when all is done.

The page takes its name once it is whole. A run that was stopped leaves the page of the run before as it was.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from jinja2 import Template
from markupsafe import Markup

from promptops import api
from promptops.drivers.result import Result
from promptops.errors import UsageError
from promptops.plans.results import Citation, CorpusResult, DocumentResult, Place
from promptops.report.encoding import printable
from promptops.report.html.answers import Piece, pieces, rows
from promptops.report.html.markup import environment, part
from promptops.report.html.segments import Cited
from promptops.report.html.sources import Shown, Traced, shown
from promptops.types import Source

OPENED = 10
"""Documents up to which a page shows all answers at once; those of a larger folder are opened by whoever reads it."""

_PART = ".part"
_MARK = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" content="promptops">\n'
)
_EARLY = 'document.documentElement.classList.add("scripted")'
"""Before there is anything to lay out, so that a large page lays out the one source that it shows."""

_BLOCK = 1 << 14


class Page:
    """The file that ``--html`` names, of a run over ``sources``.

    Raises ``UsageError`` where it cannot be written, or there is a file of that name which is no such page.
    """

    def __init__(self, path: Path, sources: Sequence[Source]) -> None:
        self._path = path
        self._sources = sources
        self._number = 0
        self._sentences = 0
        self._flags: Counter[str] = Counter()
        self._elsewhere: defaultdict[int, list[Cited]] = defaultdict(list)
        if path.exists() and not is_page(path):
            raise UsageError(f"--html {path}: something else has that name; give the page a name of its own")
        self._part = path.with_name(path.name + _PART)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("w", encoding="utf-8", newline="\n")
            self._answers, self._traced = self._temporary(), self._temporary()
        except OSError as failure:
            raise UsageError(f"--html {path}: {failure.strerror}; name a file that can be written") from None

    def add(self, result: DocumentResult) -> None:
        """Take one document's result; they come in the order of the sources."""
        number, self._number = self._number, self._number + 1
        found = self._pieces(result.text, result.citations, number)
        answer = _template("document.html.j2").stream(
            number=number,
            result=result,
            name=printable(result.source),
            pieces=found,
            rows=rows(result.tree),
            opened=len(self._sources) <= OPENED,
        )
        try:
            self._answers.writelines(answer)
            self._traced.write(Traced.of(result, self._cited(found, number)).dumps() + "\n")
        except OSError as failure:
            raise self._lost(failure) from None

    def end(self, result: Result) -> None:
        """Write the page, and give it its name."""
        corpus = result.corpus or CorpusResult("empty")
        found = self._pieces(corpus.text, corpus.citations, None)
        self._cited(found, None)
        page = _template("page.html.j2").stream(
            mark=Markup(_MARK),  # noqa: S704 - it is our own
            style=part("style.css"),
            script=part("script.js"),
            style_hash=_hash(part("style.css")),
            script_hash=_hash(part("script.js")),
            early=Markup(_EARLY),  # noqa: S704 - the same
            early_hash=_hash(_EARLY),
            result=result,
            documents=self._number,
            sentences=self._sentences,
            flags=self._flags,
            many=self._number > OPENED,
            pieces=found,
            rows=rows(corpus.tree),
            answers=self._written(),
            sources=self._shown(),
        )
        try:
            self._file.writelines(page)
            self._file.close()
            self._part.replace(self._path)
        except OSError as failure:
            raise self._lost(failure) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._answers, self._traced, self._file):
            with suppress(OSError):
                file.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)

    def _temporary(self) -> IO[str]:
        """On the disk that the page goes to; it is gone once it is closed."""
        return TemporaryFile("w+", encoding="utf-8", newline="\n", suffix=_PART, dir=self._path.parent)

    def _lost(self, failure: OSError) -> UsageError:
        return UsageError(f"--html {self._path}: {failure.strerror}; what is paid for is in the store")

    def _pieces(self, text: str, citations: Sequence[Citation], own: int | None) -> list[Piece]:
        self._sentences += len(citations)
        self._flags.update(citation.flag for citation in citations if citation.flag)
        return list(pieces(text, citations, lambda place: self._document(place, own)))

    def _document(self, place: Place, own: int | None) -> int | None:
        """Which document a place is in; one that has the same name as another is that which cites itself, or the first.

        ``None`` where it is none of this run.
        """
        if own is not None and self._sources[own].name == place.source:
            return own
        return self._numbers.get(place.source)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {source.name: number for number, source in reversed(list(enumerate(self._sources)))}

    def _cited(self, found: Sequence[Piece], own: int | None) -> list[Cited]:
        """What the sentences of one answer rest on in its own document; what they do in others is kept for those."""
        here: list[Cited] = []
        whose = "overview " if own is None else f"document {own + 1}: "
        for one in (one for piece in found for one in piece.places):
            if one.document == own:
                here.append(Cited(one.place, _label("", one.number)))
            else:
                self._elsewhere[one.document].append(Cited(one.place, _label(whose, one.number)))
        return here

    def _written(self) -> Iterator[Markup]:
        """The answers, as they were written."""
        self._answers.seek(0)
        return (Markup(block) for block in iter(lambda: self._answers.read(_BLOCK), ""))  # noqa: S704 - it is markup

    def _shown(self) -> Iterator[Shown]:
        """The sources, each read when its turn comes."""
        self._traced.seek(0)
        for number, line in enumerate(self._traced):
            yield shown(number, self._sources[number], Traced.loads(line), self._elsewhere.get(number, ()))


def is_page(path: Path) -> bool:
    """Whether a page of ours is there. A device such as ``/dev/stdout`` is none, and is not read from."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_MARK)) == _MARK.encode()
    except OSError:
        return False


def write(result: Result, path: str | Path, sources: api.Paths) -> None:
    """Write ``result`` to ``path``; ``sources`` is what the run was given: they are read again, one at a time.

    Raises ``UsageError`` where the page cannot be written, or these are not the documents of the result.
    """
    given = api.sources(sources)
    if len(given) != len(result.documents):
        raise UsageError(
            f"the result has {len(result.documents)} documents and these are {len(given)}; give what the run was given"
        )
    with Page(Path(path), given) as page:
        for document in result.documents:
            page.add(document)
        page.end(result)


def _template(name: str) -> Template:
    return environment().get_template(name)


def _label(whose: str, number: int | None) -> str:
    return "" if number is None else f"{whose}{number}"


def _hash(text: str) -> str:
    """What lets an element of the page through its own Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
