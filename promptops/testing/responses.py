"""The bytes that the fake provider sends, whole and broken."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from promptops.testing.answers import Answer, likely
from promptops.testing.faults import Fault


def error(status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    """An error as the API words it."""
    body = {"message": message, "type": code or "fake_error", "param": None, "code": code or None}
    return web.json_response({"error": body}, status=status, headers={"x-request-id": "req_failed", **(headers or {})})


def _asked(said: Answer, number: int) -> list[dict[str, Any]]:
    """The tools that the ``number``-th answer asks for, as its message holds them."""
    return [
        {"id": f"call_{number}_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for place, (name, arguments) in enumerate(said.tool_calls)
    ]


def reply(body: Mapping[str, Any], fault: Fault, said: Answer, used: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The ``number``-th answer as the API words it, as ``fault`` leaves it; ``used`` is its usage."""
    filtered = fault.kind == "content_filter"
    message: dict[str, Any] = {"role": "assistant", "content": None if filtered else said.text, "refusal": None}
    if said.tool_calls and not filtered:
        message |= {"content": said.text or None, "tool_calls": _asked(said, number)}
    if fault.kind == "refusal":
        message |= {"content": None, "refusal": "I can't help with that."}
    finish = "content_filter" if filtered else said.finish
    whole: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": likely(body, said)}],
        "usage": used,
    }
    changes: dict[str, dict[str, Any]] = {
        "no_choices": {"choices": []},
        "null_choices": {"choices": None},
        "no_message": {"choices": [{"index": 0, "finish_reason": "stop"}]},
        "no_usage": {"usage": None},
        "zero_usage": {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
    }
    if fault.kind == "error200":
        return {"error": {"message": fault.message or "upstream failed", "code": fault.code or None}}
    return whole | changes.get(fault.kind, {})


def rendered(whole: Mapping[str, Any], fault: Fault) -> tuple[bytes, str]:
    """The body of a reply and its content type, as ``fault`` leaves them."""
    if fault.kind == "html":
        return b"<!doctype html><html><body>Please log in</body></html>", "text/html"
    if fault.kind == "not_object":
        return b'["not", "an", "object"]', "application/json"
    content = json.dumps(whole, ensure_ascii=False).encode()
    return (content[: len(content) // 2] if fault.kind == "malformed" else content), "application/json"


async def half(request: web.Request, content: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send half a body whose whole length was promised, then cut the connection."""
    response = web.StreamResponse(headers={**headers, "content-type": "application/json"})
    response.content_length = len(content)
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    await asyncio.sleep(0.05)  # or the reset could overtake what was sent
    return cut(request, response)


def cut(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Reset the connection (RST, not an orderly end)."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return response if response is not None else web.Response()
