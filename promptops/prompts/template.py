"""A template: front matter and a Jinja2 body, rendered to the messages of one prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops.errors import NotFoundError, TemplateError, UsageError
from promptops.prompts import front_matter
from promptops.prompts.choices import choice
from promptops.prompts.length import Length
from promptops.prompts.shape import misfit
from promptops.tokens import counter
from promptops.types import Call, Counter, GivenUp, Message, Tags
from promptops.yamlfile import line_of

if TYPE_CHECKING:
    from jinja2 import Template as Compiled

    from promptops.prompts.library import Library
    from promptops.prompts.sections import Collected, Section

_BODY_FAILS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, MemoryError, RecursionError)
"""What the filters and operators of a body raise, beside Jinja2's own."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Rendered messages, and what their answer may be."""

    template: str
    """Name and version, such as ``summarize/map@1``."""
    messages: tuple[Message, ...]
    length: Length | None = None
    """The most that the answer may have."""
    max_tokens: int | None = None
    schema: Mapping[str, Any] | None = None
    choices: tuple[str, ...] = ()
    """What the answer is one of, where the template says so."""
    sections: tuple[Section, ...] = ()
    """What ``fit`` may give up or shorten."""
    given_up: tuple[GivenUp, ...] = ()
    """What it did, so that nothing is left out silently."""

    output: front_matter.Output = field(default_factory=front_matter.Output, repr=False)
    """What the template says of the answer."""

    @property
    def only_choices(self) -> tuple[str, ...]:
        """The choices where a reply is to be one of them and nothing else: no reasoning is asked for before it."""
        tag = f"<{self.output.within}>" if self.output.within else ""
        return () if tag and any(tag in message.content for message in self.messages) else self.choices

    def max_output_tokens(self, model: str | Counter, like: str = "") -> int | None:
        """The most tokens to ask for, reasoning included; ``None`` where the template sets no length.

        The asked words, sentences or characters are turned into tokens at the rate of the text ``like``, by default of
        the last message, so that a Korean answer gets the room it needs and an English one no more.
        """
        by = counter(model) if isinstance(model, str) else model
        asked = [self.max_tokens] if self.max_tokens is not None else []
        if self.length is not None:
            asked.append(self.length.tokens(by, like or self.messages[-1].content))
        return min(asked) + self.output.reasoning_tokens if asked else None

    def call(self, model: str | Counter, *, max_output_tokens: int | None = None, tags: Tags | None = None) -> Call:
        """This prompt as a call, for ``client.complete`` and ``client.stream``.

        The most output tokens are those given, or those that the template's length comes to by the tokenizer of
        ``model``. Raises ``UsageError`` where there are neither.
        """
        most = max_output_tokens or self.max_output_tokens(model)
        if most is None:
            raise UsageError(f"{self.template} sets no length; say it with max_output_tokens")
        tagged = replace(tags or Tags(), template=self.template)
        return Call(
            self.messages,
            most,
            schema=self.schema,
            choices=self.only_choices,
            tags=tagged,
            given_up=self.given_up,
        )

    def answer(self, text: str, *, cut: bool = False) -> str:
        """The answer proper in a reply, without reasoning that was to stay out of it or a code fence around JSON.

        One of given ``choices`` is spelled as it was given. ``cut`` says that the reply was cut at its limit.
        """
        said = self.output.answer(text, cut=cut)
        return choice(said, self.choices) or said

    def wrong(self, answer: str) -> str | None:
        """Why ``answer``, as ``answer()`` gives it, cannot be used: it is no JSON, not by the schema, or no choice."""
        if self.choices and answer not in self.choices:
            return f"it is none of: {', '.join(self.choices)}"
        return None if self.schema is None else misfit(answer, self.schema)

    def excess(self, text: str) -> int:
        """How far the answer in a reply is over the asked length, in its own unit; 0 where it is within."""
        return max(self.length.of(self.answer(text)) - self.length.number, 0) if self.length is not None else 0

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

    def __init__(self, head: front_matter.Head, path: Path, compiled: Compiled, text: str) -> None:
        self.head = head
        self.path = path
        self._compiled = compiled
        self._text = text

    @classmethod
    def load(cls, path: Path, source: str, library: Library) -> Template:
        """Check and compile ``source``, which stands in ``path``; raises ``TemplateError`` with file and line.

        A template that extends another also has its inputs, and its output unless it says what its own is.
        """
        from jinja2 import TemplateSyntaxError

        head = front_matter.parse(source, str(path))
        text, body = front_matter.split(source)
        try:
            compiled = library.environment.from_string(body)
        except TemplateSyntaxError as failure:
            raise TemplateError(f"{failure.filename or path}:{failure.lineno}: {failure.message}") from None
        if parent := library.parent(body, path):
            head = _inheriting(head, parent.head)
        template = cls(head, path, compiled, text)
        if complaint := head.wrong_output():
            raise TemplateError(f"{path}:{template.line('output')}: {complaint}")
        return template

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

    @property
    def checked(self) -> bool:
        """Whether an answer can be wrong by its form: JSON, or one of given choices."""
        return self.structured or self.head.output.one_of is not None

    def line(self, *place: str) -> int:
        """The line of the file on which its front matter says this, such as ``inputs``, ``text``; or the next above."""
        return line_of(self._text, *place) + 1

    def render(self, /, **inputs: object) -> Prompt:
        """The prompt for these inputs.

        Raises ``TemplateError`` for a missing, unknown or wrongly typed input, and for whatever fails in the body.
        """
        values = self._complete(inputs)
        collected = self._collected(values)
        output = self.head.output
        lengths = [
            Length(number, unit)
            for unit, limit in output.limits.items()
            if (number := values[limit] if isinstance(limit, str) else limit)
        ]
        return Prompt(
            template=self.label,
            messages=tuple(collected.messages),
            sections=tuple(collected.sections),
            length=lengths[0] if lengths else None,
            max_tokens=output.max_tokens,
            schema=output.json_schema,
            choices=tuple(map(str, values[output.one_of])) if output.one_of else (),
            output=output,
        )

    def _complete(self, given: Mapping[str, object]) -> dict[str, Any]:
        for name, value in given.items():
            if name not in self.inputs:
                known = ", ".join(self.inputs) or "none"
                place = f"{self.path}:{self.line('inputs')}"
                raise TemplateError(f"{place}: {self.head.name} has no input {name!r}; its inputs are: {known}")
            if not front_matter.fits(value, kind := self.inputs[name].type):
                place, given_type = f"{self.path}:{self.line('inputs', name)}", type(value).__name__
                raise TemplateError(
                    f"{place}: input {name!r} of {self.head.name} must be of type {kind}, not {given_type}"
                )
        missing = [name for name, spec in self.inputs.items() if spec.required and name not in given]
        if missing:
            place = f"{self.path}:{self.line('inputs', missing[0])}"
            raise TemplateError(f"{place}: {self.head.name} needs the input {missing[0]!r}")
        return {name: spec.default for name, spec in self.inputs.items()} | dict(given)

    def _collected(self, values: Mapping[str, object]) -> Collected:
        from jinja2 import TemplateError as JinjaError

        from promptops.prompts.sections import COLLECTED, Collected

        collected = Collected()
        try:
            outside = self._compiled.render({**values, COLLECTED: collected}).strip()
        except RecursionError as failure:
            raise TemplateError(f"{self._place(failure)}: templates include each other in a circle") from None
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


def _inheriting(head: front_matter.Head, parent: front_matter.Head) -> front_matter.Head:
    """``head`` with what it takes over from the template it extends."""
    inputs = {**parent.inputs, **head.inputs}
    output = head.output if "output" in head.model_fields_set else parent.output
    return head.model_copy(update={"inputs": inputs, "output": output})
