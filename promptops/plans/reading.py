"""How every plan begins: documents under way in order, a bounded number at once; each read and cut into its parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from promptops.errors import DocumentError, UsageError
from promptops.plans.halves import says_something
from promptops.plans.plan import Plan, Read, Report, Split, Start
from promptops.plans.question import Question
from promptops.plans.results import DocumentResult, Span
from promptops.plans.spec import TAKES, Spec, schema_tokens
from promptops.types import Chunk, Counter, Document, Source

T = TypeVar("T")

_TITLE = 120


def in_order(
    sources: Iterable[Source],
    spec: Spec,
    document: Callable[[Source], Plan[T]],
    result: Callable[[T], DocumentResult],
    take: Callable[[T], Plan[None]] | None = None,
) -> Plan[None]:
    """Go on with every ``document`` and report its ``result``; ``take`` is handed each, in order, once it is done."""

    def reported(number: int, source: Source) -> Plan[T]:
        done = yield from document(source)
        yield Report(number, result(done))
        return done

    def oldest() -> Plan[None]:
        done: Any = yield under_way.popleft()
        if take is not None:
            yield from take(done)

    under_way: deque[Any] = deque()
    for number, source in enumerate(sources):
        under_way.append((yield Start(reported(number, source))))
        if len(under_way) >= spec.ahead:
            yield from oldest()
    while under_way:
        yield from oldest()


Over = Callable[[Source, Document, Spec], Plan[DocumentResult]]
"""A plan over a document that has been read, as stock plans have it under the name ``over``."""


def each(
    sources: Iterable[Source], spec: Spec, over: Over, take: Callable[[DocumentResult], Plan[None]] | None = None
) -> Plan[None]:
    """Every document read, and ``over`` it, by itself; whatever goes wrong with one is in its result.

    ``take`` is as for ``in_order``.
    """
    yield from in_order(sources, spec, lambda source: _read_over(source, spec, over), lambda done: done, take)


def _read_over(source: Source, spec: Spec, over: Over) -> Plan[DocumentResult]:
    read = yield from opened(source)
    return read if isinstance(read, DocumentResult) else (yield from over(source, read, spec))


def opened(source: Source) -> Plan[Document | DocumentResult]:
    """The document, or the result that says why there is nothing to ask about."""
    try:
        read: Document = yield Read(source)
    except DocumentError as failure:
        return DocumentResult(source.name, "failed", error=str(failure))
    if says_something(read.text):
        return read
    blank = (Span(0, len(read.text), "empty"),) if read.text else ()
    return DocumentResult(source.name, "empty", coverage=blank, error="there is no text in it")


def parts(
    source: Source, document: Document, counter: Counter, budget: int, overlap: int = 0
) -> Plan[list[Chunk] | DocumentResult]:
    """The document's chunks, or the result that says why it cannot be cut."""
    try:
        chunks: list[Chunk] = yield Split(source, document, counter, budget, overlap)
    except UsageError as failure:
        uncut = (Span(0, len(document.text), "failed", str(failure)),)
        return DocumentResult(source.name, "failed", coverage=uncut, error=str(failure))
    return chunks


def fitting(document: Document, spec: Spec, least: int, *steps: str) -> tuple[str, int]:
    """The document's title, and the room in tokens that ``steps``, by default all, leave beside it.

    No title where a small window would leave less room than ``least`` tokens, or than a reply needs.
    """
    title = document.title[:_TITLE]
    room = spec.least_room(title, *steps)
    return (title, room) if room >= spec.needed(least) else ("", spec.least_room("", *steps))


def excess(spec: Spec, question: Question) -> int:
    """The tokens by which ``question`` and its longest answer pass the window; 0 or less where they fit."""
    call = spec.call(question, spec.prompt(question), TAKES - 1)
    model = spec.models[question.step]
    contents = sum(model.counter.count(message.content) for message in call.messages)
    contents += schema_tokens(call.schema, model.counter) + model.overhead * (len(call.messages) + 1)
    return contents + call.max_output_tokens + model.reasoning - model.window
