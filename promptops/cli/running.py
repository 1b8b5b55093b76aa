"""The commands that send: ``run`` and ``summarize``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from promptops import api
from promptops.backends.batch import Batched
from promptops.cli import progress, watching
from promptops.cli.asking import Asked, command
from promptops.cli.concluding import conclude
from promptops.cli.printing import note
from promptops.client import Client
from promptops.documents import Listing
from promptops.drivers import estimate as estimating
from promptops.drivers import run as driver
from promptops.drivers.estimate import Estimate
from promptops.drivers.job import Job
from promptops.drivers.result import Result
from promptops.plans.results import DocumentResult
from promptops.prices import FREE, dollars
from promptops.report import jsonable
from promptops.report.encoding import printable
from promptops.report.folder import Folder
from promptops.report.html import Page, is_page
from promptops.report.sources import with_sources
from promptops.report.words import plain, plural, spent
from promptops.types import Source, Tags, Totals

EXIT = {"ok": 0, "failed": 1, "incomplete": 3}
INTERRUPTED = 130


def run(asked: Asked) -> int:
    """Run it and print what came of it; returns the exit status."""
    with api.connect(asked.model, **asked.connection) as client:
        return _once(asked, client)


def watch(asked: Asked) -> int:
    """Run it, and again after every change of a document, until it is interrupted or may send no more."""
    changes = watching.changes(asked.paths, asked.written)
    with api.connect(asked.model, **asked.connection) as client:
        while True:
            status = _once(asked, client)
            if status == INTERRUPTED:
                return status
            client.fresh = False  # asked again once; what is edited later is all that is new
            note("waiting for changes; Ctrl-C ends it")
            try:
                next(changes)
            except (KeyboardInterrupt, StopIteration):
                return INTERRUPTED


def _once(asked: Asked, client: Client) -> int:
    given = (asked.settings, asked.models, asked.templates)
    job = _without(asked.written, api.job(asked.chain, asked.paths, client.backend, *given))
    try:
        result = asyncio.run(_run(asked, job, client))
    except KeyboardInterrupt:
        _left_at_the_provider(client)
        note("stopped; what is paid for is kept. To go on: ", command(asked))
        return INTERRUPTED
    conclude(result, asked)
    return EXIT[result.status]


def _left_at_the_provider(client: Client) -> None:
    """What an interrupt does not stop."""
    going = list(client.backend.under_way.values()) if isinstance(client.backend, Batched) else []
    if going:
        names, calls = ", ".join(news.batch for news in going), sum(news.calls for news in going)
        note(f"left running at the provider: batch {names} with {plural(calls, 'call')}; going on waits for it")


def _without(written: list[Path], job: Job) -> Job:
    """The job without what an earlier run wrote, should that be inside a folder of documents."""
    ours = [path.resolve() for path in written if path.is_dir() or is_page(path)]
    if not ours:
        return job

    def foreign(source: Source) -> bool:
        path = Path(source.path).resolve() if source.path else None
        return path is None or not any(path.is_relative_to(place) for place in ours)

    kept = filter(foreign, job.sources)
    return replace(job, sources=Listing(kept) if isinstance(job.sources, Listing) else list(kept))


async def _run(asked: Asked, job: Job, client: Client) -> Result:
    asyncio.get_running_loop().set_exception_handler(_quiet_when_stopped)
    estimate = await _estimate(asked, job, client)
    with ExitStack() as stack:
        sinks = list(_sinks(asked, job, client, estimate, stack))
        observer = stack.enter_context(progress.observer(client.budget.max_usd))
        if isinstance(client.backend, Batched):
            stack.enter_context(client.backend.telling(observer.batch))
        try:
            result = await driver.run(
                job,
                client,
                estimate=estimate,
                observer=observer,
                sink=lambda found: _hand_on(found, sinks, observer),
                min_coverage=asked.min_coverage,
            )
            with observer.aside():
                for sink in sinks:
                    sink.end(result)
        finally:
            await client.aclose()
    return result


def _quiet_when_stopped(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A second Ctrl-C ends whatever is just at work; that it did is no news."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)


async def _estimate(asked: Asked, job: Job, client: Client) -> Estimate | None:
    """The estimate before a run that costs money, has a cap, or is asked for its figures."""
    capped = client.budget.max_usd is not None or client.budget.max_tokens is not None
    if client.backend.price is FREE and not capped and not asked.json:
        return None
    estimate = await estimating.estimate(job, client.database)
    note(
        f"expected: {spent(estimate.expected)}; at most {dollars(estimate.most.usd)}, "
        f"{estimate.most.tokens:,} tokens" + (f"; {plural(estimate.stored, 'reply')} stored" if estimate.stored else "")
    )
    return estimate


class Sink(Protocol):
    """Somewhere for results to go."""

    def add(self, result: DocumentResult) -> None:
        """One document is done."""

    def end(self, result: Result) -> None:
        """All is done."""


def _sinks(asked: Asked, job: Job, client: Client, estimate: Estimate | None, stack: ExitStack) -> Iterator[Sink]:
    """Where results go: a folder, a page, one JSON object, or text where none of these is asked for."""
    if asked.out is not None:
        yield stack.enter_context(Folder(asked.out, job.backend.name))
    if asked.html is not None:
        yield stack.enter_context(Page(asked.html, job.sources))
    if asked.json:
        sink = _Json(job, estimate)
        stack.enter_context(client.listening(sink.heard))
        stack.callback(sink.cut_short)
        yield sink
    elif not asked.written:
        yield _Text(alone=len(job.sources) == 1)


def _hand_on(result: DocumentResult, sinks: list[Sink], observer: progress.Plain) -> None:
    with observer.aside():
        for sink in sinks:
            sink.add(result)
        for said in result.notes:
            note(f"{printable(result.source)}: {plain(said)}")


class _Json:
    """One JSON object on standard output, whole even where the run is cut short."""

    def __init__(self, job: Job, estimate: Estimate | None) -> None:
        self._writer = jsonable.ObjectWriter(sys.stdout)
        self._job = job
        self._estimate = estimate
        self._run: str | None = None
        self._sent = Totals()

    def heard(self, tags: Tags, totals: Totals) -> None:
        self._run = tags.run
        self._sent = self._sent + totals

    def add(self, result: DocumentResult) -> None:
        self._writer.add(result)

    def end(self, result: Result) -> None:
        self._writer.close(jsonable.rest(result))

    def cut_short(self) -> None:
        """End an object that has not ended; does nothing to one that has."""
        self._writer.close(
            {
                "run": self._run,
                "chain": self._job.chain.name,
                "model": self._job.backend.name,
                "status": "incomplete",
                "corpus": None,
                "coverage": None,
                "usage": jsonable.sent(self._sent),
                "estimate": jsonable.estimate(self._estimate),
            }
        )


class _Text:
    """Markdown on standard output: a heading and the answer per document, the overview last."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._any = False
        # A terminal obeys control characters, wherever the document had them from; a file or a pipe gets all.
        self._shown = partial(plain, keep="\n\t") if sys.stdout.isatty() else str

    def add(self, result: DocumentResult) -> None:
        if result.text:
            self._any = True
            heading = "" if self._alone else f"## {printable(result.source)}\n\n"
            print(self._shown(f"{heading}{with_sources(result)}\n"), flush=True)

    def end(self, result: Result) -> None:
        if result.corpus is not None and result.corpus.text:
            heading = "# Overview\n\n" if self._any else ""
            print(self._shown(f"{heading}{with_sources(result.corpus)}"), flush=True)
