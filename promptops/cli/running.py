"""The commands that send: ``run`` and ``summarize``."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptops import api
from promptops.cli import progress
from promptops.client import Client
from promptops.drivers import estimate as estimating
from promptops.drivers import run as driver
from promptops.drivers.estimate import Estimate, Job
from promptops.drivers.run import Result
from promptops.plans.results import DocumentResult
from promptops.prices import FREE
from promptops.report import jsonable
from promptops.report.folder import Folder
from promptops.report.words import dollars, duration, plural, spent

EXIT = {"ok": 0, "failed": 1, "incomplete": 3}
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Asked:
    """What one command line asked for."""

    chain: str
    paths: list[str]
    model: str
    settings: dict[str, Any]
    connection: dict[str, Any]
    out: Path | None
    json: bool


def run(asked: Asked) -> int:
    """Run it and print what came of it; returns the exit status."""
    with api.connect(asked.model, **asked.connection) as client:
        job = api.job(asked.chain, asked.paths, client.backend, asked.settings)
        try:
            result = asyncio.run(_run(asked, job, client))
        except KeyboardInterrupt:
            progress.note(f"stopped; what is paid for is kept. To go on: {command()}")
            return INTERRUPTED
    _conclude(result)
    return EXIT[result.status]


async def _run(asked: Asked, job: Job, client: Client) -> Result:
    estimate = await _estimate(asked, job, client)
    with ExitStack() as stack:
        observer = stack.enter_context(progress.observer(client.budget.max_usd))
        add, close = _output(asked, job, stack)
        try:
            result = await driver.run(job, client, estimate=estimate, observer=observer, sink=add)
            close(result)
        finally:
            await client.aclose()
    return result


async def _estimate(asked: Asked, job: Job, client: Client) -> Estimate | None:
    """The estimate before a run that costs money, has a cap, or is asked for its figures."""
    capped = client.budget.max_usd is not None or client.budget.max_tokens is not None
    if client.backend.price is FREE and not capped and not asked.json:
        return None
    replies = None if client.fresh else client.replies
    estimate = await estimating.estimate(job, replies)
    progress.note(
        f"expected: {spent(estimate.expected)}; at most {dollars(estimate.most.usd)}, "
        f"{estimate.most.tokens:,} tokens" + (f"; {plural(estimate.stored, 'reply')} stored" if estimate.stored else "")
    )
    return estimate


def _output(
    asked: Asked, job: Job, stack: ExitStack
) -> tuple[Callable[[DocumentResult], None], Callable[[Result], None]]:
    """Where each document goes, and what is written once all is done."""
    if asked.json:
        writer = jsonable.ObjectWriter(sys.stdout)
        cut_short = {"chain": asked.chain, "model": job.backend.name, "status": "incomplete"}
        stack.callback(lambda: writer.close(cut_short))
        return writer.add, lambda result: writer.close(jsonable.rest(result))
    if asked.out is not None:
        folder = stack.enter_context(Folder(asked.out, job.backend.name))
        return folder.add, folder.close
    text = _Text(alone=len(job.sources) == 1)
    return text.add, text.close


class _Text:
    """Markdown on standard output: a heading and the answer per document, the overview last."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone

    def add(self, result: DocumentResult) -> None:
        if result.text:
            heading = "" if self._alone else f"## {jsonable.printable(result.source)}\n\n"
            print(f"{heading}{result.text}\n", flush=True)

    def close(self, result: Result) -> None:
        if result.corpus is not None and result.corpus.text:
            print(f"# Overview\n\n{result.corpus.text}", flush=True)


def _conclude(result: Result) -> None:
    progress.note(f"{result.status}: {result.model} · {spent(result.usage)} · {duration(result.seconds)}")
    if result.reason and (result.status == "failed" or result.stopped):
        progress.note(result.reason)
    if result.corpus is not None and result.corpus.error:
        progress.note(f"overview: {result.corpus.error}")
    if result.status == "incomplete" or result.stopped:
        progress.note(f"to go on, paying nothing twice: {command()}")


def command() -> str:
    """The command line as it was given."""
    return shlex.join(["promptops", *sys.argv[1:]])
