"""The estimate: the same plan, answered with phantom replies of n tokens, offline and for nothing.

Twice: once with replies of the asked length, which is what to expect, and once with every reply cut at its limit and
asked for again, which no run passes (failed attempts that the provider bills apart).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from promptops.backends.batch import Batched
from promptops.client.packing import PER_ANSWER, Packed, asked_ids, ids_of, joined, may_be_packed, written
from promptops.client.wrappers import Complete, contents_tokens
from promptops.documents import load
from promptops.drivers.drive import Driver
from promptops.drivers.job import Job
from promptops.drivers.splitting import Splitter
from promptops.plans.filling import filler, words
from promptops.plans.plan import Report
from promptops.plans.results import CorpusResult, DocumentResult
from promptops.shaped import arguments
from promptops.store import Database, Layouts, Packings, Replies, key
from promptops.types import Backend, Call, Document, Reply, Source, Totals, Usage

_AT_ONCE = 16
_AHEAD = 64
"""Calls in flight and documents under way at once, as in a run by default: what is packed together depends on it."""


@dataclass(frozen=True, slots=True)
class Level:
    """The calls of one step at one height of the tree."""

    step: str
    level: int
    expected: Totals
    most: Totals


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would send: ``expected`` where replies have the asked length, ``most`` for any replies at all.

    ``stored`` counts the replies that the store already holds and that will cost nothing. ``usd`` is ``None`` where no
    price is known.
    """

    chain: str
    model: str
    documents: int
    unreadable: tuple[DocumentResult, ...]
    expected: Totals
    most: Totals
    levels: tuple[Level, ...]
    stored: int = 0
    window: int = 0
    at_once: Decimal | None = None
    """US dollars that the expected calls would cost outside of batches; ``None`` where they are not in any."""
    exact: bool = True
    """False where tokens are counted by an estimate of the model's tokenizer."""


async def estimate(job: Job, database: Database | None = None) -> Estimate:
    """What ``job`` would send, knowing what the store ``database`` already holds."""
    expected, most = Phantom(job, database), Phantom(job, database, worst=True)
    await expected.run()
    await most.run()
    places = expected.levels.keys() | most.levels.keys()  # what halves lift a level stands at one in each
    steps = sorted(places, key=lambda place: (place[1], list(job.chain.steps).index(place[0])))
    return Estimate(
        chain=job.chain.name,
        model=job.backend.name,
        documents=len(job.sources),
        unreadable=tuple(expected.unreadable),
        expected=Totals.sum(expected.levels.values()),
        most=Totals.sum(most.levels.values()),
        levels=tuple(
            Level(*place, expected.levels.get(place, Totals()), most.levels.get(place, Totals())) for place in steps
        ),
        stored=expected.stored,
        window=min(model.window for model in job.models().values()),
        at_once=expected.at_once,
        exact=all(backend.counter.exact for backend in job.backends()),
    )


class Phantom:
    """Answers every call with filler, and adds up what the answers would have taken."""

    def __init__(self, job: Job, database: Database | None, *, worst: bool = False) -> None:
        self.levels: dict[tuple[str, int], Totals] = {}
        self.documents: dict[str, Totals] = {}
        """By name; the folder's own calls have none."""
        self.unreadable: list[DocumentResult] = []
        self.stored = 0
        self.at_once = Decimal(0) if any(isinstance(backend, Batched) for backend in job.backends()) else None
        self._job = job
        self._replies = Replies(database) if database is not None else None
        self._split = Splitter(Layouts(database) if database is not None else None)
        self._worst = worst
        self._fillers: dict[tuple[str, int, str], str] = {}

    async def run(self) -> CorpusResult | None:
        """Drive the plan to its end."""
        driver = Driver(self._door(), self._read, self._split, self._report)
        result: CorpusResult | None = await driver.run(self._job.start("", ahead=_AHEAD, cautious=self._worst))
        return result

    def _door(self) -> Complete:
        """What lies before a run's attempts and changes what is sent: the store, and packing."""
        if self._worst:
            return self._known(self._asked_most)
        packings = Packings(Database())
        packed = {
            backend.identity: Packed(self._answer, backend, packings, _AT_ONCE).complete
            for backend in self._job.backends()
        }
        return self._known(lambda call: packed[self._job.asked(call).identity](call))

    def _known(self, inner: Complete) -> Complete:
        async def complete(call: Call) -> Reply:
            found = None if self._replies is None else self._replies.get(key(call, self._job.asked(call).identity))
            if found is None:
                return await inner(call)
            self.stored += 1
            return found

        return complete

    async def _asked_most(self, call: Call) -> Reply:
        """An answer after the most prompts that a call can be in: packed, packed again, and alone."""
        if may_be_packed(call, self._job.asked(call)):
            packed = joined([call], ids_of([call]))
            self._add(packed, packed.max_output_tokens)
            self._add(packed, packed.max_output_tokens, calls=0)  # two prompts for two items, at the least
        return await self._answer(call)

    def _add(self, call: Call, length: int, *, calls: int = 1) -> Usage:
        """Count a call with an answer of so many tokens."""
        backend = self._job.asked(call)
        given = contents_tokens(backend, call) + backend.overhead * (len(call.messages) + 1)
        usage = Usage(given, 0, length + (backend.reasoning if self._worst else 0), 0, estimated=True)
        usd = backend.price.cost(usage) if backend.price is not None else None
        self._add_at_once(backend, usage)
        totals = replace(Totals.of(usage, usd), calls=calls)
        place = (call.tags.step, call.tags.level)
        self.levels[place] = self.levels.get(place, Totals()) + totals
        self.documents[call.tags.document] = self.documents.get(call.tags.document, Totals()) + totals
        return usage

    def _add_at_once(self, backend: Backend, usage: Usage) -> None:
        standard = backend.inner.price if isinstance(backend, Batched) else backend.price
        if self.at_once is not None:
            self.at_once = None if standard is None else self.at_once + standard.cost(usage)

    async def _answer(self, call: Call) -> Reply:
        length = call.max_output_tokens if self._worst else call.expected_output_tokens or call.max_output_tokens
        usage = self._add(call, length)
        if ids := asked_ids(call):
            each = self._filler(call, length // len(ids) - PER_ANSWER)
            return Reply(written(dict.fromkeys(ids, each)), usage)
        if self._worst:
            return Reply(self._filler(call, length), usage, "length")
        if call.expected is not None:
            return Reply(call.expected, usage)
        return Reply(self._filler(call, length, call.schema), usage)

    def _filler(self, call: Call, length: int, schema: Mapping[str, Any] | None = None) -> str:
        """Words of so many tokens, or JSON that fits ``schema``: what cannot be read would be asked for again."""
        counter = self._job.asked(call).counter
        place = counter.name, length, "" if schema is None else json.dumps(dict(schema), sort_keys=True)
        if place not in self._fillers:
            write = words if schema is None else partial(_shaped, schema)
            self._fillers[place] = filler(length, counter, write)
        return self._fillers[place]

    async def _read(self, source: Source) -> Document:
        return load(source)

    def _report(self, report: Report) -> None:
        if report.result.status in ("failed", "empty"):
            self.unreadable.append(report.result)


def _shaped(schema: Mapping[str, Any], number: int) -> str:
    """A small value that ``schema`` allows, so many words in each of its strings."""
    return arguments(schema, f"'{words(number)}'")
