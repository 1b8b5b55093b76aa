"""The settings of the stock chains: what ``--set key=value`` and ``po.run(..., key=value)`` accept."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from promptops.errors import NotFoundError, UsageError
from promptops.prompts.length import UNITS


def _listed(given: object) -> object:
    """A text from a command line as the words between its commas."""
    return [word for part in given.split(",") if (word := part.strip())] if isinstance(given, str) else given


_Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Settings(BaseModel):
    """How long, how large and in what language. Sizes are in tokens of the model that reads them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: Annotated[int, Field(ge=1, le=100_000)] = 120
    characters: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    sentences: Annotated[int, Field(ge=1, le=10_000)] | None = None
    chunk_tokens: Annotated[int, Field(ge=16)] = 4_000
    overlap_tokens: Annotated[int, Field(ge=0)] = 0
    reduce_tokens: Annotated[int, Field(ge=64)] = 16_000
    focus: str = ""
    question: str = ""
    language: str = ""
    corpus: bool = True
    cite: bool = False
    glossary: _Words | None = None
    labels: _Words | None = None
    most: Annotated[int, Field(ge=1, le=1_000)] | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Settings:
        if self.characters and self.sentences:
            raise ValueError("only one of words, sentences and characters can hold; take the others out")
        return self

    @model_validator(mode="after")
    def _overlap_leaves_room(self) -> Settings:
        if self.overlap_tokens > self.chunk_tokens // 2:
            raise ValueError(f"overlap_tokens must be at most half of chunk_tokens, {self.chunk_tokens // 2}")
        return self

    def updated(self, given: Mapping[str, Any], known: Collection[str] = ()) -> Settings:
        """These settings with ``given`` ones in their place, of the ``known``, by default of all.

        A length in one unit takes the place of one in another.
        Raises ``UsageError`` naming the one that is wrong.
        """
        known = known or type(self).model_fields
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise NotFoundError(f"no setting is named {name!r}{hint} (settings: {', '.join(known)})")
        lengths = [unit for unit in UNITS if given.get(unit) is not None]
        if len(lengths) > 1:
            raise UsageError(f"only one of {' and '.join(lengths)} can hold; take the other out")
        others = dict.fromkeys(("characters", "sentences")) if lengths else {}
        try:
            return type(self).model_validate({**self.model_dump(), **others, **given})
        except ValidationError as failure:
            detail = failure.errors(include_url=False)[0]
            place = ".".join(map(str, detail["loc"]))
            what = f"{place}={detail['input']!r}: " if place else ""
            raise UsageError(f"setting {what}{detail['msg'].removeprefix('Value error, ')}") from None
