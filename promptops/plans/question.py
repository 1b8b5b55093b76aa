"""What a plan asks: the steps of its chain, the measures of their models, and one question of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from promptops.plans.results import Place
from promptops.prompts.template import Prompt, Template
from promptops.types import Counter, Message, Price, Sampling

Context = Literal["headings", "neighbours"]

INPUTS: dict[Context, tuple[str, ...]] = {"headings": ("section",), "neighbours": ("before", "after")}
"""The inputs of a template by which a part is told what stands around it."""

SURROUNDING = 64
"""Tokens that each of these may have."""
FENCES = 24
"""Tokens that stand around each."""


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of call in a chain: its template, and how the model samples."""

    name: str
    template: Template
    sampling: Sampling = field(default_factory=Sampling)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Inputs that the chain file gives to the template."""
    pack: int | None = None
    """How many questions may share a prompt: a number, 0 for as many as go well, ``None`` for each by itself."""
    model: str | None = None
    """The model spec of its own that the chain file gives it."""
    words: int | None = None
    """The words of its answers, where not those of the settings."""
    max_output_tokens: int | None = None
    """Tokens that an answer may have at most, whatever its words come to."""
    chunk_tokens: int | None = None
    overlap_tokens: int | None = None
    """Where not those of the settings."""
    context: tuple[Context, ...] = ()
    """What a part is given of what stands around it."""
    fan_in: int | None = None
    """The most texts that it joins at once."""

    def prompt(self, inputs: Mapping[str, Any]) -> Prompt:
        """The template rendered with those of ``inputs``, and of the step's own, that it declares."""
        known = {**inputs, **self.inputs}
        return self.template.render(**{name: known[name] for name in self.template.inputs if name in known})

    def instructions(self, inputs: Mapping[str, Any]) -> tuple[Prompt, ...]:
        """The prompts about nothing: the template with blanks for what is not in ``inputs``.

        Two where the template asks for a part of the answer in other words than for the whole of it.
        """
        blank = {name: declared.blank for name, declared in self.template.inputs.items()}
        either = (True, False) if "partial" in self.template.inputs else (False,)
        return tuple(self.prompt({**blank, "format": "markdown", "partial": partial, **inputs}) for partial in either)


@dataclass(frozen=True, slots=True)
class Model:
    """What a plan may know of the model that will read its prompts. Sizes in tokens."""

    counter: Counter
    window: int
    overhead: int = 0
    reasoning: int = 0
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask: a step, its inputs, and the measures of the text it is about (``room`` in tokens)."""

    step: str
    inputs: Mapping[str, Any]
    document: str
    room: int
    ratio: float
    level: int = 0
    like: int | None = None
    """Tokens of the text where the answer is about as long as it."""
    whole: bool = False
    """Whether a part of the answer is of no use."""
    final: bool = False
    """Whether people will read the answer as it is, so that it should have the length that was asked for."""
    start: int = 0
    end: int = 0
    """The characters of the document that it is about; of the folder, the numbers of the documents."""
    places: Mapping[int, Place | None] | None = None
    """What the marks in its texts stand for, or that they lead nowhere; ``None`` where the chain does not cite."""
    expected: str | None = None
    """An answer as asked for, where an estimate could not make one up."""
    half_of: tuple[Message, ...] | None = None
    """What asked about the whole, where this is about a half of it."""
