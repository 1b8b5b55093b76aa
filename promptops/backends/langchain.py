"""Any LangChain chat model as a backend: the model spec ``langchain:package.module:attr``."""

from __future__ import annotations

import hashlib
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops import prices
from promptops.backends import verdicts
from promptops.errors import CallError, NotFoundError, PromptopsError, RejectedError, UsageError
from promptops.types import Call, Counter, Finish, Price, Reply, Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

_CUT = {"length", "max_tokens", "MAX_TOKENS"}


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
        """One ``ainvoke``; every exception of the model arrives as a ``CallError``."""
        if call.schema is not None:
            raise RejectedError(f"{self.name}: JSON schemas are not passed on to LangChain models")
        messages = [(message.role, message.content) for message in call.messages]
        try:
            message: AIMessage = await self._model.ainvoke(messages, **_sampling(call))
        except PromptopsError:
            raise
        except Exception as failure:
            raise _ours(self.name, failure) from failure
        return self._reply(call, message)

    async def aclose(self) -> None:
        """LangChain models keep their own connections."""

    def _reply(self, call: Call, message: AIMessage) -> Reply:
        text = message.content if isinstance(message.content, str) else str(message.text)
        about = message.response_metadata or {}
        reason = about.get("finish_reason") or about.get("stop_reason")
        finish: Finish = "length" if reason in _CUT else "stop"
        return Reply(text, self._usage(call, message, text), finish, self.name, message.id)

    def _usage(self, call: Call, message: AIMessage, text: str) -> Usage:
        found: Any = message.usage_metadata
        if not found:
            given = sum(self.counter.count(part.content) for part in call.messages)
            return Usage(given, 0, self.counter.count(text), 0, estimated=True)
        cached = (found.get("input_token_details") or {}).get("cache_read") or 0
        thought = (found.get("output_token_details") or {}).get("reasoning") or 0
        return Usage(found["input_tokens"], cached, found["output_tokens"], thought)


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


def _ours(name: str, failure: Exception) -> CallError:
    """What a model's exception is: by its HTTP status where it has one, else possibly billed."""
    said = _line(failure)
    status = getattr(failure, "status_code", None)
    if isinstance(status, int):
        return verdicts.error(name, verdicts.Answer(status, said))
    return CallError(f"{name}: {said}", billed=True)
