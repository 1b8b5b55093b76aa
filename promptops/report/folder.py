"""Results as a folder: a Markdown file per document, ``index.md`` and ``results.jsonl``, written as they come."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from types import TracebackType

from promptops.drivers.run import Result
from promptops.errors import UsageError
from promptops.plans.results import DocumentResult
from promptops.report.jsonable import document, dumps, printable
from promptops.report.words import spent


class Folder:
    """The folder that ``--out`` names; raises ``UsageError`` where it cannot be written."""

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lines = (path / "results.jsonl").open("w", encoding="utf-8")
            self._index = (path / "index.md.part").open("w", encoding="utf-8")
        except OSError as failure:
            raise UsageError(f"--out {path}: {failure.strerror}; name a folder that can be written") from None
        self._index.write("# Documents\n\n")

    def add(self, result: DocumentResult) -> None:
        """Write one document's files."""
        try:
            self._lines.write(dumps(document(result)) + "\n")
            self._lines.flush()
            if result.text:
                name = self._name(result.source)
                self._write(name, _front_matter(result, self._model) + result.text + "\n")
                self._index.write(f"- [{printable(result.source)}](<{name.as_posix()}>)\n")
            else:
                self._index.write(f"- {printable(result.source)}: {result.status}, {result.error}\n")
        except OSError as failure:
            raise UsageError(f"--out {self._path}: {failure.strerror}; what is paid for is in the store") from None

    def close(self, result: Result) -> None:
        """Write the overview and finish the index."""
        try:
            if result.corpus is not None and result.corpus.text:
                self._index.write(f"\n# Overview\n\n{result.corpus.text}\n")
            self._index.write(f"\n---\n{result.model}: {spent(result.usage)}\n")
            self._index.close()
            os.replace(self._path / "index.md.part", self._path / "index.md")
        except OSError as failure:
            raise UsageError(f"--out {self._path}: {failure.strerror}; what is paid for is in the store") from None

    def __enter__(self) -> Folder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._index.close()

    def _name(self, source: str) -> PurePath:
        """A place inside the folder for a document, whatever path it came from."""
        parts = [part for part in PurePath(printable(source)).parts if part not in ("..", ".", "/", os.sep)]
        return PurePath(*(part.replace(":", "_") for part in parts or ["stdin"])).with_name(f"{parts[-1]}.md")

    def _write(self, name: PurePath, text: str) -> None:
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        part.write_text(text, encoding="utf-8")
        os.replace(part, target)


def _front_matter(result: DocumentResult, model: str) -> str:
    usage = result.usage
    return (
        f"---\nsource: {dumps(printable(result.source))}\nmodel: {dumps(model)}\nstatus: {result.status}\n"
        f"input_tokens: {usage.input_tokens}\noutput_tokens: {usage.output_tokens}\n---\n\n"
    )
