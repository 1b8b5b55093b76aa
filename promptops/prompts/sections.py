"""The Jinja2 tag ``{% section %}``: a part of a prompt that may be given up, or shortened, where room is short.

    {% section "examples", priority=1, least=200, keep="head", shorten=true %} … {% endsection %}

Like roles, sections are collected while rendering: what marks their ends is drawn anew for each render, so no document
can open or close one. (The idea of priorities in a prompt is Priompt's and ``@vscode/prompt-tsx``'s.)
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from jinja2 import TemplateRuntimeError, nodes, pass_context
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context

from promptops.prompts.fence import Texts, fence
from promptops.types import Message, Role

Keep = Literal["head", "tail", "both"]

COLLECTED = "_promptops_collected"
_KEYWORDS = {"priority": (int, float), "least": (int,), "keep": (str,), "shorten": (bool,)}


@dataclass(frozen=True, slots=True)
class Rule:
    """What may become of a section where room is short.

    Of all sections the one with the lowest ``priority`` goes first. Sections of one name go from their end where
    ``keep`` is ``head``, from their beginning where it is ``tail``, and at least ``least`` tokens of a name stay.
    ``shorten`` allows to cut what stands inside, at sentence ends, and keep its head, its tail or both.
    """

    name: str
    priority: float = 0
    least: int = 0
    keep: Keep = "head"
    shorten: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One stretch of a message under a rule; ``bodies`` are the parts of it that may be cut, all in characters.

    Stretches with the same ``unit`` are kept or given up together, as are the messages of one turn.
    """

    rule: Rule
    unit: int
    message: int
    start: int
    end: int
    bodies: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class Collected:
    """What a render gathers beside its text."""

    messages: list[Message] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    open: int | None = None
    """The section that is being rendered."""
    _nonce: str = ""

    def mark(self, kind: str, number: int) -> str:
        """What stands in the text for an end of a section (``<`` and ``>``) or of what may be cut (``(`` and ``)``)."""
        self._nonce = self._nonce or secrets.token_hex(12)
        return f"\x00{self._nonce}{kind}{number}\x00"

    def message(self, role: Role, raw: str) -> None:
        """Take a message whose text still has its marks."""
        number, unit = len(self.messages), self.open
        if not self._nonce:
            self.messages.append(Message(role, raw.strip("\n")))
        else:
            content, sections = self._unmarked(raw, number)
            self.messages.append(Message(role, content))
            self.sections += sections
        if unit is not None:
            self.sections.append(Section(self.rules[unit], unit, number, 0, len(self.messages[-1].content)))

    def _unmarked(self, raw: str, message: int) -> tuple[str, list[Section]]:
        pieces = re.split(rf"\x00{self._nonce}([<>()])(\d+)\x00", raw)
        text = "".join(pieces[::3])
        first = len(text) - len(text.lstrip("\n"))
        content = text.strip("\n")
        at, begun, sections = 0, {}, []
        bodies: dict[int, list[tuple[int, int]]] = {}
        for piece, kind, given in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=False):
            at += len(piece)
            number, place = int(given), min(max(at - first, 0), len(content))
            if kind in "<(":
                begun[kind, number] = place
            elif kind == ")":
                bodies.setdefault(number, []).append((begun["(", number], place))
            else:
                span = (begun["<", number], place)
                sections.append(Section(self.rules[number], number, message, *span, tuple(bodies.get(number, [span]))))
        return content, sections


class SectionTag(Extension):
    """Marks the ends of each section in the text, and keeps its rule."""

    tags: set[str] = {"section"}  # noqa: RUF012 - Jinja2 declares it on the instance

    def parse(self, parser: Parser) -> nodes.Node:
        """The tag with its name and settings, up to its end tag."""
        token = next(parser.stream)
        name = parser.parse_expression()
        settings = []
        while parser.stream.skip_if("comma"):
            key = parser.stream.expect("name").value
            if key not in _KEYWORDS:
                parser.fail(f"a section has no {key!r}; it has {', '.join(_KEYWORDS)}", token.lineno)
            parser.stream.expect("assign")
            settings.append(nodes.Keyword(key, parser.parse_expression()))
        body = parser.parse_statements(("name:endsection",), drop_needle=True)
        call = self.call_method("_collect", [name, nodes.ContextReference()], settings)
        return nodes.CallBlock(call, [], [], body).set_lineno(token.lineno)

    def _collect(self, name: str, context: Context, caller: Callable[[], Any], **settings: Any) -> str:
        collected: Collected = context[COLLECTED]
        if collected.open is not None:
            raise TemplateRuntimeError(f"section {name!r} stands inside of another; end that first")
        collected.rules.append(_rule(name, settings))
        collected.open = number = len(collected.rules) - 1
        before = len(collected.messages)
        try:
            text = str(caller())
        finally:
            collected.open = None
        if len(collected.messages) == before:
            return collected.mark("<", number) + text + collected.mark(">", number)
        if text.strip():
            raise TemplateRuntimeError(f"section {name!r} holds text beside its messages; put it into one of them")
        return ""


@pass_context
def fenced(context: Context, text: Texts, tag: str = "document", **attributes: object) -> str:
    """The filter ``fence``; inside a section, what is cut of a fenced text is cut inside of its fence."""
    whole = fence(text, tag, **attributes)
    collected: Collected | None = context.get(COLLECTED)
    if collected is None or collected.open is None:
        return whole
    head, _, rest = whole.partition("\n")
    body, _, foot = rest.rpartition("\n")
    number = collected.open
    return f"{head}\n{collected.mark('(', number)}{body}{collected.mark(')', number)}\n{foot}"


def _rule(name: Any, settings: dict[str, Any]) -> Rule:
    if not isinstance(name, str) or not name:
        raise TemplateRuntimeError(f"a section needs a name in quotes, not {name!r}")
    for key, value in settings.items():
        kinds = _KEYWORDS[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise TemplateRuntimeError(f"section {name!r}: {key}={value!r} is not of type {kinds[0].__name__}")
    rule = Rule(name, **settings)
    if rule.keep not in {"head", "tail", "both"} or rule.least < 0:
        raise TemplateRuntimeError(f"section {name!r}: keep is head, tail or both, and least is 0 tokens or more")
    return rule
