"""Messages, tools and replies: LangChain's as ours, and ours as LangChain's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ChatMessage, InvalidToolCall, ToolMessage
from langchain_core.messages import ToolCall as Asked
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call

from promptops.errors import UsageError
from promptops.types import Message, Reply, Role, Tool, ToolCall, Usage

_ROLES: Mapping[str, Role] = {
    "system": "system", "System": "system", "developer": "system", "human": "user", "Human": "user", "user": "user",
    "ai": "assistant", "AI": "assistant", "assistant": "assistant", "tool": "tool", "Tool": "tool",
}  # fmt: skip
_UNSENT = frozenset({"tool_use", "tool_call", "function_call", "thinking", "reasoning", "redacted_thinking"})
"""Blocks of an earlier answer that stand elsewhere in the message, or that no server takes back."""


def ours(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """The messages of a call; raises ``UsageError`` for what is not text."""
    return tuple(_message(message) for message in messages)


def _message(message: BaseMessage) -> Message:
    kind = message.role if isinstance(message, ChatMessage) else message.type
    role = _ROLES.get(kind.removesuffix("MessageChunk"))
    if role is None:
        raise UsageError(f"a message of the role {kind!r} has no place in a prompt")
    called: list[tuple[str | None, str, str]] = []
    if isinstance(message, AIMessage):
        called += [(one["id"], one["name"], json.dumps(one["args"], ensure_ascii=False)) for one in message.tool_calls]
        called += [(one["id"], one["name"] or "", one["args"] or "") for one in message.invalid_tool_calls]
    return Message(
        role,
        _text(message.content),
        tuple(ToolCall(id_ or f"call_{number}", name, said) for number, (id_, name, said) in enumerate(called)),
        message.tool_call_id if isinstance(message, ToolMessage) else "",
    )


def _text(content: str | Sequence[str | Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(block if isinstance(block, str) else _block(block) for block in content)


def _block(block: Mapping[str, Any]) -> str:
    kind = block.get("type")
    if kind in {"text", "input_text", "output_text"}:
        return str(block.get("text") or "")
    if kind in _UNSENT:
        return ""
    raise UsageError(f"promptops sends text only, and a message holds a block of the type {kind!r}")


def tools(given: Sequence[Mapping[str, Any]]) -> tuple[Tool, ...]:
    """Tools in OpenAI's format as ours."""
    functions = [one["function"] for one in given]
    return tuple(
        Tool(one["name"], one.get("description") or "", one.get("parameters") or {}, bool(one.get("strict")))
        for one in functions
    )


def choice(given: object) -> str:
    """LangChain's ``tool_choice`` as ours."""
    if isinstance(given, Mapping):
        return str(given.get("function", given).get("name", "required"))
    if given is True or given in ("any", "required"):
        return "required"
    return "auto" if given is None or given is False else str(given)


def answer(reply: Reply, model: str) -> AIMessage:
    """The whole reply as a message."""
    asked, broken = _asked(reply.tool_calls)
    return AIMessage(
        reply.text,
        tool_calls=asked,
        invalid_tool_calls=broken,
        usage_metadata=usage(reply),
        response_metadata=about(reply, model),
    )


def last(reply: Reply, model: str) -> AIMessageChunk:
    """What comes after the last piece of a streamed reply: its tool calls, usage and the rest."""
    return AIMessageChunk(
        content="",
        tool_call_chunks=[
            ToolCallChunk(name=one.name, args=one.arguments, id=one.id, index=number, type="tool_call_chunk")
            for number, one in enumerate(reply.tool_calls)
        ],
        usage_metadata=usage(reply),
        response_metadata=about(reply, model),
        chunk_position="last",
    )


def _asked(calls: Sequence[ToolCall]) -> tuple[list[Asked], list[InvalidToolCall]]:
    """Tool calls whose arguments are a JSON object, and the others."""
    asked: list[Asked] = []
    broken: list[InvalidToolCall] = []
    for one in calls:
        try:
            arguments = json.loads(one.arguments)
        except ValueError:
            arguments = None
        if isinstance(arguments, dict):
            asked.append(tool_call(name=one.name, args=arguments, id=one.id))
        else:
            broken.append(invalid_tool_call(name=one.name, args=one.arguments, id=one.id, error="not a JSON object"))
    return asked, broken


def about(reply: Reply, model: str) -> dict[str, Any]:
    """A reply's model, how it ended, the provider's id of it, and whether the store gave it."""
    finish = "tool_calls" if reply.tool_calls and reply.finish == "stop" else reply.finish
    found = {"model_name": reply.model or model, "finish_reason": finish, "request_id": reply.request_id}
    return {name: value for name, value in found.items() if value} | ({"stored": True} if reply.stored else {})


def usage(reply: Reply) -> UsageMetadata:
    """What the reply took; nothing where the store gave it."""
    used = Usage() if reply.stored else reply.usage
    return UsageMetadata(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        total_tokens=used.input_tokens + used.output_tokens,
        input_token_details=InputTokenDetails(cache_read=used.cached_input_tokens),
        output_token_details=OutputTokenDetails(reasoning=used.reasoning_tokens),
    )
