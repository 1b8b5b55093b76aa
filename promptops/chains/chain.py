"""A chain: a named plan with its steps and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptops.errors import UsageError
from promptops.plans.kind import Kind
from promptops.plans.plan import Plan
from promptops.plans.question import Model, Step
from promptops.plans.results import CorpusResult
from promptops.plans.settings import Settings
from promptops.plans.spec import Spec
from promptops.types import Source


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain whose templates are found and whose steps are complete."""

    name: str
    description: str
    kind: Kind
    settings: Settings
    steps: Mapping[str, Step]
    join: Literal["text", "list"] = "text"
    quote: str = "quote"
    key: tuple[str, ...] = ()

    @property
    def known(self) -> list[str]:
        """The settings it takes: those of its plan, and those that its templates declare as inputs."""
        taken = {name for step in self.steps.values() for name in step.template.inputs if name not in step.inputs}
        absent = {name for name in self.kind.optional if name not in self.steps}
        return [name for name in Settings.model_fields if name in {*self.kind.settings, *taken} - absent]

    def updated(self, given: Mapping[str, Any]) -> Settings:
        """Its settings with ``given`` ones; raises ``UsageError`` for one that is unknown, wrong or missing."""
        settings = self.settings.updated(given, self.known)
        for step in self.steps.values():
            if settings.cite and step.template.structured and "cite" in step.template.inputs:
                raise UsageError(f"{step.template.label} answers in JSON, which holds no marks: take out cite=true")
            for name, declared in step.template.inputs.items():
                if declared.required and name in self.known and name not in step.inputs and not getattr(settings, name):
                    raise UsageError(f"chain {self.name} needs the setting {name!r}: say --set {name}=...")
        return settings

    def start(
        self,
        sources: Iterable[Source],
        models: Mapping[str, Model],
        *,
        run: str,
        ahead: int,
        settings: Mapping[str, Any],
        cautious: bool = False,
    ) -> Plan[CorpusResult | None]:
        """The plan over ``sources``, with the measures of each step's model.

        Raises ``UsageError`` for a setting that is unknown or wrong.
        """
        how = (self.join, self.quote, self.key)
        spec = Spec(run, self.name, self.steps, self.updated(settings), models, ahead, cautious, *how)
        return self.kind.folder(sources, spec)
