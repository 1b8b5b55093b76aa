"""A model's own chat template, run in a sandbox; what stands in a message never becomes a special token.

The template writes special tokens by spelling them, and so could a document. Before rendering, each spelling in a
message is broken by a character that no text uses; what is still whole afterwards is the template's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, Any, NoReturn

from promptops.errors import TemplateError
from promptops.local.card import Card
from promptops.tokens.vocabulary import well_formed
from promptops.types import Counter, Message

if TYPE_CHECKING:
    from jinja2 import Template

Pieces = list[int | str]
"""A prompt: ids of special tokens, and text between them that is nothing but text."""

_BREAKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
"""Code points that Unicode keeps for a program's own use."""
_PLAIN = "{% for message in messages %}{{ message['content'] }}\n\n{% endfor %}"
"""For models without a template: the messages, an empty line after each, for the model to go on."""
_FAILS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, MemoryError, RecursionError)
_SHOWN = 160

_SYSTEM, _USER, _ASSISTANT = Message("system", "Be brief."), Message("user", "What?"), Message("assistant", "That.")
_SHAPES = ((_USER,), (_SYSTEM, _USER), (_SYSTEM, _USER, _ASSISTANT, _USER))


class Chat:
    """The template of one model, or a plain one where it has none.

    A template that takes no system message, by refusing it or by leaving it out, gets it before the user's.
    Raises ``TemplateError`` in one line where the template cannot be used.
    """

    def __init__(self, model: Card) -> None:
        self._model = model
        self._template = self._compiled()
        ids = model.markers.ids
        self._markers = re.compile("|".join(map(re.escape, sorted(ids, key=len, reverse=True))) or r"(?!)")
        self._starts = {text[:length] for text in ids for length in range(1, len(text))}
        self._merges = False
        self._merges = not self._takes_system()

    def pieces(self, messages: Sequence[Message]) -> Pieces:
        """The prompt that asks for an answer to ``messages``."""
        contents = [well_formed(message.content) for message in messages]
        break_ = next((one for one in _BREAKS if not any(one in text for text in contents)), "")
        guarded = [
            Message(message.role, self._guarded(text, break_)) for message, text in zip(messages, contents, strict=True)
        ]
        return list(self._split(self._rendered(guarded), break_))

    def overhead(self, counter: Counter) -> int:
        """The most tokens that it puts around messages, per message and once per prompt."""
        return max(ceil(self._around(shape, counter) / (len(shape) + 1)) for shape in _SHAPES)

    def _around(self, messages: Sequence[Message], counter: Counter) -> int:
        total = sum(1 if isinstance(piece, int) else counter.count(piece) for piece in self.pieces(messages))
        return total + self._model.begins - sum(counter.count(message.content) for message in messages)

    def _compiled(self) -> Template:
        from jinja2 import TemplateError as JinjaError

        try:
            compiled: Template = _environment().from_string(self._model.template or _PLAIN)
        except (JinjaError, *_FAILS) as failure:
            self._broken(failure)
        return compiled

    def _takes_system(self) -> bool:
        """Whether a system message is in the prompt; the user's has to be."""
        rendered = self._rendered([_USER])
        if _USER.content not in rendered:
            raise TemplateError(f"{self._model.path}: its chat template leaves out what the user says")
        try:
            return _SYSTEM.content in self._rendered([_SYSTEM, _USER])
        except TemplateError:
            return False

    def _rendered(self, messages: Sequence[Message]) -> str:
        from jinja2 import TemplateError as JinjaError

        given = [{"role": message.role, "content": message.content} for message in self._merged(messages)]
        markers = self._model.markers
        try:
            return self._template.render(
                messages=given, add_generation_prompt=True, bos_token=markers.begin, eos_token=markers.end
            )
        except (JinjaError, *_FAILS) as failure:
            self._broken(failure)

    def _merged(self, messages: Sequence[Message]) -> Sequence[Message]:
        if not self._merges or len(messages) < 2 or messages[0].role != "system":
            return messages
        first = Message(messages[1].role, f"{messages[0].content}\n\n{messages[1].content}")
        return [first, *messages[2:]]

    def _guarded(self, text: str, break_: str) -> str:
        """``text`` with every marker in it broken after its first character, and one that it may end inside of."""
        while self._markers.search(text):
            text = self._markers.sub(lambda found: found[0][0] + break_ + found[0][1:], text)
        body = text.rstrip()
        for length in range(min(len(body), max(map(len, self._starts), default=0)), 0, -1):
            if body[-length:] in self._starts:
                at = len(body) - length + 1
                return text[:at] + break_ + text[at:]
        return text

    def _split(self, text: str, break_: str) -> Iterator[int | str]:
        at = 0
        for found in self._markers.finditer(text):
            yield from self._text(text[at : found.start()], break_)
            yield self._model.markers.ids[found[0]]
            at = found.end()
        yield from self._text(text[at:], break_)

    def _text(self, text: str, break_: str) -> Iterator[str]:
        """Text between markers, whole; in parts where llama.cpp would find a user's own token in the whole."""
        whole = text.replace(break_, "") if break_ else text
        split = any(marker in whole for marker in self._model.markers.defined)
        yield from filter(None, text.split(break_) if split and break_ else [whole])

    def _broken(self, failure: BaseException) -> NoReturn:
        line = getattr(failure, "lineno", None)
        said = " ".join(str(failure).split())[:_SHOWN] or type(failure).__name__
        where = f" (line {line})" if line else ""
        raise TemplateError(f"{self._model.path}: its chat template cannot be used{where}: {said}") from None


def _environment() -> Any:
    """What chat templates are written for, in a sandbox."""
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError as JinjaError
    from jinja2.ext import Extension
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}`` marks what a model is trained on; to us it is what stands in it."""

        tags: set[str] = {"generation"}  # noqa: RUF012 - Jinja2 declares it on the instance

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: object) -> NoReturn:
        raise JinjaError(str(message))

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {"raise_exception": raise_exception, "strftime_now": _now}
    return environment


def _tojson(value: Any, indent: int | None = None, **_more: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _now(pattern: str) -> str:
    return datetime.now().astimezone().strftime(pattern)
