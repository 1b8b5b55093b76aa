"""Whether a JSON answer is one, and fits its schema; in words that say the place and what is wrong there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_FENCED = re.compile(r"\A[^{\[]*?```[\w-]*[ \t]*\r?\n(.*)\n[ \t]*```[^{\[]*\Z", re.DOTALL)
_BEGINS, _ENDS = 60, 160
"""Characters of what the checker says that are kept; in the middle it repeats the answer."""


def bare(text: str) -> str:
    """``text`` without the code fence that a model may have put around its JSON, and what it said before and after."""
    text = text.strip().removeprefix("\ufeff")
    found = _FENCED.match(text)
    return found[1].strip() if found else text


def misfit(text: str, schema: Mapping[str, Any]) -> str | None:
    """What is wrong with ``text`` as an answer to ``schema``, or ``None``."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as failure:
        return f"it is no JSON: {failure}"
    return _wrong(value, schema)


def wrong_schema(schema: Mapping[str, Any]) -> str | None:
    """What is wrong with a schema itself, or ``None``."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for

    try:
        validator_for(schema, default=Draft202012Validator).check_schema(dict(schema))
    except SchemaError as failure:
        return f"schema{_place(failure.path)}: {_short(failure.message)}"
    return None


def is_list(schema: Mapping[str, Any] | None, member: str) -> bool:
    """Whether every answer to ``schema`` has a list under ``member``."""
    own = {} if schema is None or member not in schema.get("required", ()) else schema.get("properties", {}).get(member)
    return isinstance(own, Mapping) and own.get("type") == "array"


def members(schema: object) -> frozenset[str]:
    """Every member that a schema names, at any depth."""
    if isinstance(schema, Mapping):
        own = schema.get("properties")
        return frozenset(own if isinstance(own, Mapping) else ()).union(*map(members, schema.values()))
    return frozenset().union(*map(members, schema)) if isinstance(schema, list) else frozenset()


def _wrong(value: Any, schema: Mapping[str, Any]) -> str | None:
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        found = best_match(_checker(json.dumps(schema)).iter_errors(value))
    except Unresolvable as failure:
        return f"its schema refers to {failure.ref!r}, which is not in it"
    except RecursionError:
        return "it is nested too deeply"
    return None if found is None else f"the answer{_place(found.absolute_path)}: {_short(found.message)}"


@lru_cache(maxsize=16)
def _checker(schema: str) -> Validator:
    """Of the draft that the schema names; it looks nothing up that the schema does not hold itself."""
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    read = json.loads(schema)
    return validator_for(read, default=Draft202012Validator)(read, registry=Registry())


def _place(path: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _short(said: str) -> str:
    return said if len(said) <= _BEGINS + _ENDS else f"{said[:_BEGINS]} … {said[-_ENDS:]}"


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
