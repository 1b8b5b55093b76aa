"""Whether a JSON answer fits its schema, as far as types, members, items and choices go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float),
    "integer": int,
}  # fmt: skip


def misfit(text: str, schema: Mapping[str, Any]) -> str | None:
    """What is wrong with ``text`` as an answer to ``schema``, or ``None``."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as failure:
        return f"it is no JSON: {failure}"
    return _wrong(value, schema, "the answer")


def _wrong(value: Any, schema: Mapping[str, Any], place: str) -> str | None:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"{place} should be {' or '.join(kinds)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{place} should be one of {json.dumps(schema['enum'], ensure_ascii=False)}"
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        parts = ((item, schema["items"], f"{place}[{number}]") for number, item in enumerate(value))
        return next(filter(None, (_wrong(*part) for part in parts)), None)
    return _wrong_members(value, schema, place) if isinstance(value, dict) else None


def _wrong_members(value: dict[str, Any], schema: Mapping[str, Any], place: str) -> str | None:
    members = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f"{place} lacks {name!r}"
    for name in value:
        if name not in members and schema.get("additionalProperties") is False:
            return f"{place} has {name!r}, which the schema does not know"
    parts = ((value[name], inner, f"{place}.{name}") for name, inner in members.items() if name in value)
    return next(filter(None, (_wrong(*part) for part in parts)), None)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES.get(kind, object))
