"""The Batch API's files: a call as a line of the input, a line of the output or error file as what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from promptops.backends.verdicts import Answer, error, kind_of, one_line, read_error
from promptops.errors import CallError, RejectedError, TransientError
from promptops.types import Call, Reply

if TYPE_CHECKING:
    from promptops.backends.openai import OpenAI

ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"

_BREAKS = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}
"""Ends of lines to some readers of lines, where JSON leaves them as they are."""

_LEFT = {"batch_expired": "expired", "batch_cancelled": "cancelled"}


def written(key: bytes, call: Call, backend: OpenAI) -> bytes:
    """The line that asks for ``call`` under its key; raises ``RejectedError`` for a prompt that no line can hold."""
    line = {"custom_id": key.hex(), "method": "POST", "url": ENDPOINT, "body": backend.request(call)}
    try:
        return json.dumps(line, ensure_ascii=False).translate(_BREAKS).encode() + b"\n"
    except UnicodeEncodeError:
        raise RejectedError(
            f"{backend.place}: the prompt holds half a character (a lone surrogate); clean the document"
        ) from None


def parsed(line: bytes) -> tuple[bytes, Mapping[str, Any]] | None:
    """The key and the entry of one line, or ``None`` for a line that is neither."""
    try:
        entry = json.loads(line)
        return bytes.fromhex(entry["custom_id"]), entry
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def outcome(entry: Mapping[str, Any], call: Call, backend: OpenAI) -> Reply | CallError:
    """What became of a call. What another try may mend is tried in the next batch, so without any wait of its own."""
    response, failure = entry.get("response"), entry.get("error")
    hide = [message.content for message in call.messages]
    if not isinstance(response, Mapping) or failure:
        return _unanswered(failure, backend, hide)
    body, request_id = response.get("body"), response.get("request_id")
    if response.get("status_code") != 200:
        message, codes = read_error(body)
        status = response.get("status_code")
        answer = Answer(
            status if isinstance(status, int) else 500, one_line(message, hide), codes, request_id, retry_after=0.0
        )
        return error(backend.place, answer)
    try:
        return backend.read(json.dumps(body).encode(), call, request_id=request_id, hide=hide)
    except CallError as unusable:
        unusable.retry_after = 0.0
        return unusable


def _unanswered(failure: object, backend: OpenAI, hide: list[str]) -> CallError:
    message, codes = read_error(failure)
    left = next((_LEFT[code] for code in sorted(codes) if code in _LEFT), None)
    if left is not None:
        return missing(left, backend)
    return kind_of(500, codes, message)(f"{backend.place}: {one_line(message, hide) or 'no answer'}", retry_after=0.0)


def missing(status: str, backend: OpenAI, *, spoiled: bool = False) -> CallError:
    """The error of a call that a batch in this ``status`` says nothing of. Only an answer in a ``spoiled`` line, one
    that cannot be read, can have been billed.
    """
    if status == "cancelled":
        return CallError(f"{backend.place}: the batch was cancelled at the provider; run again to send what it left")
    said = "a line of its results cannot be read" if spoiled else f"it {status} without this call"
    return TransientError(
        f"{backend.place}: the batch left this call unanswered: {said}", billed=spoiled, retry_after=0.0
    )
