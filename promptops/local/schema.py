"""A JSON schema in the words that a grammar can be made of; what has none is refused by its place.

llama.cpp's converter looks at the first keyword that it knows and passes over the rest, which would let answers through
that the schema forbids. Here each keyword is either one that it takes, or rewritten in those, or refused. Where the
rewritten schema is narrower than the given one (objects without further members), every answer still satisfies both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from promptops.errors import RejectedError
from promptops.local.pattern import plain_pattern

Schema = dict[str, Any]

_SAID = frozenset({
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "$comment",
    "$defs", "definitions", "format", "discriminator",
})  # fmt: skip
"""What tells people something, and constrains nothing."""

_SHAPES = ("$ref", "anyOf", "oneOf", "allOf", "const", "enum")
_OF_TYPE = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems"}),
    "string": frozenset({"pattern", "minLength", "maxLength"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset[str](),
    "boolean": frozenset[str](),
    "null": frozenset[str](),
}
_ALL = frozenset[str]().union(*_OF_TYPE.values())
_KNOWN = _SAID | _ALL | {"type", *_SHAPES}
_UNLESS_SAID = frozenset({"nullable", "uniqueItems"})
"""What constrains nothing where it is false."""
_ANYTHING: Schema = {"anyOf": [{"type": kind} for kind in _OF_TYPE]}
_FORMATS = re.compile(r"uuid[1-5]?|date|time|date-time")
_SIZES = ("minItems", "maxItems", "minLength", "maxLength")
_LONGEST = 500
"""Items or characters that a schema may count: a grammar spells each out."""
_WIDEST = 1_000
"""Integers of a range."""


def plain(schema: object) -> tuple[Schema, dict[str, Schema]]:
    """``schema`` in plain words, and what its references mean; raises ``RejectedError`` that names the part without.

    A schema that says nothing asks for an object.
    """
    rewriting = _Plain(schema)
    return rewriting.schema(schema, "") or {"type": "object"}, rewriting.references


class _Plain:
    """Rewrites a schema and all in it; ``place`` is a JSON pointer."""

    def __init__(self, root: object) -> None:
        self.references: dict[str, Schema] = {}
        self._root = root

    def schema(self, given: object, place: str) -> Schema:
        if given is True:
            given = {}
        if not isinstance(given, Mapping):
            self._refuse(place, "it is no schema" if given is not False else "nothing satisfies it")
        schema = {str(name): value for name, value in given.items()}
        for name, value in schema.items():
            if name not in _KNOWN and not (name in _UNLESS_SAID and not value):
                self._refuse(f"{place}/{name}", "it has no grammar")
        shapes = [name for name in _SHAPES if name in schema]
        if len(shapes) > 1 and not {"const", "enum"} & set(shapes):
            self._refuse(f"{place}/{shapes[1]}", f"it stands beside {shapes[0]}")
        rewritten = self._shaped(shapes[0], schema, place) if shapes else self._typed(schema, place)
        return rewritten or (_ANYTHING if place else {})

    def _shaped(self, shape: str, schema: Schema, place: str) -> Schema:
        """One that says by a word of its own what it is; only its type may stand beside that."""
        if shape in {"const", "enum"} or "enum" in schema:
            return self._choices(schema, place)
        for name in _ALL & schema.keys():
            self._refuse(f"{place}/{name}", f"it stands beside {shape}")
        value = schema[shape]
        if shape == "$ref":
            return self._reference(value, f"{place}/$ref")
        if not isinstance(value, list) or not value:
            self._refuse(f"{place}/{shape}", "it lists nothing")
        parts = [self.schema(part, f"{place}/{shape}/{number}") for number, part in enumerate(value)]
        if shape != "allOf":
            return {"anyOf": parts}
        if len(parts) > 1:
            self._refuse(f"{place}/allOf", "several schemas at once have no grammar; write them as one")
        return parts[0]

    def _reference(self, reference: object, place: str) -> Schema:
        """What a reference means is rewritten once, which also ends one that leads to itself."""
        target: Any = self._root
        steps = str(reference).removeprefix("#").split("/")
        if not isinstance(reference, str) or not reference.startswith("#") or steps[0]:
            self._refuse(place, f"{reference!r} is not in this schema")
        for step in steps[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and name.isdecimal() and int(name) < len(target):
                target = target[int(name)]
            elif isinstance(target, Mapping) and name in target:
                target = target[name]
            else:
                self._refuse(place, f"{reference!r} is not in this schema")
        if reference not in self.references:
            self.references[reference] = {}
            self.references[reference] = self.schema(target, reference.removeprefix("#")) or {"type": "object"}
        return {"$ref": reference}

    def _choices(self, schema: Schema, place: str) -> Schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        if not isinstance(values, list) or not values:
            self._refuse(f"{place}/enum", "it lists nothing")
        kinds = schema.get("type")
        named = kinds if isinstance(kinds, list) else [kinds]
        fitting = [value for value in values if kinds is None or any(_is(value, kind) for kind in named)]
        if not fitting:
            self._refuse(f"{place}/enum", f"none of it is of type {kinds}")
        return {"enum": fitting}

    def _typed(self, schema: Schema, place: str) -> Schema:
        kinds = schema.get("type")
        if kinds is None:
            kinds = [kind for kind, names in _OF_TYPE.items() if names & schema.keys()] or None
            if kinds is None:
                return {}
        named = kinds if isinstance(kinds, list) else [kinds]
        for kind in named:
            if kind not in _OF_TYPE:
                self._refuse(f"{place}/type", f"{kind!r} is no type")
        for name in _ALL & schema.keys():
            if not any(name in _OF_TYPE[kind] for kind in named):
                self._refuse(f"{place}/{name}", f"it has no grammar beside the type {', '.join(named)}")
        parts = [self._of_type(kind, schema, place) for kind in named]
        return parts[0] if len(parts) == 1 else {"anyOf": parts}

    def _of_type(self, kind: str, schema: Schema, place: str) -> Schema:
        own: Schema = {name: schema[name] for name in _OF_TYPE[kind] if name in schema}
        for name in _SIZES:
            if name in own and not (isinstance(own[name], int) and 0 <= own[name] <= _LONGEST):
                self._refuse(f"{place}/{name}", f"it must be a number from 0 to {_LONGEST}")
        match kind:
            case "object":
                return {"type": kind} | self._members(own, place)
            case "array":
                return {"type": kind} | self._items(own, place)
            case "integer":
                return self._range(own, place)
            case "string":
                return {"type": kind} | self._text(own, schema.get("format"), place)
            case _:
                return {"type": kind}

    def _members(self, own: Schema, place: str) -> Schema:
        given = own.get("properties", {})
        if not isinstance(given, Mapping):
            self._refuse(f"{place}/properties", "it is no object")
        members = {str(name): self.schema(part, f"{place}/properties/{name}") for name, part in given.items()}
        required = own.get("required", [])
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            self._refuse(f"{place}/required", "it is no list of names")
        members |= {name: {} for name in required if name not in members}
        more = own.get("additionalProperties")
        if not members and more is None:
            return {}
        kept: Schema = {"properties": members, "required": required}
        if isinstance(more, Mapping) or (more is True and not members):
            kept["additionalProperties"] = self.schema(more, f"{place}/additionalProperties")
        return kept

    def _items(self, own: Schema, place: str) -> Schema:
        least, most = own.get("minItems", 0), own.get("maxItems")
        if most is not None and most < least:
            self._refuse(f"{place}/maxItems", f"it is less than minItems, {least}")
        if "prefixItems" in own or isinstance(own.get("items"), list):
            listed = own.get("prefixItems", own.get("items"))
            if not isinstance(listed, list) or not listed or not least <= len(listed) <= (most or len(listed)):
                self._refuse(f"{place}/prefixItems", "its number of items is not that of minItems and maxItems")
            where = f"{place}/prefixItems"
            return {"prefixItems": [self.schema(part, f"{where}/{number}") for number, part in enumerate(listed)]}
        if not own:
            return {}
        if most == 0:
            self._refuse(f"{place}/maxItems", "a list that is always empty has no grammar")
        sizes: Schema = {name: own[name] for name in ("minItems", "maxItems") if name in own}
        return {"items": self.schema(own.get("items", True), f"{place}/items"), **sizes}

    def _range(self, own: Schema, place: str) -> Schema:
        """Integers between two ends, one by one."""
        if not own:
            return {"type": "integer"}
        for name, value in own.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
                self._refuse(f"{place}/{name}", "it is no whole number")
        least = max((own[n] + d for n, d in (("minimum", 0), ("exclusiveMinimum", 1)) if n in own), default=None)
        most = min((own[n] - d for n, d in (("maximum", 0), ("exclusiveMaximum", 1)) if n in own), default=None)
        if least is None or most is None or not 0 <= most - least < _WIDEST:
            self._refuse(f"{place}/{next(iter(own))}", f"only a range of 1 to {_WIDEST:,} whole numbers has a grammar")
        return {"enum": list(range(int(least), int(most) + 1))}

    def _text(self, own: Schema, form: object, place: str) -> Schema:
        least, most = own.get("minLength", 0), own.get("maxLength")
        if most is not None and most < least:
            self._refuse(f"{place}/maxLength", f"it is less than minLength, {least}")
        if "pattern" in own:
            if len(own) > 1:
                self._refuse(f"{place}/pattern", "it stands beside a length")
            try:
                return {"pattern": plain_pattern(own["pattern"], _LONGEST)}
            except ValueError as failure:
                self._refuse(f"{place}/pattern", str(failure))
        if own:
            return own
        return {"format": form} if isinstance(form, str) and _FORMATS.fullmatch(form) else {}

    def _refuse(self, place: str, why: str) -> NoReturn:
        line = " ".join(f"{place or '/'}: {why}".split())
        raise RejectedError(f"the answer's schema cannot be made a grammar at {line}")


def _is(value: object, kind: object) -> bool:
    if isinstance(value, bool) or value is None:
        return kind == ("null" if value is None else "boolean")
    if kind == "integer":
        return isinstance(value, int | float) and value == value // 1
    python: Any = {"number": (int, float), "string": str, "array": list, "object": dict}.get(str(kind), ())
    return isinstance(value, python)
