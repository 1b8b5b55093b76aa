"""A reply in pieces: the server-sent events of a Chat Completions stream, put together as the answer they amount to.

The format is that of the HTML standard, section 9.2.6 (interpreting an event stream).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from promptops.backends import wire
from promptops.backends.completion import _text
from promptops.types import Call, Reply

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from promptops.backends.completion import Reader

STREAM: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
"""What asks for pieces, and for the usage after the last."""

_DONE = "[DONE]"


class Events:
    """Takes bytes as they arrive, and gives the data of each event that is whole."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[str] = []
        self._after_return = False

    def feed(self, part: bytes) -> Iterator[str]:
        """The data of every event that ``part`` completes."""
        for line in self._lines(part):
            if not line:
                if self._data:
                    yield "\n".join(self._data)
                self._data = []
                continue
            name, _, value = line.partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))

    def _lines(self, part: bytes) -> Iterator[str]:
        """Whole lines, whichever of the three line ends they have; a carriage return can be parted from its newline."""
        if self._after_return and part[:1] == b"\n":
            part = part[1:]
        self._after_return = part.endswith(b"\r") if part else self._after_return
        pieces = part.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for piece in pieces[:-1]:
            self._rest += piece
            line = self._rest.decode("utf-8", "replace")
            self._rest.clear()
            yield line
        self._rest += pieces[-1]


class Assembled:
    """The body of an answer, as far as the chunks of its stream say it."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}
        self.finish: str | None = None
        self._message: dict[str, list[str]] = {}
        self._tools: dict[int, dict[str, str]] = {}
        self._logprobs: list[Any] = []
        self._slot = 0

    def add(self, chunk: Mapping[str, Any]) -> str:
        """Take one chunk; returns the next characters of the answer, often ``""``."""
        for name in ("id", "model", "usage", "error"):
            if chunk.get(name):
                self.body[name] = chunk[name]
        choices = chunk.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(first, Mapping) or first.get("index", 0) != 0:
            return ""
        self.finish = first.get("finish_reason") or self.finish
        likely = first.get("logprobs")
        if isinstance(likely, Mapping) and isinstance(likely.get("content"), list):
            self._logprobs += likely["content"]
        delta = first.get("delta")
        return self._said(delta) if isinstance(delta, Mapping) else ""

    def _said(self, delta: Mapping[str, Any]) -> str:
        for name in ("content", "refusal", "reasoning_content", "reasoning"):
            if isinstance(delta.get(name), str | list):
                self._message.setdefault(name, []).append(_text(delta[name]))
        given = delta.get("tool_calls")
        parts = given if isinstance(given, list) else []
        for place, part in enumerate(parts):
            if isinstance(part, Mapping):
                self._asked(part, place if len(parts) > 1 else self._slot)
        return _text(delta.get("content"))

    def _asked(self, part: Mapping[str, Any], place: int) -> None:
        """A part of a tool call: its id and name come once, its arguments in pieces."""
        self._slot = self._slot_of(part, place)
        tool = self._tools.setdefault(self._slot, {})
        function = part.get("function")
        about = function if isinstance(function, Mapping) else {}
        for name, said in (("id", part.get("id")), ("name", about.get("name"))):
            if isinstance(said, str) and said:
                tool[name] = said
        if isinstance(about.get("arguments"), str):
            tool["arguments"] = tool.get("arguments", "") + about["arguments"]

    def _slot_of(self, part: Mapping[str, Any], place: int) -> int:
        """Which tool call it is a part of: the one of its index, else of its id, which may be new, else ``place``.

        Without either, a name where there is one already begins another.
        """
        index, said = part.get("index"), part.get("id")
        if isinstance(index, int):
            return index
        if not isinstance(said, str) or not said:
            return max(self._tools) + 1 if self._begins(part, self._tools.get(place, {})) else place
        known = (slot for slot, tool in self._tools.items() if tool.get("id") == said)
        return next(known, max(self._tools, default=-1) + 1)

    @staticmethod
    def _begins(part: Mapping[str, Any], tool: Mapping[str, str]) -> bool:
        """Whether ``part`` is not of ``tool``: it has another name, or the same after arguments that are whole."""
        function = part.get("function")
        name = function.get("name") if isinstance(function, Mapping) else None
        if not name or "name" not in tool:
            return False
        return bool(name != tool["name"] or _whole(tool.get("arguments", "")))

    def whole(self) -> dict[str, Any]:
        """The answer as one body; without choices where nothing was said."""
        if self.finish is None and not self._message and not self._tools:
            return self.body
        message: dict[str, Any] = {name: "".join(parts) for name, parts in self._message.items()}
        message["tool_calls"] = [{"id": tool.get("id"), "function": tool} for _, tool in sorted(self._tools.items())]
        choice = {"message": message, "finish_reason": self.finish, "logprobs": {"content": self._logprobs}}
        return self.body | {"choices": [choice]}


def _whole(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True


def is_stream(response: ClientResponse) -> bool:
    """Whether an answer comes in pieces: a server that does not stream answers whole, as does one that refuses."""
    return response.status < 300 and response.content_type == "text/event-stream"


class Streamed:
    """One attempt's stream: tells the call's listener its pieces, and has the reply when it is over."""

    def __init__(self, reader: Reader, call: Call, hide: Sequence[str]) -> None:
        self._reader = reader
        self._call = call
        self._hide = hide
        self._events = Events()
        self._assembled = Assembled()
        self._request_id: str | None = None
        self._done = False

    async def read(self, response: ClientResponse) -> Reply:
        """The whole reply; raises a ``CallError`` where the stream ended before it, or said that it failed."""
        self._request_id = wire.request_id(response.headers)
        async for part in response.content.iter_any():
            self._take(part)
        body = self._assembled.whole()
        if self._assembled.finish is None and not body.get("error") and not (self._done and body.get("choices")):
            raise self._reader.unusable("its stream ended before it was whole", self._request_id)
        return self._reader.of(body, self._call, request_id=self._request_id, hide=self._hide)

    def _take(self, part: bytes) -> None:
        for data in self._events.feed(part):
            if data.strip() == _DONE:
                self._done = True
                return
            said = self._assembled.add(self._parsed(data))
            if said and self._call.listener is not None:
                self._call.listener.piece(said)

    def _parsed(self, data: str) -> Mapping[str, Any]:
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            chunk = None
        if not isinstance(chunk, Mapping):
            raise self._reader.unusable("an event of its stream is no JSON object", self._request_id)
        return chunk
