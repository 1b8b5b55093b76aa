"""The plan of ``ask``: every part is asked for passages that bear on a question, the best of them are answered from.

A passage is the document's own words. It is looked for in the part that it is said to come from, so that sentences of
the answer lead to exact characters; one that does not stand there is used all the same but leads nowhere, and what
rests on it is flagged. Where not all passages fit the answer's prompt, those nearest to the question go into it, by the
cosine of their TF-IDF vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from promptops.errors import PromptopsError
from promptops.plans import summing
from promptops.plans.ask import ask
from promptops.plans.citations import resolved
from promptops.plans.context import Around
from promptops.plans.halves import Outcome, Part, answered
from promptops.plans.kind import Kind
from promptops.plans.passages import Passage, as_data, best, passages, shortlist
from promptops.plans.plan import Plan
from promptops.plans.question import Question
from promptops.plans.reading import fitting, in_order, opened, parts
from promptops.plans.results import Citation, CorpusResult, DocumentResult, Node
from promptops.plans.spec import Spec
from promptops.types import Document, Source

_MOST = 8_000
"""Passages that are held while documents come in; where there are more, those farther from the question go."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A document's result, and its passages in order."""

    result: DocumentResult
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    citations: tuple[Citation, ...]
    node: Node | None
    left_out: int
    cut: bool
    notes: tuple[str, ...] = ()


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """The passages of all documents, then one answer from them; or an answer for each, without ``corpus``."""
    spec = replace(spec, settings=spec.settings.model_copy(update={"cite": True}))
    spec.check(0)
    gathered = _Gathered(spec)
    document = _each if spec.settings.corpus else _alone
    numbers = iter(range(10**12))
    yield from in_order(
        sources, spec, lambda source: document(source, next(numbers), spec), lambda done: done.result, gathered.take
    )
    return (yield from gathered.finish()) if spec.settings.corpus else None


@dataclass(slots=True)
class _Gathered:
    """The passages of the folder so far."""

    spec: Spec
    passages: list[Passage] = field(default_factory=list)
    documents: int = 0
    missing: int = 0
    dropped: int = 0

    def take(self, asked: _Asked) -> Plan[None]:
        self.passages.extend(asked.passages)
        self.documents += bool(asked.passages)
        self.missing += asked.result.stopped is not None
        if len(self.passages) > _MOST:
            kept = shortlist(self.passages, _MOST // 2, self.spec)
            self.dropped += len(self.passages) - len(kept)
            self.passages = kept
        yield from ()

    def finish(self) -> Plan[CorpusResult]:
        if self.missing:
            error = f"documents still missing: {self.missing}"
            return CorpusResult("failed", documents=self.documents, error=error)
        if not self.passages:
            return CorpusResult("empty", error="no document says anything about the question")
        try:
            answer = yield from _answer(self.passages, "", self.spec)
        except PromptopsError as failure:
            stopped = summing.stopped(failure)
            return CorpusResult("failed", documents=self.documents, error=str(failure), stopped=stopped)
        return CorpusResult(
            "truncated" if answer.cut else "ok",
            answer.text,
            self.documents,
            citations=answer.citations,
            tree=(answer.node,) if answer.node else (),
            left_out=answer.left_out + self.dropped,
            notes=answer.notes,
        )


def _each(source: Source, number: int, spec: Spec) -> Plan[_Asked]:
    """What one document says of the question; whatever goes wrong with it is in the result."""
    read = yield from opened(source)
    if isinstance(read, DocumentResult):
        return _Asked(read)
    title, room = fitting(read, spec, 0)
    budget = min(spec.chunk_tokens("map"), room - room // 4)
    overlap = min(spec.overlap_tokens("map"), budget // 2)
    chunks = yield from parts(source, read, spec.models["map"].counter, budget, overlap)
    if isinstance(chunks, DocumentResult):
        return _Asked(chunks)
    ratio, around = spec.ratio(read.text), Around.of(read, chunks, spec, "map")

    def question(part: Part) -> Question:
        return Question("map", {"text": part.text, "title": title, **around.inputs(part)}, source.name, room, ratio)

    outcomes: list[list[Outcome]] = yield [answered(spec, part, question) for part in Part.of(chunks)]
    return _summed_up(read, number, [outcome for part in outcomes for outcome in part], len(chunks), spec)


def _summed_up(read: Document, number: int, outcomes: Sequence[Outcome], chunks: int, spec: Spec) -> _Asked:
    stopping = summing.stopping(outcomes)
    if stopping is not None or not summing.answered(outcomes):
        return _Asked(summing.failure(read.source, outcomes, chunks, stopping))
    found = tuple(passages(outcomes, read, number, spec))
    tree = summing.leaves(outcomes)
    return _Asked(summing.result(read.source, outcomes, chunks, data=as_data(found), tree=tree), found)


def _alone(source: Source, number: int, spec: Spec) -> Plan[_Asked]:
    """The answer from one document's passages."""
    asked = yield from _each(source, number, spec)
    result = asked.result
    if not asked.passages:
        silent = result.status in ("ok", "truncated")
        return _Asked(replace(result, notes=("it says nothing about the question",))) if silent else asked
    try:
        answer = yield from _answer(asked.passages, source.name, spec)
    except PromptopsError as failure:
        return _Asked(replace(result, status="failed", error=str(failure), stopped=summing.stopped(failure)))
    node = answer.node and replace(answer.node, start=0, end=result.coverage[-1].end, children=result.tree)
    cut = answer.cut or result.status == "truncated"
    return _Asked(
        replace(
            result,
            status="truncated" if cut else "ok",
            text=answer.text,
            citations=answer.citations,
            tree=(node,) if node else result.tree,
            notes=answer.notes,
        )
    )


def _answer(given: Sequence[Passage], document: str, spec: Spec) -> Plan[_Answer]:
    """The answer from the best of these passages."""
    room = spec.room("answer")
    chosen = best(given, min(room - room // 4, spec.settings.reduce_tokens), spec)
    ratio = max(spec.ratio(spec.settings.question), *(passage.ratio for passage in given))
    inputs = {"texts": chosen.texts, "titles": chosen.titles}
    question = Question("answer", inputs, document, room, ratio, level=1, places=chosen.places, final=True)
    question = replace(question, start=chosen.first, end=chosen.last + 1)
    whole = yield from ask(spec, question)
    marked, citations = resolved(whole.text, whole.places)
    left_out = len(given) - chosen.number
    return _Answer(marked.texts[0], citations, whole.node, left_out, whole.status == "truncated", whole.notes)


KIND = Kind(
    "map_rerank",
    folder,
    {"map": ("text", "title", "question"), "answer": ("texts", "titles")},
    ("words", "chunk_tokens", "overlap_tokens", "reduce_tokens", "corpus", "question"),
)
