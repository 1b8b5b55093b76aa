"""Answers a plan's wish for chunks: as they were before an edit where the store remembers them, else afresh."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from promptops.chunking import split
from promptops.chunking.realign import marks, resplit
from promptops.errors import StoreError
from promptops.plans.plan import Split
from promptops.store import Layouts
from promptops.types import Chunk, Source


@dataclass(frozen=True, slots=True)
class Splitter:
    """Looks for earlier borders in ``known`` and keeps those it finds in ``kept``.

    A text that is one chunk has no borders to remember, so a folder of short documents writes nothing.
    """

    known: Layouts | None = None
    kept: Layouts | None = None

    def __call__(self, request: Split) -> list[Chunk]:
        """The chunks; raises ``UsageError`` where the budget is too small for the text."""
        document, budget, overlap, counter = request.document, request.budget, request.overlap, request.counter
        fresh = split(document.text, budget, counter, overlap=overlap, format=document.format)
        if len(fresh) < 2:
            return fresh
        where, how = place(request.source), f"{counter.name} {budget} {overlap} {document.format}"
        before = self.known.find(document.text, where, how) if self.known else ()
        chunks = fresh
        if before:
            chunks = resplit(document.text, budget, counter, before, overlap=overlap, format=document.format)
        if self.kept:
            with suppress(StoreError):
                self.kept.put(document.text, where, how, marks(document.text, chunks, counter))
        return chunks


def place(source: Source) -> str:
    """What a document goes on being called while it is edited: its path, wherever the run is started from."""
    return str(Path(source.path).resolve()) if source.path and source.path != "-" else source.name
