"""A reply in pieces, whole and broken off: what the server sends to a request that asks for a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from aiohttp import web

from promptops.testing.faults import Fault
from promptops.testing.responses import cut

_BROKEN_OFF = frozenset({"malformed", "error200", "stream_error", "stream_end", "reset_body"})


async def streamed(
    request: web.Request, reply: Mapping[str, Any], fault: Fault, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send ``reply`` as events; ``fault`` can break it off half-way."""
    response = web.StreamResponse(headers={**headers, "content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    deltas = list(_deltas(reply))
    likely = _spread(reply, len(deltas))
    breaks = fault.kind in _BROKEN_OFF
    for delta, part in zip(deltas[: len(deltas) // 2 if breaks else None], likely, strict=False):
        choice = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": part}
        await response.write(_event(reply, [choice]))
    if fault.kind == "reset_body":
        return cut(request, response)
    if breaks:
        await response.write(_break(fault))
        return response
    return await _ended(response, reply, await request.json())


async def _ended(response: web.StreamResponse, reply: Mapping[str, Any], body: Mapping[str, Any]) -> web.StreamResponse:
    for choice in (reply.get("choices") or ())[:1]:
        await response.write(_event(reply, [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]))
    if (body.get("stream_options") or {}).get("include_usage") and reply["usage"] is not None:
        await response.write(_event(reply, [], reply["usage"]))
    await response.write(b"data: [DONE]\n\n")
    return response


def _deltas(reply: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The message word by word, and its tool calls with their arguments in pieces."""
    choices = reply.get("choices") or []
    message = choices[0].get("message") if choices else None
    if message is None:
        return
    yield {"role": "assistant", "content": ""}
    for name in ("content", "refusal"):
        yield from ({name: piece} for piece in re.findall(r"\S+\s*|\s+", message.get(name) or ""))
    for index, call in enumerate(message.get("tool_calls") or ()):
        about = {"name": call["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": about}]}
        for piece in re.findall(r".{1,5}", call["function"]["arguments"], re.DOTALL):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _spread(reply: Mapping[str, Any], pieces: int) -> list[dict[str, Any] | None]:
    """The log-probabilities of a reply, some with each of its pieces."""
    likely = [choice.get("logprobs") for choice in (reply.get("choices") or ())[:1]]
    content = likely[0]["content"] if likely and likely[0] else None
    if content is None:
        return [None] * pieces
    ends = [len(content) * place // pieces for place in range(pieces + 1)]
    return [{"content": content[start:end]} for start, end in pairwise(ends)]


def _event(reply: Mapping[str, Any], choices: list[dict[str, Any]], usage: Mapping[str, Any] | None = None) -> bytes:
    """One event of a stream."""
    about = {"id": reply["id"], "object": "chat.completion.chunk", "created": 1, "model": reply["model"]}
    return b"data: " + json.dumps(about | {"choices": choices, "usage": usage}).encode() + b"\n\n"


def _break(fault: Fault) -> bytes:
    """What is sent last where a stream breaks off: an event that says so, one that nobody can read, or nothing."""
    if fault.kind in {"malformed", "stream_end"}:
        return b"data: {broken\n\n" if fault.kind == "malformed" else b""
    said = {"error": {"message": fault.message or "upstream failed", "code": fault.code or None}}
    return b"data: " + json.dumps(said).encode() + b"\n\n"
