"""The run: a plan driven through the client. Run again, it goes on: the store gives what is already paid for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import count
from uuid import uuid4

from promptops.client import Client
from promptops.documents import load
from promptops.drivers.covered import Covered
from promptops.drivers.difference import how, text_digest
from promptops.drivers.doors import Doors
from promptops.drivers.drive import Driver
from promptops.drivers.estimate import Estimate
from promptops.drivers.found import Found
from promptops.drivers.job import Job
from promptops.drivers.result import Result
from promptops.drivers.splitting import Splitter, place
from promptops.errors import StoreError
from promptops.plans.plan import Report, Split
from promptops.plans.results import CorpusResult, DocumentResult
from promptops.store import Known, Seen
from promptops.types import Chunk, Document, Source, Tags, Totals

_INLINE = 64 * 1024
_AHEAD = 4
"""Documents under way for each place in flight: enough that a long one does not starve the rest."""


class Observer:
    """Told what happens while a run goes on; does nothing by itself."""

    def began(self, sources: int, size: int) -> None:
        """The run begins on so many documents of so many bytes together."""

    def read(self, source: Source) -> None:
        """A document has been read."""

    def sent(self, totals: Totals) -> None:
        """An attempt is over and took so much."""

    def finished(self, result: DocumentResult, size: int) -> None:
        """A document of ``size`` bytes is done, in whatever order they end."""


_CORPUS = 0
_document: ContextVar[int] = ContextVar("document")
"""Whose calls the running task makes; tasks inherit it. Not by name, since two documents may have the same."""


@dataclass(slots=True)
class _Tally:
    """What each document under way, and the run as a whole, has sent."""

    total: Totals = field(default_factory=Totals)
    documents: dict[int, Totals] = field(default_factory=dict)

    def add(self, number: int, totals: Totals) -> None:
        self.total = self.total + totals
        self.documents[number] = self.documents.get(number, Totals()) + totals

    def of(self, number: int) -> Totals:
        return self.documents.pop(number, Totals())


class _Run:
    def __init__(
        self,
        job: Job,
        client: Client,
        observer: Observer,
        sink: Callable[[DocumentResult], None],
        covered: Covered,
    ) -> None:
        self.id = time.strftime("%Y%m%d-%H%M%S-") + uuid4().hex[:6]
        self.tally = _Tally()
        self.found = Found(covered)
        self._job = job
        self._client = client
        self._observer = observer
        self._sink = sink
        self._serial = count(_CORPUS + 1)
        self._early: dict[int, DocumentResult] = {}
        self._next = 0
        self._seen = Seen(client.database)
        self._how = how(job)
        self._digests: dict[int, bytes] = {}

    async def go(self) -> CorpusResult | None:
        self._observer.began(len(self._job.sources), sum(source.size for source in self._job.sources))
        layouts = self._client.layouts
        split = Splitter(layouts, layouts)
        doors = Doors(self._job, self._client)
        driver = Driver(doors.complete, self._read, self._preparing(split), self._report)
        plan = self._job.start(self.id, ahead=max(_AHEAD * self._client.concurrency, 16))
        token = _document.set(_CORPUS)
        try:
            async with doors.open(self._heard):
                corpus: CorpusResult | None = await driver.run(plan)
        finally:
            _document.reset(token)
        if corpus is None:
            return None
        self.found.add_corpus(corpus)
        return replace(corpus, usage=self.tally.of(_CORPUS))

    def _preparing(self, split: Splitter) -> Callable[[Split], list[Chunk]]:
        def told(request: Split) -> list[Chunk]:
            with self._client.preparing():
                return split(request)

        return told

    async def _read(self, source: Source) -> Document:
        _document.set(next(self._serial))
        with self._client.preparing():
            document = load(source) if source.size < _INLINE else await asyncio.to_thread(load, source)
        self._digests[_document.get()] = text_digest(document)
        self._observer.read(source)
        return document

    def _remember(self, report: Report) -> None:
        """What this document was run with, so that a later run can say why it sends something again."""
        digest = self._digests.pop(_document.get(), None)
        if digest is not None and report.result.status != "failed":
            where = place(self._job.sources[report.number])
            with suppress(StoreError):
                self._seen.put(where, self._job.chain.name, Known(digest, self._how))

    def _heard(self, tags: Tags, totals: Totals) -> None:
        if tags.run == self.id:
            self.tally.add(_document.get(), totals)
            self._observer.sent(totals)

    def _report(self, report: Report) -> None:
        """Tell the observer at once; keep the result until all before it have been handed on."""
        result = replace(report.result, usage=self.tally.of(_document.get()))
        self.found.add(result, self._job.sources[report.number])
        self._observer.finished(result, self._job.sources[report.number].size)
        self._remember(report)
        self._early[report.number] = result
        while self._next in self._early:
            self._sink(self._early.pop(self._next))
            self._next += 1


async def run(
    job: Job,
    client: Client,
    *,
    estimate: Estimate | None = None,
    observer: Observer | None = None,
    sink: Callable[[DocumentResult], None] | None = None,
    min_coverage: float = 0.0,
) -> Result:
    """Send ``job`` through ``client``.

    ``sink`` is given each document's result as soon as it is there, in the order of the folder; without one the result
    holds them all. Where the answers rest on less than the share ``min_coverage`` of the text, the run has failed,
    unless a cap or quota has stopped it. Raises ``UsageError`` before anything is sent where the chain cannot fit the
    model, ``EngineError`` where a local model cannot be loaded.
    """
    kept: list[DocumentResult] = []
    going = _Run(job, client, observer or Observer(), sink or kept.append, Covered(min_coverage))
    start = time.monotonic()
    ended = False
    try:
        corpus = await going.go()
        ended = not going.found.stopped
    finally:
        with suppress(StoreError):
            client.replies.settle(going.id, ended=ended)
    return Result(
        run=going.id,
        chain=job.chain.name,
        model=job.backend.name,
        status=going.found.status(corpus),
        documents=tuple(kept),
        corpus=corpus,
        usage=going.tally.total,
        coverage=going.found.covered.share,
        estimate=estimate,
        stopped=frozenset(going.found.stopped),
        reason=going.found.failure(corpus),
        counts=going.found.counts,
        lacking=going.found.lacking,
        seconds=time.monotonic() - start,
        packing=client.packings.total(going.id),
    )
