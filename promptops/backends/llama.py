"""A GGUF model on this machine: the model spec ``llama:PATH.gguf``, or ``llama:hf:OWNER/REPO:FILE``.

Its tokenizer, window and template are read from the file's header, so counting and planning load no weights. The first
call starts the engine in a process of its own, which all calls of this backend share.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from array import array
from base64 import b64decode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from promptops.errors import (
    AccessError,
    EngineError,
    PromptopsError,
    RejectedError,
    TransientError,
    UsageError,
    WindowError,
)
from promptops.local.card import card, digest
from promptops.local.chat import Chat
from promptops.local.options import LocalOptions
from promptops.local.settings import EngineSettings
from promptops.local.worker import Asked, Worker
from promptops.local.worker.loading import ENGINE, settings_frame
from promptops.prices import FREE
from promptops.store import key
from promptops.tokens.vocabulary import well_formed
from promptops.types import Call, Counter, Finish, Listener, Logprob, Price, Reply, Usage

if TYPE_CHECKING:
    from promptops.local.worker.frames import Frame

WINDOW = 8_192
"""Tokens per call where nobody says how many: few models are worse for it, and many calls at once fit most machines."""

_LOOK = 1.0
"""Seconds between two looks at whether the engine still lives."""

_SILENCE, _LEAST_SILENCE = 600.0, 30.0
"""Seconds after which an engine that says nothing counts as hung; and where a call is given fewer."""

_SAMPLING = {
    "temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0,
    "repeat_penalty": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0,
}  # fmt: skip
"""The likeliest token each time, unless a call or an option says otherwise: the same question, the same answer."""


class Llama:
    """The model in the GGUF file ``path``.

    ``counter`` is its tokenizer. ``window`` is tokens per call, as many as the model was trained on at most.
    ``timeout`` is the seconds that one call may take, waiting and loading included (default: as long as the engine is
    alive). ``spec`` is how it is named. Raises ``NotFoundError``, ``TemplateError`` or ``UsageError`` where the file
    cannot be used, or the window is more than that.
    """

    price: Price | None = FREE
    window: int | None
    constrains = True
    """A schema, or choices, hold its answers by a grammar, and a schema takes no tokens of the prompt."""
    logprobs = loras = True

    def __init__(
        self,
        path: str | Path,
        counter: Counter,
        *,
        spec: str | None = None,
        options: LocalOptions | None = None,
        window: int | None = None,
        timeout: float | None = None,
        reasoning: int = 0,
        engine: str = ENGINE,
    ) -> None:
        self._model = card(path)
        self._options = options or LocalOptions()
        self._chat = None if self._model.embeds else Chat(self._model)
        self.name = f"llama:{spec or path}"
        self.identity = f"llama:{self._model.digest}{_suffix(self._options)}"
        self.counter = counter
        self.window = self._window(window)
        self.overhead = 2 if self._chat is None else self._chat.overhead(counter)
        self.reasoning = reasoning
        self.answers = not self._model.embeds
        self.endless = self._options.shift
        self._timeout = timeout
        self._engine = engine
        self._worker: Worker | None = None
        self._starting = threading.Lock()

    def __repr__(self) -> str:
        return f"Llama({self.name!r})"

    @property
    def pid(self) -> int | None:
        """The id of the engine's process, while there is one."""
        return None if self._worker is None else self._worker.pid

    async def complete(self, call: Call) -> Reply:
        """Answer one call.

        Raises a ``CallError``, ``WindowError`` where the prompt turns out too long, ``EngineError`` where the model
        cannot be loaded.
        """
        heard = _Heard(call.listener)
        asked = Asked(self._frame(call), key(call, self.identity), heard.piece if call.listener is not None else None)
        try:
            done = await self._answer(asked)
        except PromptopsError:
            heard.void()
            raise
        finish: Finish = "stop" if done["finish"] == "stop" else "length"
        usage = Usage(done["input"], min(done["cached"], done["input"]), done["output"])
        likely = tuple(Logprob(token, p, tuple(map(tuple, top))) for token, p, top in done.get("logprobs", ()))
        logprobs = None if call.sampling.logprobs is None else likely
        return Reply(done["text"], usage, finish, self.name, logprobs=logprobs)

    async def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """A vector for each text, in one batch.

        Raises ``UsageError`` for a model that gives none, ``CallError`` where the engine fails.
        """
        if not self._model.embeds:
            raise UsageError(f"{self.name} is a chat model and gives no vectors; name an embedding model")
        begin, end = self._model.wrap
        pieces = [[piece for piece in (begin, well_formed(text), end) if piece is not None] for text in texts]
        asked = Asked({"kind": "embed", "texts": pieces}, hashlib.sha256(repr(pieces).encode()).digest())
        done = await self._answer(asked)
        vectors = [array("f", b64decode(row)).tolist() for row in done["rows"]]
        return vectors, Usage(done["tokens"], 0, 0)

    async def aclose(self) -> None:
        """Nothing of it belongs to an event loop: the engine's process stays, its model loaded, until ``close``."""

    def close(self) -> None:
        """End the engine's process, unless calls of others are in it; the next call starts another.

        Left open, it ends with this object, or with the program.
        """
        if self._worker is not None:
            self._worker.close()

    def _frame(self, call: Call) -> Frame:
        if self._chat is None:
            raise AccessError(f"{self.name} is an embedding model: it gives vectors (po.embed) and no answers")
        sampling = call.sampling
        said = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
        asked: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        if sampling.logprobs is not None:
            asked["logprobs"] = sampling.logprobs
        if sampling.loras is not None:
            asked["loras"] = [[self._adapter(name), scale] for name, scale in sampling.loras]
        # A grammar says where an answer ends; a stop text inside of it would leave half an object.
        stop = [] if call.schema is not None or call.choices else list(sampling.stop)
        return {
            "kind": "ask",
            "pieces": self._chat.pieces(call.messages),
            "most": call.max_output_tokens + self.reasoning,
            "sampling": {"seed": call.take, **_SAMPLING, **self._options.sampling, **asked, "stop": stop},
            "schema": None if call.schema is None else dict(call.schema),
            "choices": list(call.choices),
            "expected": call.expected_output_tokens,
            "shift": self._options.shift,
            "stream": call.listener is not None,
        }

    def _adapter(self, name: str) -> str:
        """The path of the one adapter of that name: its file's, with or without the ending."""
        loaded = [Path(lora.path) for lora in self._options.engine.get("loras", ())]
        found = [path for path in loaded if name in {path.name, path.stem}]
        if len(found) != 1:
            known = ", ".join(path.name for path in loaded) or "none"
            what = "several adapters" if found else "no adapter"
            raise UsageError(f"{self.name} loads {what} called {name!r} (it loads: {known}); name them in its spec")
        return str(found[0])

    async def _answer(self, asked: Asked) -> Frame:
        """Ask, and tell the engine where nobody waits for the answer any more."""
        worker = self._worker or await self._started()
        worker.ask(asked)
        future = asyncio.wrap_future(asked.answer)
        try:
            await self._done(future, worker)
        except BaseException:
            asked.answer.cancel()
            worker.cancel(asked)
            raise
        return self._read(future.result())

    async def _done(self, future: asyncio.Future[Frame], worker: Worker) -> None:
        """Wait as long as the engine lives and the call may take."""
        until = None if self._timeout is None else time.monotonic() + self._timeout
        while not future.done():
            left = _LOOK if until is None else min(_LOOK, until - time.monotonic())
            if left <= 0:
                raise TransientError(f"{self.name}: the call took more than {self._timeout:g} seconds")
            await asyncio.wait({future}, timeout=left)
            worker.watch()

    def _read(self, frame: Frame) -> Frame:
        """The answer, or the error that it is."""
        if frame["kind"] != "failed":
            return frame
        line = f"{self.name}: {frame['message']}"
        match frame["code"]:
            case "window":
                raise WindowError(line)
            case "engine":
                raise TransientError(line)
            case _:
                raise RejectedError(line)

    async def _started(self) -> Worker:
        """The worker, which starts its process with the first call; ``EngineError`` where the model does not fit."""
        if self._worker is None:
            try:
                await asyncio.to_thread(self._start)
            except UsageError as failure:
                line = str(failure).removeprefix(str(self._model.path)).lstrip(": ")
                raise EngineError(f"{self.name}: {line}") from None
        return cast("Worker", self._worker)

    def _start(self) -> None:
        with self._starting:
            if self._worker is None:
                settings = settings_frame(self._settings())
                load = {"kind": "load", "engine": self._engine, "settings": settings}
                silence = _SILENCE if self._timeout is None else max(self._timeout, _LEAST_SILENCE)
                self._worker = Worker(load, self.name, silence=silence)

    def _settings(self) -> EngineSettings:
        """What this machine does best, and what was said; as many sequences as its memory holds, where nobody says."""
        from promptops.local.machine import this
        from promptops.local.memory import check, defaults, usual_sequences
        from promptops.local.model import model

        said = self._options.engine
        machine, found = this(), model(self._model.path)
        good = defaults(found, machine)
        settings = EngineSettings(good.path, threads=good.threads, repack=good.repack, embeddings=self._model.embeds)
        settings = replace(settings, **{**said, "context": self.window})
        if "sequences" not in said:
            settings = replace(settings, sequences=usual_sequences(found, settings, machine))
        if "flash_attention" not in said and settings.value_type not in {"f16", "bf16", "f32"}:
            settings = replace(settings, flash_attention=True)  # which such values need
        while "sequences" not in said and settings.sequences > 1:
            with suppress(UsageError):
                check(settings)
                return settings
            settings = replace(settings, sequences=settings.sequences // 2)
        check(settings)
        return settings

    def _window(self, asked: int | None) -> int:
        """As asked, by the option ``context`` or by default; ``UsageError`` where the model was trained on less."""
        wanted = asked or self._options.engine.get("context")
        trained = self._model.context
        if wanted is None:
            return min(WINDOW, trained or WINDOW)
        if 0 < trained < wanted:
            raise UsageError(
                f"{self.name}: a window of {wanted:,} tokens is more than the {trained:,} that the model was trained "
                f"on, and what lies past them it cannot read; say --window {trained} at most"
            )
        return wanted


class _Heard:
    """Hands pieces from the worker's thread to a listener in its event loop."""

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._any = False

    def piece(self, text: str) -> None:
        """From any thread."""
        self._any = True
        if self._listener is not None:
            self._call(self._listener.piece, text)

    def void(self) -> None:
        """The attempt has failed."""
        if self._any and self._listener is not None:
            self._call(self._listener.again)

    def _call(self, method: Callable[..., None], *given: Any) -> None:
        with suppress(RuntimeError):  # its loop has been closed
            self._loop.call_soon_threadsafe(method, *given)


def _suffix(options: LocalOptions) -> str:
    """What of the options changes answers, in few characters; nothing where nothing does."""
    engine = options.engine
    plain = {name: engine[name] for name in ("key_type", "value_type") if engine.get(name, "f16") != "f16"}
    loras = [(digest(lora.path), lora.scale) for lora in engine.get("loras", ())]
    said = [sorted(plain.items()), loras, sorted(options.sampling.items()), options.shift]
    if not any(said):
        return ""
    return f"-{hashlib.sha256(repr(said).encode()).hexdigest()[:8]}"
