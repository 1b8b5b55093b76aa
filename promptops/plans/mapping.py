"""The plan of ``translate``, ``keywords`` and their kin: one question per chunk, the answers joined in order.

Texts are joined with each chunk's own blanks around them, so that nothing between two parts is lost. Lists are united:
of JSON objects, the lists under equal keys; of texts, their lines; each entry once, where it came first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from promptops.plans import summing
from promptops.plans.ask import Partial
from promptops.plans.halves import Outcome, Part, answered
from promptops.plans.kind import Kind
from promptops.plans.plan import Plan
from promptops.plans.reading import each, fitting, opened, parts
from promptops.plans.results import CorpusResult, DocumentResult
from promptops.plans.spec import Question, Spec
from promptops.types import Document, Source

_PER_CHUNK = 6
"""Times a chunk that the window must hold where the reply is as long as it: itself, and four of it for the reply."""


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every document by itself."""
    spec.check(0)
    yield from each(sources, spec, lambda source: document(source, spec))
    return None


def document(source: Source, spec: Spec) -> Plan[DocumentResult]:
    """One document's answer; whatever goes wrong with it is in the result."""
    read = yield from opened(source)
    return read if isinstance(read, DocumentResult) else (yield from over(source, read, spec))


def over(source: Source, read: Document, spec: Spec) -> Plan[DocumentResult]:
    """The same of a document that has been read, for a plan around this one."""
    title, room = fitting(read, spec, 0)
    budget = (room - 64) // _PER_CHUNK if spec.alike("map") else room - room // 4
    counter = spec.models["map"].counter
    chunks = yield from parts(source, read, counter, max(min(spec.chunk_tokens("map"), budget), 1))
    if isinstance(chunks, DocumentResult):
        return chunks
    ratio = spec.ratio(read.text)

    def question(part: Part) -> Question:
        partial = len(part.text) < len(read.text)
        inputs = {"text": part.text, "title": title, "format": read.format, "partial": partial}
        like = counter.count(part.text) if spec.alike("map") else None
        return Question("map", inputs, source.name, room, ratio, like=like, whole=spec.whole("map"))

    found: list[list[Outcome]] = yield [answered(spec, part, question) for part in Part.of(chunks)]
    return _joined(source.name, [outcome for part in found for outcome in part], len(chunks), spec)


def _joined(source: str, outcomes: Sequence[Outcome], chunks: int, spec: Spec) -> DocumentResult:
    stopping = summing.stopping(outcomes)
    if stopping is not None or not summing.answered(outcomes):
        return summing.failure(source, outcomes, chunks, stopping)
    text, data = _text(outcomes) if spec.join == "text" else _united(outcomes, structured=spec.structured("map"))
    return summing.result(source, outcomes, chunks, text=text, data=data, tree=summing.leaves(outcomes))


def _text(outcomes: Iterable[Outcome]) -> tuple[str, None]:
    """The answers with the blanks that stood around their parts; a part without any text stays as it is."""
    return "".join(map(_placed, outcomes)).strip(), None


def _placed(outcome: Outcome) -> str:
    own = outcome.part.text
    if outcome.result is None:
        return own
    bare = own.strip()
    start = own.find(bare)
    answer = outcome.result.text if isinstance(outcome.result, Partial) else ""
    return own[:start] + answer + own[start + len(bare) :]


def _united(outcomes: Iterable[Outcome], *, structured: bool) -> tuple[str, Any]:
    answers = [outcome.result.text for outcome in outcomes if isinstance(outcome.result, Partial)]
    if not structured:
        lines = (line.strip() for answer in answers for line in answer.splitlines())
        return "\n".join(dict.fromkeys(filter(None, lines))), None
    data = united([json.loads(answer) for answer in answers])
    return json.dumps(data, ensure_ascii=False), data


def united(values: Sequence[Any]) -> Any:
    """Lists in one, each entry once; objects member by member; of anything else the first."""
    if all(isinstance(value, list) for value in values):
        first: dict[str, Any] = {}
        for item in (item for value in values for item in value):
            first.setdefault(json.dumps(item, sort_keys=True), item)
        return list(first.values())
    if all(isinstance(value, dict) for value in values):
        names = dict.fromkeys(name for value in values for name in value)
        return {name: united([value[name] for value in values if name in value]) for name in names}
    return values[0]


KIND = Kind("map", folder, {"map": ("text", "title", "format", "partial")}, ("words", "chunk_tokens"), joins=True)
