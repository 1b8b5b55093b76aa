"""A job: one chain over some sources, by a backend, or by several where steps have models of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptops.chains import Chain
from promptops.errors import UsageError, WindowError
from promptops.plans.plan import Plan
from promptops.plans.question import Model
from promptops.plans.results import CorpusResult
from promptops.types import Backend, Call, Source


@dataclass(frozen=True, slots=True)
class Job:
    """What every driver drives. ``others`` are the backends of those steps that do not ask ``backend``."""

    chain: Chain
    sources: Sequence[Source]
    backend: Backend
    settings: dict[str, Any]
    others: Mapping[str, Backend] = field(default_factory=dict)

    def asked(self, call: Call) -> Backend:
        """The backend that this call goes to."""
        return self.others.get(call.tags.step, self.backend)

    def backends(self) -> Iterator[Backend]:
        """All of them, the first the one that steps ask by default."""
        yield self.backend
        yield from {backend.identity: backend for backend in self.others.values()}.values()

    def models(self) -> dict[str, Model]:
        """The measures of each step's model.

        Raises what ``measures`` does, and ``UsageError`` for a model that cannot answer in the form of its step.
        """
        asked = {step: self.others.get(step, self.backend) for step in self.chain.steps}
        for name, backend in asked.items():
            template = self.chain.steps[name].template
            if template.checked and not getattr(backend, "forms", True):
                what = "JSON" if template.structured else "one of given answers"
                raise UsageError(
                    f"{template.label} asks for {what}, and {backend.name} can only pick sentences of the document: "
                    f"give another model with --model SPEC, or for this step with --step-model {name}=SPEC"
                )
        return {step: measures(backend) for step, backend in asked.items()}

    def start(self, run: str, ahead: int, *, cautious: bool = False) -> Plan[CorpusResult | None]:
        """A fresh plan; a ``cautious`` one takes the most calls that it may."""
        return self.chain.start(
            self.sources, self.models(), run=run, ahead=ahead, settings=self.settings, cautious=cautious
        )


def measures(backend: Backend) -> Model:
    """What plans may know of a backend.

    Raises ``WindowError`` where its window is unknown, ``UsageError`` where it is an embedding model.
    """
    if not getattr(backend, "answers", True):
        raise UsageError(f"{backend.name} is an embedding model: it gives vectors (po.embed) and no answers")
    if backend.window is None:
        raise WindowError(f"the window of {backend.name} is not known; say it in tokens with --window N (window=N)")
    return Model(backend.counter, backend.window, backend.overhead, backend.reasoning, backend.price)
