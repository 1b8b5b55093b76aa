"""Chain files: their form, where they and their templates are found, and what of them is refused, by file and line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from promptops.chains.chain import Chain
from promptops.errors import ChainError, NotFoundError, TemplateError
from promptops.plans import compare, decompose, map_reduce, mapping, refine, rerank, stuff
from promptops.plans.entries import ADDED
from promptops.plans.kind import Kind
from promptops.plans.question import INPUTS, Context, Step
from promptops.plans.settings import Settings
from promptops.prompts import Library
from promptops.prompts.files import is_file
from promptops.prompts.front_matter import fits
from promptops.prompts.shape import is_list, members, wrong_schema
from promptops.resources import library
from promptops.types import Sampling
from promptops.yamlfile import line_of, validated

if TYPE_CHECKING:
    from promptops.prompts.template import Template

SUFFIXES = (".yaml", ".yml")

_PLANS = (map_reduce, mapping, rerank, refine, stuff, compare, decompose)

KINDS = {plan.KIND.name: plan.KIND for plan in _PLANS}
"""The plans that a chain file can name."""

_CUTTING = ("chunk_tokens", "overlap_tokens", "context")


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    template: str
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int | None = None
    lora: dict[str, Annotated[float, Field(allow_inf_nan=False)]] | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    pack: Annotated[int, Field(ge=2)] | Literal["auto"] | None = None
    model: str | None = None
    words: Annotated[int, Field(ge=1, le=100_000)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    chunk_tokens: Annotated[int, Field(ge=16)] | None = None
    overlap_tokens: Annotated[int, Field(ge=0)] | None = None
    context: tuple[Context, ...] = ()
    fan_in: Annotated[int, Field(ge=2)] | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    version: Annotated[int, Field(ge=1)] = 1
    description: str = ""
    plan: str
    join: Literal["text", "list"] = "text"
    quote: str = "quote"
    key: tuple[str, ...] = ()
    settings: Settings = Settings()
    steps: dict[str, _Step]


def load(name: str, templates: Iterable[Path] = ()) -> Chain:
    """The stock chain ``name``, or the one in the YAML file ``name``.

    Its templates are found in the folders ``templates``, then in the folder of a file of yours, in a ``templates``
    folder beside it, and then in the library.
    Raises ``NotFoundError`` where there is no such chain, ``ChainError`` or ``TemplateError`` where it is not valid.
    """
    path, beside = _path(name)
    folders = (*templates, *beside)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise ChainError(f"{path}: cannot be read as UTF-8 text: {failure}") from None
    return _chain(text, path, folders, KINDS)


def parse(text: str, *kinds: Kind, folders: Iterable[str | Path] = ()) -> Chain:
    """The chain that ``text`` is, which has the form of a chain file; ``kinds`` are plans of yours that it may name.

    Templates are looked for in ``folders`` and then in the library. Raises ``ChainError`` or ``TemplateError``.
    """
    return _chain(text, Path("chain"), tuple(map(Path, folders)), {**KINDS, **{kind.name: kind for kind in kinds}})


def _chain(text: str, path: Path, folders: tuple[Path, ...], kinds: Mapping[str, Kind]) -> Chain:
    file = validated(_File, text, str(path), ChainError)
    chain = _Reader(path, text, Library(folders), kinds).chain(file)
    for setting in file.settings.model_fields_set:
        if setting not in chain.known:
            what = f"this chain has no such setting (settings: {', '.join(chain.known)})"
            raise ChainError(f"{path}:{line_of(text, 'settings', setting)}: settings.{setting}: {what}")
    return chain


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


class _Reader:
    """Finds the template of each step and checks that the two go together; every complaint with its file and line."""

    def __init__(self, path: Path, text: str, templates: Library, kinds: Mapping[str, Kind]) -> None:
        self._kinds = kinds
        self._path = path
        self._text = text
        self._templates = templates

    def chain(self, file: _File) -> Chain:
        """The chain of ``file``; raises ``ChainError`` or ``TemplateError``."""
        if file.plan not in self._kinds:
            raise self._error(("plan",), f"no plan is named {file.plan!r} (plans: {', '.join(self._kinds)})")
        kind = self._kinds[file.plan]
        if "join" in file.model_fields_set and not kind.joins:
            raise self._error(("join",), f"{kind.name} joins by its steps; take it out")
        steps = self._all(file, kind)
        self._check_entries(file, kind, steps)
        self._check_forms(kind, steps)
        return Chain(file.name, file.description, kind, file.settings, steps, file.join, file.quote, file.key)

    def _check_entries(self, file: _File, kind: Kind, steps: Mapping[str, Step]) -> None:
        """Refuse members of entries that the templates do not ask for, or that are added to them."""
        schemas = [step.template.head.output.json_schema for step in steps.values()]
        known = members(schemas) if kind.joins and file.join == "list" else frozenset[str]()
        for name in ("quote", "key"):
            for member in file.key if name == "key" else (file.quote,):
                if name in file.model_fields_set and member not in known:
                    raise self._error((name,), f"no list that is joined has the member {member!r}")
        if file.quote in known and (taken := known & ADDED):
            template = next(iter(steps.values())).template
            raise TemplateError(
                f"{template.path}: output.schema: {min(taken)!r} is added to every entry that has a quote"
            )

    def _check_forms(self, kind: Kind, steps: Mapping[str, Step]) -> None:
        """Refuse a step whose answers take the place of others' in another form."""
        for name, others in kind.stands_for.items():
            if name not in steps:
                continue
            own = steps[name].template
            for other in others:
                if own.structured != steps[other].template.structured:
                    form = "no JSON" if own.structured else "JSON"
                    raise TemplateError(
                        f"{own.path}: step {name!r} must give {form}, as step {other!r} does, whose answers it replaces"
                    )

    def _all(self, file: _File, kind: Kind) -> dict[str, Step]:
        for step in kind.steps:
            if step not in file.steps and step not in kind.optional:
                raise self._error(("steps",), f"{kind.name} needs a step {step!r}")
        for step in file.steps:
            if step not in kind.steps:
                raise self._error(("steps", step), f"{kind.name} has no such step (steps: {', '.join(kind.steps)})")
            if kind.needs.get(step, step) not in file.steps:
                raise self._error(("steps", step), f"it needs the step {kind.needs[step]!r} beside it")
        return {name: self._step(name, file.steps[name], kind) for name in kind.steps if name in file.steps}

    def _step(self, name: str, spec: _Step, kind: Kind) -> Step:
        given = kind.steps[name]
        self._check_keys(name, spec, kind)
        try:
            template = self._templates.template(spec.template)
        except NotFoundError as failure:
            raise self._error(("steps", name, "template"), str(failure)) from None
        self._check_inputs(name, spec, given, template)
        told = [wanted for context in spec.context for wanted in INPUTS[context]]
        if lacking := [wanted for wanted in told if wanted not in template.inputs]:
            raise self._error(("steps", name, "context"), f"{spec.template} has no input {lacking[0]!r} to be told by")
        known = {*given, *told, *Settings.model_fields, *spec.inputs}
        for wanted, declared in template.inputs.items():
            if declared.required and wanted not in known:
                raise TemplateError(
                    f"{template.path}: input {wanted!r} has no default and step {name!r} of {self._path.name} does not "
                    f"give it (it gives: {', '.join(sorted(known))})"
                )
        if template.head.output.json_schema and (wrong := wrong_schema(template.head.output.json_schema)):
            raise TemplateError(f"{template.path}: output.{wrong}")
        if name in kind.lists and not is_list(template.head.output.json_schema, kind.lists[name]):
            what = f"step {name!r} needs a template with a JSON schema that has a list {kind.lists[name]!r}"
            raise TemplateError(f"{template.path}: {what}")
        if given[0] not in template.inputs:
            raise TemplateError(f"{template.path}: step {name!r} needs a template with an input {given[0]!r}")
        return Step(
            name,
            template,
            Sampling(
                spec.temperature, spec.top_p, spec.seed, loras=None if spec.lora is None else tuple(spec.lora.items())
            ),
            spec.inputs,
            0 if spec.pack == "auto" else spec.pack,
            spec.model,
            spec.words,
            spec.max_output_tokens,
            spec.chunk_tokens,
            spec.overlap_tokens,
            spec.context,
            spec.fan_in,
        )

    def _check_keys(self, name: str, spec: _Step, kind: Kind) -> None:
        """Refuse a key that would say nothing at this step."""
        wrong = [*(() if name in kind.cutting else _CUTTING), *(() if name in kind.joining else ("fan_in",))]
        for key in wrong:
            if key in spec.model_fields_set:
                right = kind.joining if key == "fan_in" else kind.cutting
                where = f"; it belongs to {' and '.join(right)}" if right else ""
                raise self._error(("steps", name, key), f"it says nothing at this step{where}")

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
