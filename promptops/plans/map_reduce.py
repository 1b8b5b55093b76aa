"""The plan of ``summarize`` and its kin: map over the chunks of each document, reduce them, reduce the folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from promptops.errors import PromptopsError
from promptops.plans import summing
from promptops.plans.ask import Partial
from promptops.plans.citations import Places, of_part, resolved
from promptops.plans.context import Around
from promptops.plans.halves import Outcome, Part, answered, mark, says_something
from promptops.plans.kind import Kind
from promptops.plans.plan import Plan
from promptops.plans.question import Question
from promptops.plans.reading import fitting, in_order, opened, parts
from promptops.plans.results import Citation, CorpusResult, DocumentResult
from promptops.plans.review import PROBLEMS, Reviewed, reviewed
from promptops.plans.spec import Spec
from promptops.plans.tree import Tree
from promptops.types import Document, DocumentStatus, Source


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every document, in order, a bounded number under way at once; then one answer over all of them.

    The folder's tree grows while documents finish: neither results nor summaries pile up.
    """
    spec.check(least(spec))
    corpus = Corpus(spec)
    yield from in_order(sources, spec, lambda source: document(source, spec), lambda done: done.result, corpus.take)
    return (yield from corpus.finish())


class Corpus:
    """Grows the folder's tree from the documents that have an answer, in their order."""

    def __init__(self, spec: Spec) -> None:
        self._wanted = spec.settings.corpus and "corpus" in spec.steps
        self._tree = Tree(spec, "corpus" if self._wanted else "reduce", "", room=spec.least_room(), inputs={})
        self._spec = spec
        self._taken = 0
        self._texts = 0
        self.missing = 0
        """Documents that no call was sent about any more."""
        self._failure: PromptopsError | None = None

    def take(self, answered: Answered) -> Plan[None]:
        """The next document's answer."""
        result, number = answered.result, self._taken
        self._taken += 1
        self.missing += result.stopped is not None
        if not result.text or not self._wanted:
            return
        self._texts += 1
        if self.missing or self._failure:
            return
        tokens = self._spec.count(result.text)
        whole = Partial(
            result.text,
            tokens,
            answered.ratio,
            mark=answered.mark,
            start=number,
            end=number + 1,
            places=answered.places,
        )
        try:
            yield from self._tree.add(whole)
        except PromptopsError as failure:
            self._failure = failure

    def finish(self) -> Plan[CorpusResult | None]:
        """The answer over all, ``None`` where there are not two to join."""
        if not self._wanted or self._texts < 2:
            return None
        if self.missing:
            yield from self._tree.abandon()
            return CorpusResult("failed", documents=self._texts, error=f"documents still missing: {self.missing}")
        try:
            if self._failure:
                raise self._failure
            whole = yield from self._tree.finish()
        except PromptopsError as failure:
            yield from self._tree.abandon()
            stopped = summing.stopped(failure)
            return CorpusResult("failed", documents=self._texts, error=str(failure), stopped=stopped)
        if whole is None:
            return None
        status: DocumentStatus = "truncated" if whole.status == "truncated" else "ok"
        text, citations, _ = cited(whole, self._spec)
        tree = summing.joined(whole.node, ())
        return CorpusResult(status, text, self._texts, citations=citations, tree=tree, notes=whole.notes)


@dataclass(frozen=True, slots=True)
class Answered:
    """A document's result, and what the folder's tree needs of it: its tokens per word, its mark, its places."""

    result: DocumentResult
    ratio: float = 1.0
    mark: int = 0
    places: Places = field(default_factory=dict)


def document(source: Source, spec: Spec) -> Plan[Answered]:
    """One document's answer; whatever goes wrong with it is in the result."""
    read = yield from opened(source)
    return Answered(read) if isinstance(read, DocumentResult) else (yield from over(source, read, spec))


def over(source: Source, read: Document, spec: Spec) -> Plan[Answered]:
    """The same of a document that has been read, for a plan around this one."""
    title, room = fitting(read, spec, least(spec))
    budget = min(spec.chunk_tokens("map"), _room_for_text(room, spec))
    chunks = yield from parts(
        source, read, spec.models["map"].counter, budget, min(spec.overlap_tokens("map"), budget // 2)
    )
    if isinstance(chunks, DocumentResult):
        return Answered(chunks)
    around = Around.of(read, chunks, spec, "map")
    whole = Part.of(chunks)
    telling = [part for part in whole if says_something(part.text)]
    alone = telling[0] if len(telling) == 1 else None
    mapped = _Mapped(read, spec, title, room, spec.ratio(read.text), whole, alone, around)
    result, places = yield from mapped.result()
    return Answered(result, mapped.ratio, mark(read.text), places)


@dataclass(frozen=True, slots=True)
class _Mapped:
    """One readable document on its way through map and reduce, in ``parts``; ``room`` is in tokens."""

    document: Document
    spec: Spec
    title: str
    room: int
    ratio: float
    parts: list[Part]
    alone: Part | None
    """The only part that there is something to ask about, whose answer is joined with none."""
    around: Around

    def result(self) -> Plan[tuple[DocumentResult, Places]]:
        """All chunks side by side, then their tree; and what the marks in the answer stand for."""
        found: list[list[Outcome]] = yield [answered(self.spec, part, self._question) for part in self.parts]
        outcomes = [outcome for part in found for outcome in part]
        if stopping := summing.stopping(outcomes):
            return self._failed(outcomes, stopping)
        try:
            whole = yield from self._reduce(outcomes)
            if whole is None:
                return self._failed(outcomes)
            review = yield from reviewed(self.spec, self.document, whole, summing.answered(outcomes), self.room)
        except PromptopsError as failure:
            return self._failed(outcomes, failure)
        return self._summed_up(outcomes, review)

    def _failed(self, outcomes: Sequence[Outcome], why: PromptopsError | None = None) -> tuple[DocumentResult, Places]:
        return summing.failure(self.document.source, outcomes, len(self.parts), why), {}

    def _question(self, part: Part) -> Question:
        marked = of_part(part.text, self.document.source, part.end - len(part.text)) if self.spec.cites else None
        partial = part != self.alone
        inputs = {
            "text": marked.texts[0] if marked else part.text,
            "title": self.title,
            "format": self.document.format,
            "partial": partial,
            **self.around.inputs(part),
        }
        about = (self.document.source, self.room, self.ratio)
        whole, places = self.spec.steps["map"].template.checked, marked.places if marked else None
        return Question("map", inputs, *about, whole=whole, final=not partial, places=places)

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

    def _summed_up(self, outcomes: Sequence[Outcome], review: Reviewed) -> tuple[DocumentResult, Places]:
        whole = review.answer
        text, citations, places = cited(whole, self.spec)
        found = summing.result(
            self.document.source,
            outcomes,
            len(self.parts),
            truncated=whole.status == "truncated",
            text=text,
            citations=citations,
            problems=review.problems,
            notes=(*whole.notes, *review.notes),
            tree=(*summing.joined(whole.node, outcomes), *review.beside),
        )
        last = "reduce" if len(summing.answered(outcomes)) > 1 else "map"
        return (replace(found, data=json.loads(whole.text)) if self.spec.readable(last) else found), places


def cited(whole: Partial, spec: Spec) -> tuple[str, tuple[Citation, ...], Places]:
    """An answer, what its sentences rest on, and what its marks stand for."""
    if not spec.cites:
        return whole.text, (), {}
    marked, citations = resolved(whole.text, whole.places)
    return marked.texts[0], citations, marked.places


def _room_for_text(room: int, spec: Spec) -> int:
    """The tokens that a part may have: what the reply leaves, and the marks of its passages."""
    left = room - room // 4
    return left * 4 // 7 if spec.cites else left


def least(spec: Spec) -> int:
    """The room that two texts and their joint reply take at least, in tokens."""
    return 8 * max(spec.wrapping(step) for step in KIND.joining if step in spec.steps)


KIND = Kind(
    "map_reduce",
    folder,
    {
        "map": ("text", "title", "format", "partial"),
        "reduce": ("texts", "title", "partial"),
        "check": ("answer", "text"),
        "revise": ("answer", "problems"),
        "corpus": ("texts", "partial"),
    },
    ("words", "chunk_tokens", "overlap_tokens", "reduce_tokens", "focus", "language", "corpus"),
    joining=("reduce", "corpus"),
    optional=("check", "revise", "corpus"),
    needs={"revise": "check"},
    lists={"check": PROBLEMS},
    stands_for={"revise": ("map", "reduce")},
)
