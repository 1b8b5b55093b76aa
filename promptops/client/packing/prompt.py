"""The prompt that asks about several items, and what its reply says about each."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from promptops.types import Call, GivenUp

if TYPE_CHECKING:
    from promptops.prompts.template import Template

PER_ANSWER = 24
"""Tokens that an answer's id and its place in the JSON take at most."""

_ENTRY = re.compile(r'\{\s*"(?:id|answer)"\s*:')
_SHORTEST_ID = 4
_TITLE = "packed answers"


def shared(call: Call) -> tuple[object, ...]:
    """What calls have in common that can be asked together: everything but the last message and the limit."""
    tags = call.tags
    return call.messages[:-1], call.sampling, tags.run, tags.chain, tags.step, tags.template


def joined(calls: Sequence[Call], ids: Sequence[str]) -> Call:
    """One call for all of ``calls``, which agree in what is ``shared``."""
    first = calls[0]
    prompt = _template().render(
        instructions="\n\n".join(message.content for message in first.messages[:-1]),
        ids=list(ids),
        items=[call.messages[-1].content for call in calls],
    )
    documents = {call.tags.document for call in calls}
    return replace(
        first,
        messages=prompt.messages,
        max_output_tokens=sum(call.max_output_tokens + PER_ANSWER for call in calls),
        expected_output_tokens=sum(_expected(call) + PER_ANSWER for call in calls),
        schema=_schema(ids),
        choices=(),
        pack=None,
        items=len(calls),
        given_up=_given_up(calls),
        tags=replace(first.tags, document=documents.pop() if len(documents) == 1 else "(packed)"),
    )


def _given_up(calls: Sequence[Call]) -> tuple[GivenUp, ...]:
    """What was left out of all of them, by the name of the section."""
    sums: dict[str, tuple[int, int]] = {}
    for part in (part for call in calls for part in call.given_up):
        before, after = sums.get(part.name, (0, 0))
        sums[part.name] = before + part.before, after + part.after
    return tuple(GivenUp(name, *sizes) for name, sizes in sums.items())


def ids_of(calls: Sequence[Call]) -> list[str]:
    """An id for each call, drawn from its text: a model that loses an item cannot shift the others' answers by one."""
    digests = [
        hashlib.blake2b(call.messages[-1].content.encode("utf-8", "surrogatepass")).hexdigest() for call in calls
    ]
    size = _SHORTEST_ID
    while len({digest[:size] for digest in digests}) < len(set(digests)):
        size += 1
    seen: Counter[str] = Counter()
    ids = []
    for digest in digests:
        seen[digest] += 1
        ids.append(digest[:size] if seen[digest] == 1 else f"{digest[:size]}-{seen[digest]}")
    return ids


def asked_ids(call: Call) -> list[str]:
    """The ids that a packed call asks about; ``[]`` for any other call."""
    if call.schema is None or call.schema.get("title") != _TITLE:
        return []
    ids: list[str] = call.schema["properties"]["answers"]["items"]["properties"]["id"]["enum"]
    return ids


def written(told: Mapping[str, str]) -> str:
    """A whole reply, as a model should write it."""
    return json.dumps(
        {"answers": [{"id": name, "answer": answer} for name, answer in told.items()]}, ensure_ascii=False
    )


def answers(text: str, ids: Sequence[str]) -> dict[str, str]:
    """The answers whose ids were asked for, said once, and not blank; from a whole, wrapped or cut JSON reply."""
    found = [(str(entry.get("id")), entry.get("answer")) for entry in _entries(text)]
    times = Counter(name for name, _ in found)
    return {
        name: answer.strip()
        for name, answer in found
        if name in ids and times[name] == 1 and isinstance(answer, str) and answer.strip()
    }


def _entries(text: str) -> Iterator[dict[str, Any]]:
    decoder, position = json.JSONDecoder(strict=False), 0
    while match := _ENTRY.search(text, position):
        try:
            entry, position = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            position = match.end()
            continue
        yield entry


def _expected(call: Call) -> int:
    return call.expected_output_tokens if call.expected_output_tokens is not None else call.max_output_tokens


def _schema(ids: Sequence[str]) -> dict[str, Any]:
    entry = {
        "type": "object",
        "properties": {"id": {"type": "string", "enum": list(ids)}, "answer": {"type": "string"}},
        "required": ["id", "answer"],
        "additionalProperties": False,
    }
    return {
        "title": _TITLE,
        "type": "object",
        "properties": {"answers": {"type": "array", "items": entry}},
        "required": ["answers"],
        "additionalProperties": False,
    }


@cache
def _template() -> Template:
    from promptops.prompts import Library

    return Library().template("packing/items")
