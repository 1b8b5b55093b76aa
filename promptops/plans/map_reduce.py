"""The plan of ``summarize`` and its kin: map over the chunks of each document, reduce them, reduce the folder."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from promptops.chunking import cores
from promptops.errors import DocumentError, PromptopsError, UsageError
from promptops.plans.ask import STOPPING, Partial
from promptops.plans.halves import Outcome, Part, answered, mark, says_something
from promptops.plans.plan import Plan, Read, Report, Split, Start
from promptops.plans.results import LOST, CorpusResult, DocumentResult, Span
from promptops.plans.spec import Question, Spec, Step
from promptops.plans.tree import Tree, wrapping
from promptops.types import Chunk, Document, Source

STEPS = {
    "map": ("text", "title", "format", "partial"),
    "reduce": ("texts", "title"),
    "corpus": ("texts",),
}
"""The steps that a chain of this plan must name, and what each gets beside the settings."""

SETTINGS = ("words", "chunk_tokens", "overlap_tokens", "reduce_tokens", "focus", "language", "corpus")
"""The settings that every chain of this plan knows."""

_TITLE = 120


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every document, in order, a bounded number under way at once; then one answer over all of them.

    The folder's tree grows while documents finish: neither results nor summaries pile up.
    """
    spec.check(_least(spec))
    corpus = _Corpus(spec)
    under_way: deque[Start] = deque()
    for number, source in enumerate(sources):
        under_way.append((yield Start(_reported(number, source, spec))))
        if len(under_way) >= spec.ahead:
            yield from corpus.take((yield under_way.popleft()))
    while under_way:
        yield from corpus.take((yield under_way.popleft()))
    return (yield from corpus.finish())


def _reported(number: int, source: Source, spec: Spec) -> Plan[Answered]:
    answered = yield from document(source, spec)
    yield Report(number, answered.result)
    return answered


class _Corpus:
    """Grows the folder's tree from the documents that have an answer, in their order."""

    def __init__(self, spec: Spec) -> None:
        self._tree = Tree(spec, "corpus", "", room=spec.least_room(), inputs={})
        self._spec = spec
        self._texts = 0
        self._missing = 0
        self._failure: PromptopsError | None = None

    def take(self, answered: Answered) -> Plan[None]:
        result = answered.result
        self._missing += result.stopped is not None
        if not result.text or not self._spec.settings.corpus:
            return
        self._texts += 1
        if self._missing or self._failure:
            return
        try:
            tokens = self._spec.model.counter.count(result.text)
            yield from self._tree.add(Partial(result.text, tokens, answered.ratio, mark=answered.mark))
        except PromptopsError as failure:
            self._failure = failure

    def finish(self) -> Plan[CorpusResult | None]:
        if not self._spec.settings.corpus or self._texts < 2:
            return None
        if self._missing:
            yield from self._tree.abandon()
            return CorpusResult("failed", documents=self._texts, error=f"documents still missing: {self._missing}")
        try:
            if self._failure:
                raise self._failure
            whole = yield from self._tree.finish()
        except PromptopsError as failure:
            yield from self._tree.abandon()
            return CorpusResult("failed", documents=self._texts, error=str(failure), stopped=_stopped(failure))
        if whole is None:
            return None
        return CorpusResult("truncated" if whole.status == "truncated" else "ok", whole.text, self._texts)


@dataclass(frozen=True, slots=True)
class Answered:
    """A document's result, and what the folder's tree needs of it: its tokens per word, and its text's mark."""

    result: DocumentResult
    ratio: float = 1.0
    mark: int = 0


def document(source: Source, spec: Spec) -> Plan[Answered]:
    """One document's answer; whatever goes wrong with it is in the result."""
    try:
        read: Document = yield Read(source)
    except DocumentError as failure:
        return Answered(DocumentResult(source.name, "failed", error=str(failure)))
    if not says_something(read.text):
        blank = (Span(0, len(read.text), "empty"),) if read.text else ()
        return Answered(DocumentResult(source.name, "empty", coverage=blank, error="there is no text in it"))
    try:
        mapped = yield from _cut(source, read, spec)
    except UsageError as failure:
        uncut = (Span(0, len(read.text), "failed", str(failure)),)
        return Answered(DocumentResult(source.name, "failed", coverage=uncut, error=str(failure)))
    return Answered((yield from mapped.result()), mapped.ratio, mark(read.text))


def _cut(source: Source, document: Document, spec: Spec) -> Plan[_Mapped]:
    title, room = _fitting(document.title[:_TITLE], spec)
    budget = min(spec.settings.chunk_tokens, room - room // 4)
    chunks = yield Split(source, document, budget, min(spec.settings.overlap_tokens, budget // 2))
    return _Mapped(document, spec, title, room, spec.ratio(document.text), chunks)


@dataclass(frozen=True, slots=True)
class _Mapped:
    """One readable document on its way through map and reduce; ``room`` is in tokens."""

    document: Document
    spec: Spec
    title: str
    room: int
    ratio: float
    chunks: list[Chunk]

    def result(self) -> Plan[DocumentResult]:
        """All chunks side by side, then their tree."""
        parts = (Part(*core, chunk.text) for core, chunk in zip(cores(self.chunks), self.chunks, strict=True))
        found: list[list[Outcome]] = yield [answered(self.spec, part, self._question) for part in parts]
        outcomes = [outcome for part in found for outcome in part]
        whole: Partial | PromptopsError | None
        whole = next((outcome.result for outcome in outcomes if isinstance(outcome.result, STOPPING)), None)
        if whole is None:
            try:
                whole = yield from self._reduce(outcomes)
            except PromptopsError as failure:
                whole = failure
        return self._summed_up(outcomes, whole)

    def _question(self, text: str) -> Question:
        inputs = {
            "text": text,
            "title": self.title,
            "format": self.document.format,
            "partial": len(text) < len(self.document.text),
        }
        return Question("map", inputs, self.document.source, self.room, self.ratio)

    def _reduce(self, outcomes: Iterable[Outcome]) -> Plan[Partial | None]:
        tree = Tree(self.spec, "reduce", self.document.source, room=self.room, inputs={"title": self.title})
        try:
            for outcome in outcomes:
                if isinstance(outcome.result, Partial):
                    yield from tree.add(outcome.result)
            return (yield from tree.finish())
        except PromptopsError:
            yield from tree.abandon()
            raise

    def _summed_up(self, outcomes: Sequence[Outcome], whole: Partial | PromptopsError | None) -> DocumentResult:
        coverage = tuple(outcome.span() for outcome in outcomes)
        failed = [span for span in coverage if span.status in LOST]
        if isinstance(whole, Partial):
            cut = failed or whole.status == "truncated" or any(span.status == "truncated" for span in coverage)
            error = f"{len(failed)} of {len(coverage)} parts failed: {failed[0].reason}" if failed else None
            answered = DocumentResult(
                self.document.source,
                "truncated" if cut else "ok",
                whole.text,
                chunks=len(self.chunks),
                coverage=coverage,
                error=error,
            )
            reduced = sum(isinstance(outcome.result, Partial) for outcome in outcomes) > 1
            return _structured(answered, self.spec.steps["reduce" if reduced else "map"])
        return DocumentResult(
            self.document.source,
            "failed",
            chunks=len(self.chunks),
            coverage=coverage,
            error=str(whole) if whole else failed[0].reason,
            stopped=_stopped(whole),
        )


def _structured(answered: DocumentResult, last: Step) -> DocumentResult:
    """The answer with its ``data``, where the template that gave it asks for JSON."""
    if not last.template.structured:
        return answered
    try:
        return replace(answered, data=json.loads(answered.text))
    except ValueError as failure:
        return replace(answered, status="failed", error=f"the answer to {last.template.label} is no JSON: {failure}")


def _stopped(whole: Partial | PromptopsError | None) -> str | None:
    """The code of what kept calls from being sent, where something did."""
    return whole.code if isinstance(whole, STOPPING) else None


def _fitting(title: str, spec: Spec) -> tuple[str, int]:
    """``title``, or nothing where a small window would have too little room left beside it; and the room there is."""
    room = spec.least_room(title)
    return (title, room) if room >= spec.needed(_least(spec)) else ("", spec.least_room())


def _least(spec: Spec) -> int:
    """The room that two texts and their joint reply take at least, in tokens."""
    return 8 * wrapping(spec)
