"""What the fake model says, and what that takes in tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from promptops.shaped import arguments

_FENCE = re.compile(r"^<(document[^\s>]*)[^>\n]*>[ \t]*$", re.MULTILINE)
_PER_MESSAGE = 4
_PRIMING = 3
_WORDS = 40


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says, with what of its input came from a cache and what it thought unseen.

    ``tool_calls`` are the tools that it asks for, each a name and the JSON of its arguments.
    """

    text: str
    finish: str = "stop"
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    tool_calls: tuple[tuple[str, str], ...] = ()


Answering = Callable[[Mapping[str, Any]], "Answer | str"]


def fitting(body: Mapping[str, Any]) -> Answer:
    """What the request asks for: a tool, JSON by its schema, or else the ``first_words``."""
    tool, schema = wanted(body), schema_of(body)
    prompt = next((str(one["content"]) for one in reversed(body["messages"]) if one["role"] == "user"), "")
    if tool is not None:
        return Answer("", "tool_calls", tool_calls=((tool["name"], arguments(tool.get("parameters", {}), prompt)),))
    return Answer(first_words(body) if schema is None else arguments(schema, prompt))


def wanted(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The tool that an answer to ``body`` must ask for, or ``None``.

    It is the one that the request names, else the first that the last message names, else the first. Where the model
    may choose, it asks once: not again after a tool's result.
    """
    tools: list[Mapping[str, Any]] = [tool["function"] for tool in body.get("tools") or ()]
    choice = body.get("tool_choice", "auto")
    if not tools or choice == "none":
        return None
    if isinstance(choice, Mapping):
        return next((tool for tool in tools if tool["name"] == choice["function"]["name"]), None)
    last = body["messages"][-1]
    if choice == "auto" and last["role"] == "tool":
        return None
    named = (tool for tool in tools if tool["name"] in str(last["content"]))
    return next(named, tools[0])


def schema_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema that ``body`` asks the answer to follow, or ``None``."""
    asked: Mapping[str, Any] = body.get("response_format") or {}
    schema: Mapping[str, Any] | None = (asked.get("json_schema") or {}).get("schema")
    return schema


def first_words(body: Mapping[str, Any], words: int = _WORDS) -> str:
    """The beginning of the document that the prompt fences, or of the last message."""
    prompt = "\n".join(str(one["content"] or "") for one in body["messages"])
    opening = _FENCE.search(prompt)
    if opening is None:
        text = str(body["messages"][-1]["content"] or "")
    else:
        end = prompt.rfind(f"\n</{opening[1]}>")
        text = prompt[opening.end() : end if end >= 0 else len(prompt)]
    return " ".join(text.split(maxsplit=words)[:words])


@cache
def _tokenizer() -> Any:
    import splintr

    return splintr.Tokenizer.from_pretrained("o200k_base")


def ids(text: str) -> list[int]:
    """The tokens of ``text``."""
    return list(_tokenizer().encode_ordinary(text))


def decoded(ids: list[int]) -> str:
    """Their text, but for a character cut at the end."""
    return bytes(_tokenizer().decode_bytes(ids)).decode("utf-8", errors="ignore")


def within(body: Mapping[str, Any], said: Answer, *, halved: bool = False) -> Answer:
    """``said``, cut at the limit that ``body`` sets; to half at most where it is to be ``halved``."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    said_ids = ids(said.text)
    room = max(0, limit - said.reasoning_tokens) if limit else len(said_ids)
    if halved:
        room = min(room, max(1, len(said_ids) // 2))
    if len(said_ids) <= room:
        return said
    return replace(said, text=decoded(said_ids[:room]), finish="length")


def likely(body: Mapping[str, Any], said: Answer) -> dict[str, Any] | None:
    """The log-probabilities of a model that is sure of every token, where the request asks for them."""
    if not body.get("logprobs"):
        return None
    tokens = [{"token": decoded([one]), "logprob": 0.0, "bytes": None} for one in ids(said.text)]
    most = body.get("top_logprobs") or 0
    return {"content": [{**one, "top_logprobs": [one][:most]} for one in tokens], "refusal": None}


def usage(body: Mapping[str, Any], said: Answer) -> dict[str, Any]:
    """What the answer ``said`` to ``body`` is billed."""
    read = sum(len(ids(_words(one))) + _PER_MESSAGE for one in body["messages"]) + _PRIMING
    if body.get("tools"):
        read += len(ids(json.dumps(body["tools"], ensure_ascii=False)))
    asked = sum(len(ids(name + arguments)) for name, arguments in said.tool_calls)
    written = len(ids(said.text)) + asked + said.reasoning_tokens
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": min(said.cached_tokens, read)},
        "completion_tokens_details": {"reasoning_tokens": said.reasoning_tokens},
    }


def _words(message: Mapping[str, Any]) -> str:
    """All that a message of a request says."""
    asked = [one["function"] for one in message.get("tool_calls") or ()]
    return str(message["content"] or "") + "".join(one["name"] + one["arguments"] for one in asked)
