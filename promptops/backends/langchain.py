"""Any LangChain chat model as a backend: the model spec ``langchain:package.module:attr``."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops import prices
from promptops.backends import foreign
from promptops.errors import (
    NotFoundError,
    PromptopsError,
    RefusedError,
    RejectedError,
    TransientError,
    UsageError,
)
from promptops.tools import offered, tools_tokens, written
from promptops.types import Call, Counter, Finish, Price, Reply, ToolCall, Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

_CUT = frozenset({"length", "max_tokens", "model_length", "model_context_window_exceeded"})
_REFUSED = frozenset({
    "content_filter", "content_filtered", "guardrail_intervened", "refusal", "safety", "recitation", "blocklist",
    "prohibited_content", "spii", "error_toxic",
})  # fmt: skip
"""How providers say that an answer was cut at its limit, or held back; in lower case."""


class LangChain:
    """A ``BaseChatModel``; its usage where it reports one, else counted and marked as estimated.

    ``model`` names it for prices and the window, as far as those are known.
    """

    def __init__(self, spec: str, model: BaseChatModel, counter: Counter, window: int | None = None) -> None:
        name = str(getattr(model, "model_name", None) or getattr(model, "model", None) or "")
        self.name = f"langchain:{spec}"
        # Hashed, since the store keeps it and a model's settings can hold a key.
        self.identity = f"{self.name}#{hashlib.sha256(repr(_set_to(model)).encode()).hexdigest()[:16]}"
        self.window = window if window is not None else prices.window(name)
        self.counter = counter
        self.price: Price | None = prices.price(name) if name else None
        self.overhead = 8
        self.reasoning = 0
        self._model = model

    async def complete(self, call: Call) -> Reply:
        """One ``ainvoke``, or ``astream`` where somebody listens; every exception arrives as a ``CallError``.

        Raises ``RejectedError`` where the model cannot be held to a schema, or offered tools, that the call has.
        """
        asked = self._asked(call)
        messages = [
            written(one) if one.tool_calls or one.tool_call_id else (one.role, one.content) for one in call.messages
        ]
        try:
            message = await _message(self.name, asked, messages, call)
        except PromptopsError:
            raise
        except Exception as failure:
            hide = [message.content for message in call.messages]
            raise foreign.of_exception(failure, self.name, hide) from failure
        return self._reply(call, message)

    async def aclose(self) -> None:
        """LangChain models keep their own connections."""

    def _asked(self, call: Call) -> Runnable[Any, Any]:
        """The model, bound to the tools or the schema of ``call``."""
        if call.tools and call.schema is not None:
            raise RejectedError(f"{self.name}: tools and a JSON schema in one call; LangChain models take one of them")
        try:
            if call.tools:
                return _offering(self._model, call)
            return self._model if call.schema is None else _held_to(self._model, call.schema)
        except NotImplementedError:
            what = "tools" if call.tools else "a JSON schema"
            raise RejectedError(f"{self.name}: a {type(self._model).__name__} cannot be given {what}") from None

    def _reply(self, call: Call, message: AIMessage) -> Reply:
        text = str(message.text)
        asked = _tool_calls(message)
        if call.schema is not None and asked and not text.strip():
            text, asked = asked[0].arguments, ()  # models that are held to a schema as the arguments of a tool
        usage, about = self._usage(call, message, text), message.response_metadata or {}
        named = ("finish_reason", "stop_reason", "stopReason", "done_reason")
        reason = next((str(about[name]).lower() for name in named if about.get(name)), "")
        request_id = about.get("request_id") or about.get("id") or message.id
        if reason in _REFUSED:
            line = f"{self.name}: the provider refused this call ({reason})"
            raise RefusedError(line, request_id=request_id, billed=True, usage=usage)
        finish: Finish = "length" if reason in _CUT else "stop"
        return Reply(text, usage, finish, self.name, request_id, asked)

    def _usage(self, call: Call, message: AIMessage, text: str) -> Usage:
        found: Any = message.usage_metadata or {}
        given, answered = found.get("input_tokens") or 0, found.get("output_tokens") or 0
        if not given or (text and not answered):  # who does not count sends zeros
            given = sum(self.counter.count(part.content) for part in call.messages) + tools_tokens(call, self.counter)
            return Usage(given, 0, self.counter.count(text), 0, estimated=True)
        cached = (found.get("input_token_details") or {}).get("cache_read") or 0
        thought = (found.get("output_token_details") or {}).get("reasoning") or 0
        return Usage(given, min(cached, given), answered, min(thought, answered))


async def _message(name: str, asked: Runnable[Any, Any], messages: list[Any], call: Call) -> AIMessage:
    """The model's whole message; told piece by piece to whoever listens."""
    if call.listener is None:
        answer: AIMessage = await asked.ainvoke(messages, **_sampling(call))
        return answer
    whole: Any = None
    async for chunk in asked.astream(messages, **_sampling(call)):
        call.listener.piece(str(chunk.text))
        whole = chunk if whole is None else whole + chunk
    if whole is None:
        raise TransientError(f"{name}: its stream was empty", billed=True)
    streamed: AIMessage = whole
    return streamed


def _offering(model: BaseChatModel, call: Call) -> Runnable[Any, Any]:
    tools = offered(call)["tools"]
    choice = {"auto": None, "required": "any"}.get(call.tool_choice, call.tool_choice)
    return model.bind_tools(tools) if choice is None else model.bind_tools(tools, tool_choice=choice)


def _held_to(model: BaseChatModel, schema: Mapping[str, Any]) -> Runnable[Any, Any]:
    """The model bound to ``schema``, without the parser after it; ``NotImplementedError`` where it cannot be.

    By the provider's own JSON schemas where it has them, else as the model does it by default.
    """
    titled = {"title": "answer", **schema}
    hows: tuple[dict[str, Any], ...] = ({"method": "json_schema"}, {})
    for how in hows:
        try:
            made = model.with_structured_output(titled, **how)
        except (TypeError, ValueError):
            continue
        bound: Runnable[Any, Any] | None = getattr(made, "first", None)
        if bound is not None:
            return bound
    raise NotImplementedError


def _tool_calls(message: AIMessage) -> tuple[ToolCall, ...]:
    whole = [
        ToolCall(one["id"] or "", one["name"], json.dumps(one["args"], ensure_ascii=False))
        for one in message.tool_calls
    ]
    broken = [ToolCall(one["id"] or "", one["name"] or "", one["args"] or "") for one in message.invalid_tool_calls]
    return (*whole, *broken)


def load(spec: str) -> BaseChatModel:
    """The chat model that ``package.module:attr`` names; a function or class is called without arguments.

    A module that is nowhere else is looked for in the working folder. Raises ``NotFoundError`` where it is not there,
    ``UsageError`` where it is no chat model or cannot be made.
    """
    module, colon, attribute = spec.partition(":")
    if not colon:
        raise UsageError(f"langchain:{spec}: write it as langchain:package.module:attribute")
    try:
        from langchain_core.language_models import BaseChatModel
    except ImportError:
        raise UsageError("LangChain models need an extra: pip install 'promptops[langchain]'") from None
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(import_module(module), attribute)
        model = found if isinstance(found, BaseChatModel) else found() if callable(found) else found
    except (ImportError, AttributeError) as failure:
        raise NotFoundError(f"langchain:{spec}: {_line(failure)}") from None
    except Exception as failure:
        raise UsageError(f"langchain:{spec} cannot be made: {_line(failure)}") from failure
    if not isinstance(model, BaseChatModel):
        raise UsageError(f"langchain:{spec} is a {type(model).__name__}, not a LangChain chat model")
    return model


def _set_to(model: BaseChatModel) -> dict[str, Any]:
    """What the model is set to, as far as that is plain values: clients and callbacks do not change a reply."""
    fields = {name: getattr(model, name, None) for name in sorted(type(model).model_fields)}
    return {name: value for name, value in fields.items() if isinstance(value, (str, int, float, bool))}


def _sampling(call: Call) -> dict[str, Any]:
    sampling = call.sampling
    given: dict[str, Any] = {
        "max_tokens": call.max_output_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _line(failure: Exception) -> str:
    return f"{type(failure).__name__}: {(str(failure).splitlines() or [''])[0][:200]}"
