"""What the worker process does: read what is asked, move the engine on by one step, tell what came of it.

One thread does both; another only reads, so that whoever asks never waits for a decode, and a closed pipe ends the
process even while the native library is busy.

Frames that are asked: ``load`` (first), ``ask``, ``cancel``, ``embed``, ``end``. Frames that are told: ``ready`` or
``unable``, then ``piece``, ``done``, ``failed``, ``vectors`` by the id of what asked, and ``alive`` meanwhile.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from array import array
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from promptops.errors import RejectedError, UsageError
from promptops.local.grammar import grammar, one_of
from promptops.local.worker.frames import Frame, encode, frames
from promptops.local.worker.loading import EngineProtocol, Loaded, load, request

_ALIVE = 1.0
"""Seconds between two signs of life."""


def serve(given: BinaryIO, answers: BinaryIO) -> None:
    """Serve until ``end`` is asked or ``given`` ends."""
    asked = frames(given)
    first = next(asked, None)
    if first is None:
        return
    if first["debug"]:
        logging.basicConfig(level=logging.DEBUG, format="%(message)s")  # which goes to the other end's log
    inbox: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    engines: list[EngineProtocol] = []
    threading.Thread(target=_read, args=(asked, inbox, engines), daemon=True).start()
    try:
        loaded = load(first)
    except UsageError as failure:
        message = " ".join(str(failure).split()).removeprefix(f"{first['settings']['path']}: ")
        _tell(answers, {"kind": "unable", "message": message})
        return
    engines.append(loaded.engine)
    try:
        _Serving(loaded, inbox, answers).run()
    finally:
        loaded.engine.close()


def _read(asked: Iterator[Frame], inbox: queue.SimpleQueue[Frame], engines: list[EngineProtocol]) -> None:
    """Hand on every frame, a cancel at once too, since the engine may be computing just that call.

    Whoever asks is gone when there are no more frames, so there is nobody to end properly for.
    """
    for frame in asked:
        if frame["kind"] == "cancel" and engines:
            engines[0].cancel(frame["id"])
        inbox.put(frame)
        if frame["kind"] == "end":
            return
    os._exit(0)


def _tell(answers: BinaryIO, frame: Frame) -> None:
    with suppress(BrokenPipeError):  # the reading thread will notice
        answers.write(encode(frame))
        answers.flush()


class _Serving:
    """The loop over one engine."""

    def __init__(self, loaded: Loaded, inbox: queue.SimpleQueue[Frame], answers: BinaryIO) -> None:
        self._engine = loaded.engine
        self._module = loaded.module
        self._inbox = inbox
        self._answers = answers
        self._told = time.monotonic()

    def run(self) -> None:
        """Take in all that is asked, step, tell; sleep where there is nothing to do."""
        engine = self._engine
        self._tell({"kind": "ready", "window": engine.window})
        while True:
            for frame in self._asked(wait=not engine.busy):
                if frame["kind"] == "end":
                    return
                self._take(frame)
            if engine.busy:
                for event in engine.step():
                    self._tell(_told(event))
                if time.monotonic() - self._told > _ALIVE:
                    self._tell({"kind": "alive"})

    def _asked(self, *, wait: bool) -> Iterator[Frame]:
        if wait:
            yield self._inbox.get()
        with suppress(queue.Empty):
            while True:
                yield self._inbox.get_nowait()

    def _take(self, frame: Frame) -> None:
        """Begin one thing that is asked, or tell why it cannot be."""
        number = frame["id"]
        try:
            match frame["kind"]:
                case "ask":
                    self._ask(frame)
                case "cancel":
                    self._engine.cancel(number)
                case "embed":
                    self._embed(number, frame["texts"])
        except (RejectedError, UsageError) as failure:
            message = " ".join(str(failure).split())
            self._tell({"kind": "failed", "id": number, "code": failure.code, "message": message})

    def _ask(self, frame: Frame) -> None:
        self._engine.submit(request(self._module, frame, self._tokens(frame["pieces"]), _rules(frame)))

    def _tokens(self, pieces: list[int | str]) -> tuple[int, ...]:
        """Ids as they are, text as plain text: nothing in it becomes a special token."""
        engine = self._engine
        found: list[int] = []
        for piece in pieces:
            found += [piece] if isinstance(piece, int) else engine.tokenize(piece)
        if engine.add_begin and engine.begin >= 0 and found[:1] != [engine.begin]:
            found.insert(0, engine.begin)
        return tuple(found)

    def _embed(self, number: int, texts: list[list[int | str]]) -> None:
        lists = [list(self._tokens(pieces)) for pieces in texts]
        vectors = self._engine.embed(lists)
        rows = [b64encode(array("f", vector).tobytes()).decode() for vector in vectors]
        self._tell({"kind": "vectors", "id": number, "rows": rows, "tokens": sum(map(len, lists))})

    def _tell(self, frame: Frame) -> None:
        self._told = time.monotonic()
        _tell(self._answers, frame)


def _rules(frame: Frame) -> str | None:
    """The grammar that holds the answer, where one does."""
    if (schema := frame.get("schema")) is not None:
        return grammar(schema)
    return one_of(frame["choices"]) if frame.get("choices") else None


def _told(event: Any) -> Frame:
    """An event of the engine as a frame: its fields, and its kind."""
    match type(event).__name__:
        case "Piece":
            return {"kind": "piece", "id": event.id, "text": event.text}
        case "Done":
            return {
                "kind": "done",
                "id": event.id,
                "text": event.text,
                "finish": event.finish,
                "input": event.input_tokens,
                "cached": event.cached_tokens,
                "output": event.output_tokens,
                "logprobs": [[one.token, one.logprob, one.top] for one in event.logprobs],
            }
        case _:
            return {"kind": "failed", "id": event.id, "code": event.code, "message": event.message}
