"""A value that a JSON schema allows, made from what a prompt says: the answer of a model that is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from typing import Any

_QUOTED = re.compile(r"'([^']+)'|\"([^\"]+)\"")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_WORDS = 6
_DEEPEST = 8


def arguments(schema: Mapping[str, Any], prompt: str) -> str:
    """The JSON of a value that ``schema`` allows, its strings and numbers taken from ``prompt``."""
    return json.dumps(_Maker(schema, prompt).value(schema), ensure_ascii=False)


class _Maker:
    def __init__(self, schema: Mapping[str, Any], prompt: str) -> None:
        self._definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
        quoted = [single or double for single, double in _QUOTED.findall(prompt)]
        words = " ".join(prompt.split()[:_WORDS]) or "nothing"
        self._texts: Iterator[str] = chain(quoted, repeat(quoted[-1] if quoted else words))
        self._numbers: Iterator[float] = chain(map(float, _NUMBER.findall(prompt)), repeat(0.0))

    def value(self, schema: Mapping[str, Any], depth: int = 0) -> Any:
        schema = self._plain(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
        if kind == "object":
            inner = schema.get("properties", {}) if depth < _DEEPEST else {}
            return {name: self.value(one, depth + 1) for name, one in inner.items()}
        if kind == "array":
            return [self.value(schema.get("items", {}), depth + 1)] if depth < _DEEPEST else []
        if kind in {"integer", "number"}:
            return self._number(schema, kind)
        return {"boolean": True, "null": None}[kind] if kind in {"boolean", "null"} else next(self._texts)

    def _plain(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a reference or a choice of schemas comes to."""
        for _ in range(_DEEPEST):
            options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
            if "$ref" in schema:
                schema = self._definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {})
            elif options:
                schema = next((one for one in options if one.get("type") != "null"), options[0])
        return schema

    def _number(self, schema: Mapping[str, Any], kind: str) -> float:
        number = next(self._numbers)
        number = max(number, schema.get("minimum", number), schema.get("exclusiveMinimum", number - 1) + 1)
        number = min(number, schema.get("maximum", number), schema.get("exclusiveMaximum", number + 1) - 1)
        return int(number) if kind == "integer" else number
