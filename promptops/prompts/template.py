"""A template: front matter and a Jinja2 body, rendered to the messages of one prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops.errors import NotFoundError, TemplateError
from promptops.prompts import front_matter
from promptops.prompts.files import read
from promptops.tokens import counter
from promptops.types import Counter, Message

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2 import Template as Compiled

    from promptops.prompts.fit import GivenUp
    from promptops.prompts.sections import Collected, Section

_BODY_FAILS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, MemoryError, RecursionError)
"""What the filters and operators of a body raise, beside Jinja2's own."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Rendered messages, and what their answer may be."""

    template: str
    """Name and version, such as ``summarize/map@1``."""
    messages: tuple[Message, ...]
    max_words: int | None = None
    max_tokens: int | None = None
    schema: Mapping[str, Any] | None = None
    sections: tuple[Section, ...] = ()
    """What ``fit`` may give up or shorten."""
    given_up: tuple[GivenUp, ...] = ()
    """What it did, so that nothing is left out silently."""

    def fit(self, window: int, reserve: int = 0, *, model: str | Counter) -> Prompt:
        """This prompt within ``window - reserve`` tokens: sections given up or cut, least important first.

        ``reserve`` is what else the window must hold: the answer, a schema, what the provider adds around messages.
        The fitted prompt's ``tokens`` are within the limit, no section that would have fitted whole is given up, and
        ``given_up`` says what was. Raises ``WindowError`` where what may not be given up passes the limit.
        """
        from promptops.prompts.fit import fitted

        return fitted(self, window - reserve, counter(model) if isinstance(model, str) else model)

    def tokens(self, model: str | Counter) -> int:
        """Tokens of all contents by the model's own tokenizer, without what a provider adds around messages.

        Raises ``TokenizerError`` where none is known for ``model``.
        """
        count = (counter(model) if isinstance(model, str) else model).count
        return sum(count(message.content) for message in self.messages)


class Template:
    """One template file, checked and compiled."""

    def __init__(self, head: front_matter.Head, path: Path, compiled: Compiled) -> None:
        self.head = head
        self.path = path
        self._compiled = compiled

    @classmethod
    def load(cls, path: Path, environment: Environment) -> Template:
        """Read and compile ``path``; raises ``TemplateError`` with file and line."""
        from jinja2 import TemplateSyntaxError

        source = read(path)
        head = front_matter.parse(source, str(path))
        try:
            compiled = environment.from_string(front_matter.split(source)[1])
        except TemplateSyntaxError as failure:
            raise TemplateError(f"{failure.filename or path}:{failure.lineno}: {failure.message}") from None
        return cls(head, path, compiled)

    @property
    def label(self) -> str:
        """Name and version, as the ledger shows them."""
        return f"{self.head.name}@{self.head.version}"

    @property
    def inputs(self) -> Mapping[str, front_matter.Input]:
        """The variables that the template declares."""
        return self.head.inputs

    @property
    def structured(self) -> bool:
        """Whether it asks for JSON."""
        return self.head.output.json_schema is not None

    def render(self, /, **inputs: object) -> Prompt:
        """The prompt for these inputs.

        Raises ``TemplateError`` for a missing, unknown or wrongly typed input, and for whatever fails in the body.
        """
        values = self._complete(inputs)
        limit = self.head.output.max_words
        collected = self._collected(values)
        return Prompt(
            template=self.label,
            messages=tuple(collected.messages),
            sections=tuple(collected.sections),
            max_words=values[limit] if isinstance(limit, str) else limit,
            max_tokens=self.head.output.max_tokens,
            schema=self.head.output.json_schema,
        )

    def _complete(self, given: Mapping[str, object]) -> dict[str, Any]:
        for name, value in given.items():
            if name not in self.inputs:
                known = ", ".join(self.inputs) or "none"
                raise TemplateError(f"{self.path}: {self.head.name} has no input {name!r}; its inputs are: {known}")
            if not front_matter.fits(value, self.inputs[name].type):
                raise TemplateError(
                    f"{self.path}: input {name!r} of {self.head.name} must be of type {self.inputs[name].type}, "
                    f"not {type(value).__name__}"
                )
        missing = [name for name, spec in self.inputs.items() if spec.required and name not in given]
        if missing:
            raise TemplateError(f"{self.path}: {self.head.name} needs the input {missing[0]!r}")
        return {name: spec.default for name, spec in self.inputs.items()} | dict(given)

    def _collected(self, values: Mapping[str, object]) -> Collected:
        from jinja2 import TemplateError as JinjaError

        from promptops.prompts.sections import COLLECTED, Collected

        collected = Collected()
        try:
            outside = self._compiled.render({**values, COLLECTED: collected}).strip()
        except (JinjaError, NotFoundError, *_BODY_FAILS) as failure:
            raise TemplateError(f"{self._place(failure)}: {failure}") from None
        if outside and collected.messages:
            raise TemplateError(f"{self.path}: text stands outside of the system, user and assistant blocks")
        if not collected.messages:
            collected.message("user", outside)
        return collected

    def _place(self, failure: BaseException) -> str:
        if (line := getattr(failure, "lineno", None)) is not None:
            return f"{getattr(failure, 'filename', None) or self.path}:{line}"
        place, frame = str(self.path), failure.__traceback__
        while frame is not None:
            name = frame.tb_frame.f_code.co_filename
            if name == "<template>" or name.endswith(".j2"):
                place = f"{self.path if name == '<template>' else name}:{frame.tb_lineno}"
            frame = frame.tb_next
        return place
