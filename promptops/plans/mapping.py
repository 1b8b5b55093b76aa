"""The plan of ``translate``, ``keywords`` and their kin: one question per chunk, the answers joined in order.

Texts are joined with each chunk's own blanks around them, so that nothing between two parts is lost. Lists are united:
of JSON objects, the lists under equal keys; of texts, their lines; each entry once, where it came first.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from promptops.errors import DocumentError, UsageError
from promptops.plans.ask import STOPPING, Partial
from promptops.plans.halves import Outcome, Part, answered, says_something
from promptops.plans.plan import Plan, Read, Report, Split, Start
from promptops.plans.results import LOST, CorpusResult, DocumentResult, Span
from promptops.plans.spec import Question, Spec
from promptops.types import Chunk, Document, Source

STEPS = {"map": ("text", "title", "format", "partial")}
"""The step that a chain of this plan must name, and what it gets beside the settings."""

SETTINGS = ("words", "chunk_tokens")
"""The settings that every chain of this plan knows; further ones are those that its template takes."""

_TITLE = 120
_PER_CHUNK = 6
"""Times a chunk that the window must hold where the reply is as long as it: itself, and four of it for the reply."""


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every document, in order, a bounded number under way at once."""
    spec.check(0)
    under_way: deque[Start] = deque()
    for number, source in enumerate(sources):
        under_way.append((yield Start(_reported(number, source, spec))))
        if len(under_way) >= spec.ahead:
            yield under_way.popleft()
    while under_way:
        yield under_way.popleft()
    return None


def _reported(number: int, source: Source, spec: Spec) -> Plan[None]:
    result = yield from document(source, spec)
    yield Report(number, result)


def document(source: Source, spec: Spec) -> Plan[DocumentResult]:
    """One document's answer; whatever goes wrong with it is in the result."""
    try:
        read: Document = yield Read(source)
    except DocumentError as failure:
        return DocumentResult(source.name, "failed", error=str(failure))
    if not says_something(read.text):
        blank = (Span(0, len(read.text), "empty"),) if read.text else ()
        return DocumentResult(source.name, "empty", coverage=blank, error="there is no text in it")
    title = read.title[:_TITLE] if spec.room("map", read.title[:_TITLE]) >= spec.needed(0) else ""
    room = spec.room("map", title)
    budget = (room - 64) // _PER_CHUNK if spec.alike("map") else room - room // 4
    try:
        chunks: list[Chunk] = yield Split(source, read, max(min(spec.settings.chunk_tokens, budget), 1))
    except UsageError as failure:
        uncut = (Span(0, len(read.text), "failed", str(failure)),)
        return DocumentResult(source.name, "failed", coverage=uncut, error=str(failure))
    ratio, count = spec.ratio(read.text), spec.model.counter.count

    def question(text: str) -> Question:
        inputs = {"text": text, "title": title, "format": read.format, "partial": len(text) < len(read.text)}
        like = count(text) if spec.alike("map") else None
        return Question("map", inputs, source.name, room, ratio, like=like, whole=spec.whole("map"))

    parts = (Part(chunk.start, chunk.end, chunk.text) for chunk in chunks)
    found: list[list[Outcome]] = yield [answered(spec, part, question) for part in parts]
    return _joined(source.name, [outcome for part in found for outcome in part], len(chunks), spec)


def _joined(source: str, outcomes: Sequence[Outcome], chunks: int, spec: Spec) -> DocumentResult:
    coverage = tuple(outcome.span() for outcome in outcomes)
    failed = [span for span in coverage if span.status in LOST]
    stopped = next((outcome.result for outcome in outcomes if isinstance(outcome.result, STOPPING)), None)
    if stopped is not None or not any(isinstance(outcome.result, Partial) for outcome in outcomes):
        error = str(stopped) if stopped is not None else failed[0].reason
        code = stopped.code if stopped is not None else None
        return DocumentResult(source, "failed", chunks=chunks, coverage=coverage, error=error, stopped=code)
    text, data = _text(outcomes) if spec.join == "text" else _united(outcomes, structured=spec.structured("map"))
    cut = failed or any(span.status == "truncated" for span in coverage)
    error = f"{len(failed)} of {len(coverage)} parts failed: {failed[0].reason}" if failed else None
    return DocumentResult(source, "truncated" if cut else "ok", text, data, chunks, coverage, error=error)


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
