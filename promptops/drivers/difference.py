"""The difference: what a run would send again after all that the store holds, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from promptops.drivers.estimate import Phantom
from promptops.drivers.job import Job
from promptops.drivers.splitting import place
from promptops.plans.settings import Settings
from promptops.store import Database, Known, Seen
from promptops.types import Document, Source, Totals


@dataclass(frozen=True, slots=True)
class Changed:
    """One document that would be asked about again; ``source`` is empty for the answer over the folder."""

    source: str
    reasons: tuple[str, ...]
    totals: Totals


@dataclass(frozen=True, slots=True)
class Difference:
    """What would be sent: documents in the folder's order, then the folder; and how many would cost nothing."""

    changed: tuple[Changed, ...]
    unchanged: int
    totals: Totals


_SETTINGS = {**Settings().model_dump(exclude_none=True), "labels": [], "glossary": []}
"""Settings by which the instructions of all templates can be told apart."""


def how(job: Job) -> dict[str, Any]:
    """What beside its text decides what is sent about a document, as a JSON object."""
    return {
        "model": " ".join(backend.identity for backend in job.backends()),
        "settings": job.chain.updated(job.settings).model_dump(mode="json", exclude_none=True),
        "templates": {name: _print(job, name) for name in job.chain.steps},
    }


def text_digest(document: Document) -> bytes:
    """What tells this text from any other."""
    return hashlib.blake2b(document.text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _print(job: Job, name: str) -> str:
    """A digest of a step's instructions, with what they include, and of how the model samples."""
    step = job.chain.steps[name]
    prompts = step.instructions(_SETTINGS)
    asked = [(prompt.messages, prompt.max_tokens, prompt.schema) for prompt in prompts]
    parts = (asked, asdict(step.sampling))
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


async def difference(job: Job, database: Database) -> Difference:
    """What running ``job`` would send with this store, and why; nothing is sent."""
    going = _Difference(job, database)
    await going.run()
    return going.result()


class _Difference(Phantom):
    def __init__(self, job: Job, database: Database) -> None:
        super().__init__(job, database)
        self._seen = Seen(database)
        self._now = how(job)
        self._why: dict[str, tuple[str, ...]] = {}

    async def _read(self, source: Source) -> Document:
        document = await super()._read(source)
        known = self._seen.get(place(source), self._job.chain.name)
        self._why[source.name] = tuple(self._reasons(known, document))
        return document

    def _reasons(self, known: Known | None, document: Document) -> Iterator[str]:
        if known is None:
            yield "new"
            return
        if known.digest != text_digest(document):
            yield "edited text"
        before, now = known.how, self._now
        if before["model"] != now["model"]:
            yield f"other model: {before['model']} before"
        changed = [name for name, digest in now["templates"].items() if before["templates"].get(name) != digest]
        if changed:
            yield f"changed template: {', '.join(changed)}"
        for name, value in now["settings"].items():
            if before["settings"].get(name) != value:
                yield f"other setting: {name} {before['settings'].get(name)!r} before, {value!r} now"

    def result(self) -> Difference:
        """What was found."""
        names = [source.name for source in self._job.sources if source.name in self.documents]
        changed = [Changed(name, self._why[name] or ("not finished before",), self.documents[name]) for name in names]
        if "" in self.documents:
            changed.append(Changed("", ("what it rests on",), self.documents[""]))
        return Difference(tuple(changed), len(self._job.sources) - len(names), Totals.sum(self.documents.values()))
