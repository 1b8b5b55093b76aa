"""A small engine for tests of the worker: it answers with its own words, and does as it is told by them.

What it is told is spelt in the prompt: ``crash`` aborts the process, ``hang`` never returns, ``slow`` takes many steps,
``chatter`` prints on both streams from native code, ``fail`` fails as the real engine does.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from promptops.errors import UsageError


class EngineError(UsageError):
    code = "rejected"


@dataclass(frozen=True, slots=True)
class Request:
    id: int
    tokens: tuple[int, ...]
    most: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int = 0
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    logprobs: int = 0
    expected: int | None = None
    shift: bool = False
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    id: int
    text: str
    finish: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    logprobs: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    id: int
    code: str
    message: str


class Engine:
    """Bytes are its tokens; its answer is its prompt's last twelve characters, one a step."""

    begin, add_begin = -1, False

    def __init__(self, settings: Any) -> None:
        if "unloadable" in settings.path:
            raise EngineError("it is not to be loaded")
        if "deadly" in settings.path:
            os.abort()
        self.window = settings.context
        self._going: dict[int, tuple[Request, str]] = {}
        self._cancelled: list[int] = []

    @property
    def busy(self) -> bool:
        return bool(self._going or self._cancelled)

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        return list(text.encode("utf-8", "replace"))

    def submit(self, request: Request) -> None:
        said = bytes(token for token in request.tokens if token < 256).decode("utf-8", "replace")
        if "fail" in said:
            raise EngineError("it was told to fail")
        if "chatter" in said:
            os.write(1, b"native words on standard output\n")
            os.write(2, b"native words on standard error\n")
        self._going[request.id] = (request, said)

    def cancel(self, number: int) -> None:
        if self._going.pop(number, None):
            self._cancelled.append(number)

    def step(self) -> list[Any]:
        events: list[Any] = [Done(number, "", "cancelled", 0, 0, 0) for number in self._cancelled]
        self._cancelled.clear()
        for number, (request, said) in list(self._going.items()):
            if "crash" in said:
                os.abort()
            if "hang" in said:
                time.sleep(3600)
            if "slow" in said:
                time.sleep(0.01)
                continue
            text = said[-12:]
            if request.stream:
                events += [Piece(number, part) for part in text]
            del self._going[number]
            events.append(Done(number, text, "stop", len(request.tokens), 0, len(text)))
        return events

    def embed(self, lists: list[list[int]]) -> list[list[float]]:
        return [[float(len(tokens)), 0.5] for tokens in lists]

    def close(self) -> None:
        self._going.clear()
