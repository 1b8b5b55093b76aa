"""What a run hands back: per document, for the folder, and which spans of the text the answer rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from promptops.types import DocumentStatus, SpanStatus, Totals

LOST: tuple[SpanStatus, ...] = ("failed", "refused")
"""What becomes of a span that no answer rests on."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a document's text, in characters, and what became of it."""

    start: int
    end: int
    status: SpanStatus
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentResult:
    """One document's answer.

    ``status`` is ``ok``; ``truncated`` where the answer was cut or rests on a part of the text only; ``failed`` where
    there is no answer; ``empty`` where there was nothing to read. ``coverage`` tiles the text. ``usage`` is what this
    run sent for the document.
    """

    source: str
    status: DocumentStatus
    text: str = ""
    data: Any = None
    chunks: int = 0
    coverage: tuple[Span, ...] = ()
    citations: tuple[Any, ...] = ()
    usage: Totals = field(default_factory=Totals)
    error: str | None = None
    stopped: str | None = None
    """The code of what kept calls from being sent (``budget``, ``quota``, ``access``, ``store``)."""

    @property
    def covered(self) -> tuple[int, int]:
        """Characters that the answer rests on, and all there are; spans with nothing in them count as neither."""
        whole = sum(span.end - span.start for span in self.coverage if span.status != "empty")
        lost = sum(span.end - span.start for span in self.coverage if span.status in LOST)
        return (0 if self.status == "failed" else whole - lost), whole


@dataclass(frozen=True, slots=True)
class CorpusResult:
    """The answer over all documents."""

    status: DocumentStatus
    text: str = ""
    documents: int = 0
    """How many documents it rests on."""
    usage: Totals = field(default_factory=Totals)
    error: str | None = None
    stopped: str | None = None
    """As for a document."""
