"""What a template says: the same thing twice, something else than its schema, or more than its limit allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptops.prompts.lint.body import Body
from promptops.prompts.lint.finding import Finding
from promptops.prompts.shape import members
from promptops.prompts.template import Template

_FEWEST_WORDS = 4
_NOT_JSON = re.compile(
    r"\b(?:plain (?:connected )?prose|plain text|no json|as markdown|in markdown|bulleted list)\b|산문으로|평문으로",
    re.IGNORECASE,
)
_KEY = re.compile(r'"([A-Za-z_]\w*)"\s*:')
_LEAST_TOKENS = {"words": 1.3, "sentences": 8, "characters": 0.2}
"""Of English, which takes the fewest."""


def wording(template: Template, body: Body) -> Iterator[Finding]:
    """Duplicate instructions, contradicted schemas and limits that cannot be reached."""
    yield from _duplicates(body)
    if template.head.output.json_schema is not None:
        yield from _contradictions(template.head.output.json_schema, body)
    yield from _unreachable(template)


def _duplicates(body: Body) -> Iterator[Finding]:
    seen: dict[str, tuple[str, int]] = {}
    for place in body.fixed:
        words = re.findall(r"\w+", place.text.lower())
        if not place.whole or len(words) < _FEWEST_WORDS:
            continue
        said = " ".join(words)
        if said in seen and seen[said] != (place.path, place.line):
            path, line = seen[said]
            text = f"{place.text[:60]!r} already stands in {path}:{line}; say it once"
            yield Finding("duplicate", place.path, place.line, text)
        seen.setdefault(said, (place.path, place.line))


def _contradictions(schema: Mapping[str, Any], body: Body) -> Iterator[Finding]:
    known = members(schema)
    for place in body.fixed:
        if said := _NOT_JSON.search(place.text):
            text = f"{said[0]!r} asks for something else than the JSON schema; leave it out"
            yield Finding("schema", place.path, place.line, text)
        for key in _KEY.findall(place.text):
            if known and key not in known:
                text = f"{key!r} is no property of the schema, which has {', '.join(sorted(known))}"
                yield Finding("schema", place.path, place.line, text)


def _unreachable(template: Template) -> Iterator[Finding]:
    output = template.head.output
    for unit, limit in output.limits.items():
        number = template.inputs[limit].default if isinstance(limit, str) else limit
        least = int((number or 0) * _LEAST_TOKENS[unit])
        if output.max_tokens is not None and output.max_tokens < least:
            text = f"{number} {unit} take {least} tokens or more, and max_tokens is {output.max_tokens}; raise it"
            yield Finding("unreachable-length", str(template.path), template.line("output"), text)
