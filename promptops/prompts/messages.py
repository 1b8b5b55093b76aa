"""The Jinja2 tags ``{% system %}``, ``{% user %}`` and ``{% assistant %}``: each block becomes one message.

The blocks are collected while rendering, not parsed out of the rendered text, so no document can open a role itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import TemplateRuntimeError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context

from promptops.prompts.sections import COLLECTED
from promptops.types import Role


class RoleTags(Extension):
    """Collects role blocks into what the render passes in its context."""

    tags: set[str] = {"system", "user", "assistant"}  # noqa: RUF012 - Jinja2 declares it on the instance

    def parse(self, parser: Parser) -> nodes.Node:
        """One role block, up to its end tag."""
        token = next(parser.stream)
        body = parser.parse_statements((f"name:end{token.value}",), drop_needle=True)
        arguments: list[nodes.Expr] = [nodes.Const(token.value), nodes.ContextReference()]
        call = self.call_method("_collect", arguments)
        return nodes.CallBlock(call, [], [], body).set_lineno(token.lineno)

    def _collect(self, role: Role, context: Context, caller: Callable[[], Any]) -> str:
        collected = context[COLLECTED]
        before = len(collected.messages)
        text = str(caller())
        if len(collected.messages) > before:
            inner = collected.messages[-1].role
            raise TemplateRuntimeError(f"a {inner} block stands inside of this {role} block; end it first")
        collected.message(role, text)
        return ""
