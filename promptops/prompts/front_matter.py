"""What stands at the head of a template file: its name, version, inputs and output limits."""

from __future__ import annotations

import keyword
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from promptops.errors import TemplateError
from promptops.prompts.length import Unit
from promptops.prompts.shape import bare
from promptops.yamlfile import validated

InputType = Literal["string", "integer", "number", "boolean", "list"]
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list, tuple),
}
_BLANK = {"string": "", "integer": 1, "number": 1, "boolean": False, "list": ()}
_RESERVED = frozenset({"self", "loop", "caller", "varargs", "kwargs", "true", "false", "none"})
_HEAD = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Input(_Strict):
    """One variable of a template. Without a default it must be given."""

    type: InputType
    default: Any = None
    description: str = ""
    document: bool = False
    """True for text from outside: it must be fenced, and it stays out of logs."""
    varies: bool | None = None
    """Whether it differs from call to call of one run; documents do unless it says otherwise."""

    @model_validator(mode="after")
    def _default_fits(self) -> Input:
        if "default" in self.model_fields_set and not fits(self.default, self.type):
            raise ValueError(f"the default {self.default!r} is not of type {self.type}")
        return self

    @property
    def required(self) -> bool:
        """True where there is no default."""
        return "default" not in self.model_fields_set

    @property
    def blank(self) -> Any:
        """The default, or a value of its type that says next to nothing."""
        return _BLANK[self.type] if self.required else self.default

    @property
    def changes(self) -> bool:
        """Whether it differs from call to call."""
        return self.document if self.varies is None else self.varies


_Number = Annotated[int, Field(gt=0)]


class Output(_Strict):
    """What the answer may be: its form, and its length as a number or the name of the input that holds it.

    Inputs may hold a length in several units, 0 where none is asked for: characters go before sentences, and these
    before words.
    ``within`` names the tags between which the answer proper stands, after reasoning that stays out of it and may take
    up to ``reasoning_tokens``. ``one_of`` names the list input that the answer is an entry of.
    """

    format: Literal["text", "json"] = "text"
    max_words: _Number | str | None = None
    max_sentences: _Number | str | None = None
    max_characters: _Number | str | None = None
    max_tokens: _Number | None = None
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    within: Annotated[str, Field(pattern=r"^[a-z][a-z_-]*$")] | None = None
    reasoning_tokens: Annotated[int, Field(ge=0)] = 0
    one_of: str | None = None

    @property
    def limits(self) -> dict[Unit, int | str]:
        """The length asked for by its unit, first what goes first."""
        given: dict[Unit, int | str | None] = {
            "characters": self.max_characters, "sentences": self.max_sentences, "words": self.max_words,
        }  # fmt: skip
        return {unit: limit for unit, limit in given.items() if limit is not None}

    def answer(self, text: str, *, cut: bool = False) -> str:
        """The answer proper in a reply: what stands ``within`` its tags, the last ones, or all where there are none.

        A reply that was ``cut`` before its tag had not come to an answer. JSON may stand in a code fence.
        """
        said = text if self.within is None else self._inner(text, self.within, cut=cut)
        return bare(said) if self.format == "json" else said

    @staticmethod
    def _inner(text: str, tag: str, *, cut: bool) -> str:
        _, found, inner = text.rpartition(f"<{tag}>")
        return inner.partition(f"</{tag}>")[0].strip() if found else "" if cut else text

    @model_validator(mode="after")
    def _one_length(self) -> Output:
        if len(self.limits) > 1 and any(isinstance(limit, int) for limit in self.limits.values()):
            raise ValueError("only one of max_words, max_sentences and max_characters can hold; name inputs for more")
        return self

    @model_validator(mode="after")
    def _schema_goes_with_json(self) -> Output:
        if (self.format == "json") != (self.json_schema is not None):
            raise ValueError("format json and a schema go together")
        if self.one_of is not None and self.json_schema is not None:
            raise ValueError("one_of is for text; a schema says it with enum")
        return self


def _shorthand(inputs: object) -> object:
    """``words: integer`` is short for ``words: {type: integer}``."""
    if not isinstance(inputs, dict):
        return inputs
    return {name: {"type": spec} if isinstance(spec, str) else spec for name, spec in inputs.items()}


def _variable(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED or name.startswith("_"):
        raise ValueError(f"{name!r} cannot be the name of an input; use a word such as 'text' or 'max_items'")
    return name


_Name = Annotated[str, AfterValidator(_variable)]


class Model(_Strict):
    """What kind of model a template was written for: hints, which a chain's step overrides."""

    prefer: list[str] = Field(default_factory=list)
    """Model specs it is known to work well with, the best first."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None


class Head(_Strict):
    """The front matter of a template."""

    name: Annotated[str, Field(pattern=r"^[\w-]+(/[\w-]+)*$")]
    version: Annotated[int, Field(ge=1)]
    description: str = ""
    inputs: Annotated[dict[_Name, Input], BeforeValidator(_shorthand)] = Field(default_factory=dict)
    output: Output = Output()
    model: Model = Model()
    samples: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Inputs by the name of the sample, to lint and to lock the template with."""

    def wrong_output(self) -> str | None:
        """What is wrong where the output names an input that is not there, or of another type."""
        choices = self.output.one_of
        if choices is not None and (choices not in self.inputs or self.inputs[choices].type != "list"):
            return f"output.one_of names {choices!r}, which is no list input of this template"
        for unit, limit in self.output.limits.items():
            if isinstance(limit, str) and (limit not in self.inputs or self.inputs[limit].type != "integer"):
                return f"output.max_{unit} names {limit!r}, which is no integer input of this template"
        return None


def split(source: str) -> tuple[str, str]:
    """Front matter and body. The body keeps the file's line numbers: a Jinja2 comment stands in for the head."""
    found = _HEAD.match(source)
    if not found:
        return "", source
    lines = found.group(0).count("\n")
    return found.group(1), "{#" + "\n" * (lines - 1) + "#}\n" + source[found.end() :]


def parse(source: str, where: str) -> Head:
    """The front matter of ``source``; raises ``TemplateError`` with file and line."""
    head, _ = split(source)
    if not head:
        raise TemplateError(f"{where}:1: no front matter; begin the file with '---', 'name:' and 'version:'")
    return validated(Head, head, where, TemplateError, first_line=2)


def fits(value: object, kind: InputType) -> bool:
    """Whether ``value`` is of a front-matter type; a boolean is no number."""
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
