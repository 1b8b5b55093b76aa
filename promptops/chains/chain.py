"""A chain: a named plan with its steps and settings, from a YAML file without expressions."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from promptops.errors import ChainError, NotFoundError, TemplateError, UsageError
from promptops.plans import map_reduce, mapping
from promptops.plans.plan import Plan
from promptops.plans.results import CorpusResult
from promptops.plans.settings import Settings
from promptops.plans.spec import Model, Spec, Step
from promptops.prompts import Library
from promptops.prompts.files import is_file
from promptops.prompts.front_matter import fits
from promptops.resources import library
from promptops.types import Sampling, Source
from promptops.yamlfile import line_of, validated

if TYPE_CHECKING:
    from promptops.prompts.template import Template

SUFFIXES = (".yaml", ".yml")

_Given = Mapping[str, tuple[str, ...]]
_PLANS: dict[str, tuple[Callable[[Iterable[Source], Spec], Plan[CorpusResult | None]], _Given, tuple[str, ...]]]
_PLANS = {
    "map_reduce": (map_reduce.folder, map_reduce.STEPS, map_reduce.SETTINGS),
    "map": (mapping.folder, mapping.STEPS, mapping.SETTINGS),
}
"""By name: the plan, the steps it needs with what each is given, and the settings that it knows by itself."""


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    template: str
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    pack: Annotated[int, Field(ge=2)] | Literal["auto"] | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    version: Annotated[int, Field(ge=1)] = 1
    description: str = ""
    plan: Literal["map_reduce", "map"]
    join: Literal["text", "list"] = "text"
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
    join: Literal["text", "list"] = "text"

    @property
    def known(self) -> list[str]:
        """The settings it takes: those of its plan, and those that its templates declare as inputs."""
        taken = {name for step in self.steps.values() for name in step.template.inputs if name not in step.inputs}
        return [name for name in Settings.model_fields if name in _PLANS[self.plan][2] or name in taken]

    def updated(self, given: Mapping[str, Any]) -> Settings:
        """Its settings with ``given`` ones; raises ``UsageError`` for one that is unknown, wrong or missing."""
        settings = self.settings.updated(given, self.known)
        for step in self.steps.values():
            for name, declared in step.template.inputs.items():
                if declared.required and name in self.known and name not in step.inputs and not getattr(settings, name):
                    raise UsageError(f"chain {self.name} needs the setting {name!r}: say --set {name}=...")
        return settings

    def start(
        self,
        sources: Iterable[Source],
        model: Model,
        *,
        run: str,
        ahead: int,
        settings: Mapping[str, Any],
        cautious: bool = False,
    ) -> Plan[CorpusResult | None]:
        """The plan over ``sources``; raises ``UsageError`` for a setting that is unknown or wrong."""
        spec = Spec(run, self.name, self.steps, self.updated(settings), model, ahead, cautious, self.join)
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
    steps = _Steps(path, text, Library(folders)).all(file)
    return Chain(file.name, file.description, file.plan, file.settings, steps, file.join)


def names() -> list[str]:
    """The stock chains."""
    return sorted(path.stem for path in library("chains").glob("*.yaml"))


def _path(name: str) -> tuple[Path, tuple[Path, ...]]:
    if name.endswith(SUFFIXES):
        path = Path(name)
        if not is_file(name):
            raise NotFoundError(f"chain file {name!r} is not there; check the path")
        return path, (path.parent, path.parent / "templates")
    if name in names():
        return library("chains") / f"{name}.yaml", ()
    near = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise NotFoundError(
        f"no chain is named {name!r}; {hint}(chains: {', '.join(names())}; or give a .yaml file of yours)"
    )


class _Steps:
    """Finds the template of each step and checks that the two go together; every complaint with its file and line."""

    def __init__(self, path: Path, text: str, templates: Library) -> None:
        self._path = path
        self._text = text
        self._templates = templates

    def all(self, file: _File) -> dict[str, Step]:
        """The steps of ``file``; raises ``ChainError`` or ``TemplateError``."""
        needed = _PLANS[file.plan][1]
        for step in needed:
            if step not in file.steps:
                raise self._error(("steps",), f"{file.plan} needs a step {step!r}")
        for step in file.steps:
            if step not in needed:
                raise self._error(("steps", step), f"{file.plan} has no such step (steps: {', '.join(needed)})")
        return {name: self._step(name, spec, needed[name]) for name, spec in file.steps.items()}

    def _step(self, name: str, spec: _Step, given: tuple[str, ...]) -> Step:
        try:
            template = self._templates.template(spec.template)
        except NotFoundError as failure:
            raise self._error(("steps", name, "template"), str(failure)) from None
        self._check_inputs(name, spec, given, template)
        known = {*given, *Settings.model_fields, *spec.inputs}
        for wanted, declared in template.inputs.items():
            if declared.required and wanted not in known:
                raise TemplateError(
                    f"{template.path}: input {wanted!r} has no default and step {name!r} of {self._path.name} does not "
                    f"give it (it gives: {', '.join(sorted(known))})"
                )
        if given[0] not in template.inputs:
            raise TemplateError(f"{template.path}: step {name!r} needs a template with an input {given[0]!r}")
        pack = 0 if spec.pack == "auto" else spec.pack
        return Step(name, template, Sampling(spec.temperature, spec.top_p, spec.seed), spec.inputs, pack)

    def _check_inputs(self, name: str, spec: _Step, given: tuple[str, ...], template: Template) -> None:
        for key, value in spec.inputs.items():
            place = ("steps", name, "inputs", key)
            if key in given:
                raise self._error(place, "the documents give this input; take it out here")
            if key not in template.inputs:
                raise self._error(place, f"{spec.template} has no such input")
            if not fits(value, template.inputs[key].type):
                raise self._error(place, f"{value!r} is not of type {template.inputs[key].type}")

    def _error(self, place: tuple[str, ...], what: str) -> ChainError:
        return ChainError(f"{self._path}:{line_of(self._text, *place)}: {'.'.join(place)}: {what}")
