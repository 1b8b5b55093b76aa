"""What a run hands back: per document, for the folder, and which spans of the text the answer rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

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


Flag = Literal["uncited", "unresolved", "misquoted"]


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of a document's text, ``start`` to ``end`` in characters, and that ``text``."""

    source: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """What one sentence of an answer rests on; ``start`` and ``end`` are its characters in the answer.

    ``flag`` says what is wrong: ``uncited`` where it names no place, ``unresolved`` where it names one that there is
    not, ``misquoted`` where words in quotation marks do not stand in the places that it names.
    """

    start: int
    end: int
    places: tuple[Place, ...] = ()
    flag: Flag | None = None
    numbers: tuple[int, ...] = ()
    """The numbers in brackets by which the sentence names its places, in their order."""


@dataclass(frozen=True, slots=True)
class Node:
    """One question on the way from the text to the answer, with what it came to and what it took.

    ``start`` to ``end`` are the characters of the document that it is about; in the folder's own tree, the numbers of
    the documents, from 0. ``children`` are the questions whose answers it was given. ``usage`` is what the answers that
    were looked at took when they were asked for, whether now or in an earlier run; what failed attempts took is in the
    ledger alone.
    """

    step: str
    level: int
    start: int
    end: int
    status: SpanStatus
    text: str = ""
    reason: str | None = None
    usage: Totals = field(default_factory=Totals)
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentResult:
    """One document's answer.

    ``status`` is ``ok``; ``truncated`` where the answer was cut or rests on a part of the text only; ``failed`` where
    there is no answer; ``empty`` where there was nothing to read. ``coverage`` tiles the text, and ``tree`` is how it
    reached the answer. ``citations`` are the answer's sentences, where the chain cites. ``usage`` is what this run sent
    for the document.
    """

    source: str
    status: DocumentStatus
    text: str = ""
    data: Any = None
    chunks: int = 0
    coverage: tuple[Span, ...] = ()
    citations: tuple[Citation, ...] = ()
    tree: tuple[Node, ...] = ()
    """One node, or several where no step joins the parts."""
    usage: Totals = field(default_factory=Totals)
    error: str | None = None
    problems: tuple[Any, ...] | None = None
    """What a check found wrong with the first answer; ``None`` where nothing was checked."""
    notes: tuple[str, ...] = ()
    """What a reader should know of an answer that is whole all the same, such as ``183 of 120 words``."""
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
    data: Any = None
    """The lists of all documents united, where the chain unites lists in JSON."""
    citations: tuple[Citation, ...] = ()
    tree: tuple[Node, ...] = ()
    """How the documents' answers reached it; how each came about is in its own result."""
    left_out: int = 0
    """Passages that did not fit the prompt of the answer."""
    usage: Totals = field(default_factory=Totals)
    error: str | None = None
    notes: tuple[str, ...] = ()
    stopped: str | None = None
    """As for a document."""
