"""The bytes that the fake provider sends, whole and broken."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from promptops.testing.answers import Answer
from promptops.testing.faults import Fault


def error(status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    """An error as the API words it."""
    body = {"message": message, "type": code or "fake_error", "param": None, "code": code or None}
    return web.json_response({"error": body}, status=status, headers={"x-request-id": "req_failed", **(headers or {})})


def asked(said: Answer, number: int) -> list[dict[str, Any]]:
    """The tools that the ``number``-th answer asks for, as its message holds them."""
    return [
        {"id": f"call_{number}_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for place, (name, arguments) in enumerate(said.tool_calls)
    ]


def rendered(reply: Mapping[str, Any], fault: Fault) -> tuple[bytes, str]:
    """The body of a reply and its content type, as ``fault`` leaves them."""
    if fault.kind == "html":
        return b"<!doctype html><html><body>Please log in</body></html>", "text/html"
    if fault.kind == "not_object":
        return b'["not", "an", "object"]', "application/json"
    content = json.dumps(reply, ensure_ascii=False).encode()
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
