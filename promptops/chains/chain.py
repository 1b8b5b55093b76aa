"""A chain: a named plan with its steps and settings, from a YAML file without expressions."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from promptops.errors import ChainError, NotFoundError, TemplateError
from promptops.plans import map_reduce
from promptops.plans.plan import Plan
from promptops.plans.results import CorpusResult
from promptops.plans.settings import Settings
from promptops.plans.spec import Model, Spec, Step
from promptops.prompts import Library
from promptops.resources import library
from promptops.types import Sampling, Source
from promptops.yamlfile import validated

SUFFIXES = (".yaml", ".yml")

_PLANS: dict[str, tuple[Callable[[Iterable[Source], Spec], Plan[CorpusResult | None]], Mapping[str, tuple[str, ...]]]]
_PLANS = {"map_reduce": (map_reduce.folder, map_reduce.STEPS)}


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    template: str
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    version: Annotated[int, Field(ge=1)] = 1
    description: str = ""
    plan: Literal["map_reduce"]
    settings: Settings = Settings()
    steps: dict[str, _Step]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain whose templates are found and whose steps are complete."""

    name: str
    description: str
    plan: str
    settings: Settings
    steps: Mapping[str, Step]

    def start(
        self, sources: Iterable[Source], model: Model, *, run: str, ahead: int, settings: Mapping[str, Any]
    ) -> Plan[CorpusResult | None]:
        """The plan over ``sources``; raises ``UsageError`` for a setting that is unknown or wrong."""
        spec = Spec(run, self.name, self.steps, self.settings.updated(settings), model, ahead)
        return _PLANS[self.plan][0](sources, spec)


def load(name: str) -> Chain:
    """The stock chain ``name``, or the one in the YAML file ``name``.

    A file of yours finds its templates in its own folder, in a ``templates`` folder beside it, and then in the library.
    Raises ``NotFoundError`` where there is no such chain, ``ChainError`` or ``TemplateError`` where it is not valid.
    """
    path, folders = _path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise ChainError(f"{path}: cannot be read as UTF-8 text: {failure}") from None
    file = validated(_File, text, str(path), ChainError)
    return Chain(file.name, file.description, file.plan, file.settings, _steps(file, path, Library(folders)))


def names() -> list[str]:
    """The stock chains."""
    return sorted(path.stem for path in library("chains").glob("*.yaml"))


def _path(name: str) -> tuple[Path, tuple[Path, ...]]:
    if name.endswith(SUFFIXES):
        path = Path(name)
        if not path.is_file():
            raise NotFoundError(f"chain file {name!r} is not there")
        return path, (path.parent, path.parent / "templates")
    if name in names():
        return library("chains") / f"{name}.yaml", ()
    near = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise NotFoundError(
        f"no chain is named {name!r}; {hint}(chains: {', '.join(names())}; or give a .yaml file of yours)"
    )


def _steps(file: _File, path: Path, templates: Library) -> dict[str, Step]:
    needed = _PLANS[file.plan][1]
    for step in needed:
        if step not in file.steps:
            raise ChainError(f"{path}: steps: {file.plan} needs a step {step!r}")
    for step in file.steps:
        if step not in needed:
            raise ChainError(f"{path}: steps.{step}: {file.plan} has no such step (steps: {', '.join(needed)})")
    return {name: _step(name, spec, path, needed[name], templates) for name, spec in file.steps.items()}


def _step(name: str, spec: _Step, path: Path, given: tuple[str, ...], templates: Library) -> Step:
    try:
        template = templates.template(spec.template)
    except NotFoundError as failure:
        raise ChainError(f"{path}: steps.{name}.template: {failure}") from None
    known = {*given, *Settings.model_fields, *spec.inputs}
    for name_given in spec.inputs:
        if name_given not in template.inputs:
            raise ChainError(f"{path}: steps.{name}.inputs.{name_given}: {spec.template} has no such input")
    for wanted, declared in template.inputs.items():
        if declared.required and wanted not in known:
            raise TemplateError(
                f"{template.path}: input {wanted!r} has no default and step {name!r} of {path.name} does not give it "
                f"(it gives: {', '.join(sorted(known))})"
            )
    if given[0] not in template.inputs:
        raise TemplateError(f"{template.path}: step {name!r} needs a template with an input {given[0]!r}")
    return Step(name, template, Sampling(spec.temperature, spec.top_p, spec.seed), spec.inputs)
