"""Tools as the Chat Completions format writes them, and what they take in tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from promptops.types import Call, Counter, Message, Tool, ToolCall

_CHOICES = ("auto", "none", "required")
_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


def offered(call: Call) -> dict[str, Any]:
    """The part of a request that offers the tools of ``call``; ``{}`` without any."""
    if not call.tools:
        return {}
    choice = call.tool_choice
    named = {"type": "function", "function": {"name": choice}}
    return {"tools": [_function(tool) for tool in call.tools], "tool_choice": choice if choice in _CHOICES else named}


def _function(tool: Tool) -> dict[str, Any]:
    about: dict[str, Any] = {"name": tool.name, "parameters": dict(tool.parameters or _NOTHING)}
    if tool.description:
        about["description"] = tool.description
    if tool.strict:
        about["strict"] = True
    return {"type": "function", "function": about}


def written(message: Message) -> dict[str, Any]:
    """A message as a request holds it."""
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_call_id:
        body["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        body["content"] = message.content or None
        body["tool_calls"] = [
            {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
            for one in message.tool_calls
        ]
    return body


def asked(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The tools that a message of an answer asks for; entries without a name are none."""
    given = message.get("tool_calls")
    listed = given if isinstance(given, list) else []
    found = [(one, one.get("function")) for one in listed if isinstance(one, Mapping)]
    return tuple(
        ToolCall(str(one.get("id") or f"call_{number}"), function["name"], _arguments(function.get("arguments")))
        for number, (one, function) in enumerate(found)
        if isinstance(function, Mapping) and isinstance(function.get("name"), str) and function["name"]
    )


def _arguments(given: object) -> str:
    """As text: some servers send the object itself, or nothing where there are no arguments."""
    if isinstance(given, str):
        return given or "{}"
    return json.dumps(given, ensure_ascii=False) if isinstance(given, Mapping) else "{}"


def about_tools(call: Call) -> bool:
    """Whether a call offers tools, or holds what was said of some."""
    return bool(call.tools) or any(message.tool_calls or message.tool_call_id for message in call.messages)


def tools_tokens(call: Call, counter: Counter) -> int:
    """Tokens of the tools that a call offers, of those its messages ask for, and of which of them is answered.

    Providers put them into words of their own, so this is an estimate that errs high: it takes for those words all of
    the JSON that the request has of them.
    """
    if not about_tools(call):
        return 0
    said = [written(message) for message in call.messages if message.tool_calls or message.tool_call_id]
    parts = [offered(call), *({name: part for name, part in one.items() if name.startswith("tool")} for one in said)]
    return sum(counter.count(json.dumps(part, ensure_ascii=False)) for part in parts if part)
