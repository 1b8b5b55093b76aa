"""The plan of ``translate``, ``keywords`` and their kin: one question per chunk, the answers joined in order.

Texts are joined with each chunk's own blanks around them, so that nothing between two parts is lost. Lists are united:
of JSON objects, the lists under equal keys; of texts, their lines; each entry once, where it came first (see
``entries``). What JSON entries quote is held against the chunk. The lists of all documents are united too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from promptops.plans import summing
from promptops.plans.ask import Partial
from promptops.plans.context import Around
from promptops.plans.entries import United, united, verified
from promptops.plans.halves import Outcome, Part, answered
from promptops.plans.kind import Kind
from promptops.plans.plan import Plan
from promptops.plans.question import Question
from promptops.plans.reading import each, fitting, parts
from promptops.plans.results import CorpusResult, DocumentResult
from promptops.plans.spec import Spec
from promptops.types import Document, Source

_PER_CHUNK = 6
"""Times a chunk that the window must hold where the reply is as long as it: itself, and four of it for the reply."""


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every document by itself; where they answer with lists in JSON, those of all united."""
    spec.check(0)
    united = spec.join == "list" and spec.structured("map") and spec.settings.corpus
    corpus = _Corpus(spec) if united else None
    yield from each(sources, spec, over, corpus.take if corpus else None)
    return corpus.result() if corpus else None


class _Corpus:
    """Unites the lists of the documents as they finish; what is no list belongs to its document alone."""

    def __init__(self, spec: Spec) -> None:
        self._whole = United(spec.quote, spec.key)
        self._documents = 0
        self._missing = 0

    def take(self, result: DocumentResult) -> Plan[None]:
        self._missing += result.stopped is not None
        if result.text:
            self._documents += 1
            self._whole.add(result.data)
        yield from ()

    def result(self) -> CorpusResult | None:
        data = self._whole.lists
        if self._documents < 2 or data is None:
            return None
        text = json.dumps(data, ensure_ascii=False)
        if not self._missing:
            return CorpusResult("ok", text, self._documents, data=data)
        error = f"documents still missing: {self._missing}"
        return CorpusResult("truncated", text, self._documents, data=data, error=error)


def over(source: Source, read: Document, spec: Spec) -> Plan[DocumentResult]:
    """One document's answer; whatever goes wrong with it is in the result. A plan of yours may be around this one."""
    title, room = fitting(read, spec, 0)
    budget = (room - 64) // _PER_CHUNK if spec.alike("map") else room - room // 4
    counter = spec.models["map"].counter
    chunks = yield from parts(source, read, counter, max(min(spec.chunk_tokens("map"), budget), 1))
    if isinstance(chunks, DocumentResult):
        return chunks
    ratio, around = spec.ratio(read.text), Around.of(read, chunks, spec, "map")

    def question(part: Part) -> Question:
        inputs = {"text": part.text, "title": title, "format": read.format, "partial": False, **around.inputs(part)}
        like = counter.count(part.text) if spec.alike("map") else None
        return Question("map", inputs, source.name, room, ratio, like=like, whole=spec.whole("map"), final=True)

    found: list[list[Outcome]] = yield [answered(spec, part, question) for part in Part.of(chunks)]
    return _joined(source.name, [outcome for part in found for outcome in part], len(chunks), spec)


def _joined(source: str, outcomes: Sequence[Outcome], chunks: int, spec: Spec) -> DocumentResult:
    stopping = summing.stopping(outcomes)
    if stopping is not None or not summing.answered(outcomes):
        return summing.failure(source, outcomes, chunks, stopping)
    tree, notes = summing.leaves(outcomes), _notes(outcomes)
    if spec.join == "text":
        return summing.result(source, outcomes, chunks, text=_text(outcomes), tree=tree, notes=notes)
    if not spec.readable("map"):
        return summing.result(source, outcomes, chunks, text=_lines(outcomes), tree=tree, notes=notes)
    whole = _united(source, outcomes, spec)
    text = json.dumps(whole.value, ensure_ascii=False)
    notes = (*notes, *whole.conflicts())
    return summing.result(source, outcomes, chunks, text=text, data=whole.value, tree=tree, notes=notes)


def _notes(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Those of the parts, in one: how many are longer than asked, and the first of them."""
    found = [note for partial in summing.answered(outcomes) for note in partial.notes]
    if len(outcomes) == 1 or not found:
        return tuple(found)
    return (f"{len(found)} of {len(outcomes)} parts are longer than asked: {found[0]}",)


def _text(outcomes: Iterable[Outcome]) -> str:
    """The answers with the blanks that stood around their parts; a part without any text stays as it is."""
    return "".join(map(_placed, outcomes)).strip()


def _placed(outcome: Outcome) -> str:
    own = outcome.part.text
    if outcome.result is None:
        return own
    bare = own.strip()
    start = own.find(bare)
    answer = outcome.result.text if isinstance(outcome.result, Partial) else ""
    return own[:start] + answer + own[start + len(bare) :]


def _lines(outcomes: Sequence[Outcome]) -> str:
    lines = (line.strip() for partial in summing.answered(outcomes) for line in partial.text.splitlines())
    return "\n".join(united([list(filter(None, lines))]))


def _united(source: str, outcomes: Iterable[Outcome], spec: Spec) -> United:
    """The answers in one, with the places in the document of what they quote."""
    whole = United(spec.quote, spec.key)
    for outcome in outcomes:
        if isinstance(outcome.result, Partial):
            own = outcome.part
            place = partial(_place, source, own.end - len(own.text))
            whole.add(verified(json.loads(outcome.result.text), own.text, place, spec.quote))
    return whole


def _place(source: str, before: int, start: int, end: int) -> dict[str, Any]:
    """Characters of a part as those of its document."""
    return {"source": source, "start": before + start, "end": before + end}


KIND = Kind(
    "map", folder, {"map": ("text", "title", "format", "partial")}, ("words", "chunk_tokens", "corpus"), joins=True
)
