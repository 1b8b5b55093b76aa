"""The Chat Completions format: a call as the body of a request, the body of an answer as a reply."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promptops.backends.verdicts import Answer, error, kind_of, one_line, read_error
from promptops.errors import AccessError, CallError, RefusedError, TransientError
from promptops.tools import asked, offered, tools_tokens, written
from promptops.types import Call, Logprob, Reply, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptops.types import Counter

PER_MESSAGE = 4
"""Tokens that the chat format puts around each message: its start, its role, its separator and its end."""

PRIMING = 3
"""Tokens that it ends the prompt with, so that the assistant goes on."""


def request(call: Call, model: str, limit: str, reasoning: int) -> dict[str, Any]:
    """The body that asks for ``call``; ``limit`` is the server's name for the most tokens to answer with."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [written(message) for message in call.messages],
        limit: call.max_output_tokens + reasoning,
        **offered(call),
    }
    sampling = call.sampling
    numbers = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
    body |= {name: value for name, value in numbers.items() if value is not None}
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.logprobs is not None:
        body |= {"logprobs": True} | ({"top_logprobs": sampling.logprobs} if sampling.logprobs else {})
    if call.schema is not None:
        schema = {"name": _schema_name(call.schema), "schema": dict(call.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _schema_name(schema: Mapping[str, Any]) -> str:
    """The schema's title in the letters that a name may have."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", str(schema.get("title", ""))).strip("_")[:64] or "answer"


class Reader:
    """Reads answers with status 200, which may still be no reply; ``place`` begins the line of every error."""

    def __init__(self, place: str, counter: Counter) -> None:
        self._place = place
        self._counter = counter
        self._understood = False

    def read(self, content: bytes, call: Call, *, request_id: str | None = None, hide: Sequence[str] = ()) -> Reply:
        """The reply in the body of an answer; raises a ``CallError`` where there is none.

        An answer that cannot be used was most likely generated, and so is marked as possibly billed.
        """
        return self.of(self._parsed(content, request_id), call, request_id=request_id, hide=hide)

    def of(
        self, body: Mapping[str, Any], call: Call, *, request_id: str | None = None, hide: Sequence[str] = ()
    ) -> Reply:
        """The reply in the parsed body of an answer, or in one put together from a stream; raises as ``read`` does."""
        request_id = request_id or _text(body.get("id")) or None
        usage = _reported(body.get("usage"))
        if body.get("error"):
            raise self._failed(body, request_id, usage, hide)
        message, finish = self._choice(body, request_id, usage)
        if finish == "content_filter" or message.get("refusal"):
            who = "the provider's content filter" if finish == "content_filter" else "the model"
            line = f"{self._place}: {who} refused this call"
            raise RefusedError(line, status=200, request_id=request_id, billed=True, usage=usage)
        text = _text(message.get("content"))
        return Reply(
            text=text,
            usage=self._counted(call, text, message) if usage is None or _absurd(usage, text) else usage,
            finish="length" if finish in {"length", "max_tokens"} else "stop",
            model=_text(body.get("model")),
            request_id=request_id,
            tool_calls=asked(message),
            logprobs=None if call.sampling.logprobs is None else _logprobs(body["choices"][0].get("logprobs")),
        )

    def _parsed(self, content: bytes, request_id: str | None) -> Mapping[str, Any]:
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            if what := self._no_model(content.lstrip()):
                raise AccessError(
                    f"{self._place}: {what} answered, not a model; check OPENAI_BASE_URL (it often ends in /v1)",
                    status=200,
                    request_id=request_id,
                ) from None
            raise self.unusable("its JSON is broken", request_id, None) from None
        self._understood = True
        if not isinstance(body, Mapping):
            raise self.unusable("it is not a JSON object", request_id, None)
        return body

    def _no_model(self, content: bytes) -> str:
        """What sent something that is no JSON at all; a server that has sent JSON before may only have been cut."""
        if content.startswith(b"<"):
            return "a web page"
        return "a plain text" if content and content[:1] not in b"{[" and not self._understood else ""

    def _choice(
        self, body: Mapping[str, Any], request_id: str | None, usage: Usage | None
    ) -> tuple[Mapping[str, Any], str]:
        choices = body.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        message = first.get("message") if isinstance(first, Mapping) else None
        if not isinstance(first, Mapping) or not isinstance(message, Mapping):
            raise self.unusable("it holds no choices" if first is None else "it holds no message", request_id, usage)
        return message, _text(first.get("finish_reason"))

    def unusable(self, why: str, request_id: str | None, usage: Usage | None = None) -> CallError:
        """The error of an answer that cannot be used; ``why`` ends its sentence."""
        return TransientError(
            f"{self._place}: the answer cannot be used: {why}",
            status=200,
            request_id=request_id,
            billed=True,
            usage=usage,
        )

    def _failed(
        self, body: Mapping[str, Any], request_id: str | None, usage: Usage | None, hide: Sequence[str]
    ) -> CallError:
        """An error in an answer that said 200: gateways do that, with the upstream's status as the error's code."""
        said = body["error"]
        code = said.get("code") if isinstance(said, Mapping) else None
        upstream = code if isinstance(code, int) and code in range(400, 600) else None
        message, codes = read_error(body)
        begun = bool(body.get("choices"))  # only a stream can fail after it has begun to answer
        billed = begun or (upstream is None and kind_of(200, codes) is TransientError)
        answer = Answer(upstream or 200, one_line(message, hide), codes, request_id, billed=billed, usage=usage)
        return error(self._place, answer)

    def _counted(self, call: Call, text: str, message: Mapping[str, Any]) -> Usage:
        """Our own count, where the server sent none."""
        thoughts = _text(message.get("reasoning_content") or message.get("reasoning"))
        reasoning = self._counter.count(thoughts) if thoughts else 0
        prompt = sum(self._counter.count(one.content) + PER_MESSAGE for one in call.messages)
        tools = sum(self._counter.count(one.name + one.arguments) for one in asked(message))
        return Usage(
            input_tokens=prompt + PRIMING + tools_tokens(call, self._counter),
            output_tokens=self._counter.count(text) + tools + reasoning,
            reasoning_tokens=reasoning,
            estimated=True,
        )


def _text(content: object) -> str:
    """A string, or the text of the parts that some servers send in its place; ``""`` for anything else."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _logprobs(said: object) -> tuple[Logprob, ...] | None:
    """Those of the tokens of an answer, ``None`` where there are none or they make no sense."""
    content = said.get("content") if isinstance(said, Mapping) else None
    if not isinstance(content, list):
        return None
    try:
        return tuple(Logprob(*_likely(one), tuple(map(_likely, one.get("top_logprobs") or ()))) for one in content)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _likely(one: Mapping[str, Any]) -> tuple[str, float]:
    return str(one["token"]), float(one["logprob"])


def _absurd(usage: Usage, text: str) -> bool:
    """Servers that do not count send zeros, which would make the ledger say that a reply was free."""
    return usage.input_tokens == 0 or (usage.output_tokens == 0 and bool(text))


def _reported(usage: object) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    prompt, output = _tokens(usage, "prompt_tokens"), _tokens(usage, "completion_tokens")
    if prompt is None or output is None:
        return None
    cached = _tokens(usage.get("prompt_tokens_details"), "cached_tokens") or _tokens(usage, "prompt_cache_hit_tokens")
    reasoning = _tokens(usage.get("completion_tokens_details"), "reasoning_tokens") or 0
    if reasoning and _tokens(usage, "total_tokens") == prompt + output + reasoning:
        output += reasoning  # some servers leave it out of the output, where promptops' words put it
    return Usage(prompt, min(cached or 0, prompt), output, min(reasoning, output))


def _tokens(usage: object, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
