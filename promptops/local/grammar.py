"""From a JSON schema to a grammar that makes every whole answer parse, by llama.cpp's own converter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from promptops.errors import RejectedError
from promptops.local.gbnf import fault
from promptops.local.schema import plain

_CHARACTER = r'[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F])'
"""A character of a JSON string: the converter's own lets line breaks through, which do not parse."""

_ANY_CHARACTER = r'[^"\\\x7F\x00-\x1F]'


def grammar(schema: Mapping[str, Any]) -> str:
    """The grammar of ``schema``; raises ``RejectedError`` that names the part that has none."""
    return _grammar(json.dumps(schema))


@lru_cache(maxsize=64)
def _grammar(schema: str) -> str:
    try:
        rewritten, references = plain(json.loads(schema))
        rules = _converter(references).grammar(rewritten)
    except (AssertionError, ValueError, KeyError, IndexError, TypeError, RecursionError) as failure:
        said = " ".join(str(failure).split())[:160] or type(failure).__name__
        raise RejectedError(f"the answer's schema cannot be made a grammar: {said}") from None
    if (what := fault(rules)) is not None:
        raise RejectedError(f"the answer's schema cannot be made a grammar: {what}")
    return rules


def one_of(choices: Sequence[str]) -> str:
    """The grammar of an answer that is one of ``choices``; raises ``RejectedError`` where they have none."""
    try:
        rules = "root ::= " + " | ".join(_literal(choice) for choice in choices)
        what = fault(rules.encode().decode())
    except UnicodeEncodeError:
        what = "half a character is in them"
    if what is not None:
        raise RejectedError(f"the answer's choices cannot be made a grammar: {what}")
    return rules


def _literal(text: str) -> str:
    """``text`` between quotes, as the notation spells it."""
    return '"' + json.dumps(text, ensure_ascii=False)[1:-1] + '"'


class Converter(Protocol):
    """A converter for one use."""

    def grammar(self, schema: dict[str, Any]) -> str:
        """The grammar of a schema in plain words."""
        ...


def _converter(references: dict[str, Any]) -> Converter:
    """The converter, mended where its grammar would give an answer that does not parse or is not the schema's."""
    from llama_cpp.llama_grammar import PRIMITIVE_RULES, BuiltinRule, SchemaConverter

    class Mended(SchemaConverter):  # type: ignore[misc]
        """It escapes no backslash, spells Korean as escapes, and takes a definition for a rule of the same name."""

        def _format_literal(self, literal: str) -> str:
            spelt = json.dumps(json.loads(literal), ensure_ascii=False)
            return '"' + spelt.replace("\\", "\\\\").replace('"', '\\"') + '"'

        def _add_primitive(self, name: str, rule: BuiltinRule) -> str:
            strict = BuiltinRule(_CHARACTER, []) if rule is PRIMITIVE_RULES["char"] else rule
            added: str = super()._add_primitive(name, strict)
            return added

        def _resolve_ref(self, ref: str) -> str:
            name = f"definition-{list(self._refs).index(ref)}"
            if name in self._rules or ref in self._refs_being_resolved:
                return name
            self._refs_being_resolved.add(ref)
            found: str = self.visit(self._refs[ref], name)
            self._refs_being_resolved.remove(ref)
            return found

        def grammar(self, schema: dict[str, Any]) -> str:
            """The whole grammar; ``UnicodeEncodeError`` where half a character is in it."""
            self._refs = references
            self.visit(schema, "")
            if "dot" in self._rules:
                self._rules["dot"] = _ANY_CHARACTER
            made: str = self.format_grammar()
            return made.encode().decode()

    made: Converter = Mended(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    return made
