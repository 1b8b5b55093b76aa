"""The file of a scripted model: what may stand in it, checked strictly."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from promptops.errors import UsageError
from promptops.yamlfile import validated


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as failure:
        raise ValueError(f"not a regular expression: {failure}") from None
    return pattern


class Failure(_Strict):
    """An answer that is no reply, as a server would give it."""

    status: Annotated[int, Field(ge=300, le=599)]
    code: str = ""
    retry_after: Annotated[float, Field(ge=0)] | None = None
    message: str = ""


class Rule(_Strict):
    """One rule: when it applies, and what it answers."""

    match: Annotated[str, AfterValidator(_compiles)] | None = None
    text: str | None = None
    lead: Annotated[int, Field(ge=0)] | None = None
    error: Failure | None = None
    finish: Literal["stop", "length", "content_filter"] = "stop"
    delay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    times: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        if sum(part is not None for part in (self.text, self.lead, self.error)) != 1:
            raise ValueError("a rule needs exactly one of text, lead and error")
        return self


class Script(_Strict):
    """A whole script."""

    model: str | None = None
    window: Annotated[int, Field(gt=0)] | None = None
    default: str | None = None
    replies: tuple[Rule, ...] = ()


def read(raw: bytes, where: str) -> Script:
    """The script in a file's bytes, YAML or (by its name) JSON; raises ``UsageError`` with ``where`` and the line."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = raw.count(b"\n", 0, failure.start) + 1
        raise UsageError(f"{where}:{line}: not UTF-8; save the file as UTF-8") from None
    return _from_json(text, where) if where.endswith(".json") else validated(Script, text, where, UsageError)


def _from_json(text: str, where: str) -> Script:
    """YAML is no superset here: its readers refuse tabs and take an escaped emoji for two half characters."""
    try:
        return Script.model_validate(json.loads(text))
    except json.JSONDecodeError as failure:
        raise UsageError(f"{where}:{failure.lineno}: not valid JSON: {failure.msg}") from None
    except ValidationError as failure:
        first = failure.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise UsageError(f"{where}: {place}: {what}" if place else f"{where}: {what}") from None
