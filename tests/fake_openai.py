"""A server on loopback that speaks Chat Completions, counts what it bills, and fails on demand.

It stands for a provider in the tests: real sockets, real HTTP, driven by the real client. Every request is recorded
with the tokens it billed, whether or not the answer arrived, so that a test can hold a ledger against it. From a shell,
for tests that kill processes::

    python -m tests.fake_openai --port 0 --latency 0.2 --fault reset:0.1 --log billed.jsonl

prints its base URL and writes one JSON line per request to the log.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from aiohttp import web

KEY = "test-key"
MODEL = "gpt-4o-mini"

_FENCE = re.compile(r"^<(document[^\s>]*)[^>\n]*>[ \t]*$", re.MULTILINE)
_PER_MESSAGE = 4
_PRIMING = 3
_WORDS = 40


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. ``kind`` is an HTTP status in digits or a name from ``FAULTS``.

    ``headers``, ``code`` and ``message`` go with a status; ``seconds`` is how long ``slow`` and ``hang`` take.
    """

    kind: str
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    message: str = ""
    seconds: float = 60.0


FAULTS = (
    "drop", "reset", "reset_body", "hang", "slow", "malformed", "html", "error200", "no_choices", "null_choices",
    "no_message", "empty", "length", "content_filter", "refusal", "no_usage", "zero_usage", "quota", "not_object",
)  # fmt: skip
"""``drop`` cuts the connection before anything is done, ``reset`` once it is billed, ``reset_body`` half-way."""

_UNBILLED = frozenset({"drop", "html", "error200", "quota"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says, with what of its input came from a cache and what it thought unseen."""

    text: str
    finish: str = "stop"
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server saw it. Tokens are 0 where nothing was billed, ``fault`` is ``""`` without one."""

    number: int
    model: str
    status: int
    fault: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def billed(self) -> bool:
        """Whether it cost anything."""
        return self.input_tokens > 0


Answering = Callable[[Mapping[str, Any]], "Answer | str"]


class FakeOpenAI:
    """The server, in a thread of its own; use it as a context manager.

    ``answer`` gets the request's JSON and returns what the model says; by default the first 40 words of the document
    that the prompt fences. ``fail`` queues faults for the next requests, one each; ``rates`` are the chances of faults
    otherwise, drawn from ``seed``. ``models`` and ``keys`` are those it accepts (``None``: any). ``latency`` is in
    seconds, ``headers`` go with every reply, and ``log`` is a file that gets a JSON line per request.
    """

    def __init__(
        self,
        answer: Answering | None = None,
        *,
        keys: tuple[str, ...] | None = (KEY,),
        models: tuple[str, ...] | None = None,
        latency: float = 0.0,
        rates: Mapping[str, float] | None = None,
        seed: int = 0,
        headers: Mapping[str, str] | None = None,
        log: Path | None = None,
        port: int = 0,
    ) -> None:
        self.answer = answer or first_words
        self.keys = keys
        self.models = models
        self.latency = latency
        self.rates = dict(rates or {})
        self.headers = dict(headers or {})
        self.requests: list[Seen] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._faults: deque[Fault] = deque()
        self._random = random.Random(seed)
        self._log = log
        self._port = port
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fake-openai", daemon=True)

    @property
    def base_url(self) -> str:
        """What to give as ``OPENAI_BASE_URL``."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def billed(self) -> dict[str, int]:
        """The tokens billed so far, summed, and in how many calls."""
        seen = [one for one in list(self.requests) if one.billed]
        names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
        return {"calls": len(seen)} | {name: sum(getattr(one, name) for one in seen) for name in names}

    def fail(self, *faults: Fault | str) -> None:
        """Let the next requests fail so, in this order."""
        self._faults.extend(fault if isinstance(fault, Fault) else Fault(fault) for fault in faults)

    def start(self) -> Self:
        """Listen; returns once connections are accepted."""
        self._thread.start()
        self._ready.wait(10)
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop listening and cut what is under way."""
        if self._loop is not None and self._over is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that started this one
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_post("/v1/chat/completions", self._complete)
        application.router.add_get("/v1/models", self._list)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self._port, backlog=1024)
            await site.start()
            self._port = runner.addresses[0][1]
            self._ready.set()
            await self._over.wait()
        finally:
            await runner.cleanup()

    async def _list(self, request: web.Request) -> web.Response:
        if not self._known_key(request):
            return _error(401, "Incorrect API key provided.", "invalid_api_key")
        names = self.models or (MODEL,)
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})

    def _known_key(self, request: web.Request) -> bool:
        given = request.headers.get("authorization", "")
        return self.keys is None or given.removeprefix("Bearer ") in self.keys

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answered(request)
        finally:
            self.in_flight -= 1

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        refusal = self._refused(request, body)
        if refusal is not None:
            self._record(request, body, str(refusal.status), refusal.status)
            return refusal
        fault = self._next_fault()
        await self._pause(self.latency)
        if fault.kind.isdigit() or fault.kind == "quota":
            return self._as_status(request, body, fault)
        return await self._as_reply(request, body, fault)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than the server is up."""
        if seconds and self._over is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), seconds)

    def _refused(self, request: web.Request, body: Mapping[str, Any]) -> web.Response | None:
        if not self._known_key(request):
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            return _error(401, f"Incorrect API key provided: {given}.", "invalid_api_key")
        if self.models is not None and body.get("model") not in self.models:
            return _error(404, f"The model `{body.get('model')}` does not exist.", "model_not_found")
        return None

    def _next_fault(self) -> Fault:
        if self._faults:
            return self._faults.popleft()
        drawn = self._random.random()
        for kind, chance in self.rates.items():
            if drawn < chance:
                return Fault(kind)
            drawn -= chance
        return Fault("")

    def _as_status(self, request: web.Request, body: Mapping[str, Any], fault: Fault) -> web.Response:
        status = 429 if fault.kind == "quota" else int(fault.kind)
        code = "insufficient_quota" if fault.kind == "quota" else fault.code
        self._record(request, body, fault.kind, status)
        return _error(status, fault.message or f"fault {fault.kind}", code, fault.headers)

    async def _as_reply(self, request: web.Request, body: Mapping[str, Any], fault: Fault) -> web.StreamResponse:
        if fault.kind == "drop":
            self._record(request, body, fault.kind, 0)
            return _cut(request)
        said = self._said(body, fault)
        usage = self._usage(body, said)
        self._record(request, body, fault.kind, 200, None if fault.kind in _UNBILLED else usage)
        if fault.kind in {"hang", "slow"}:
            await self._pause(fault.seconds)
        if fault.kind == "reset":
            return _cut(request)
        if body.get("stream"):
            return await self._streamed(request, body, fault, said, usage)
        content, kind = _rendered(self._reply(body, fault, said, usage), fault)
        headers = {**self.headers, "x-request-id": f"req_{len(self.requests)}"}
        if fault.kind == "reset_body":
            return await _half(request, content, headers)
        return web.Response(body=content, content_type=kind, headers=headers)

    def _said(self, body: Mapping[str, Any], fault: Fault) -> Answer:
        if fault.kind == "empty":
            return Answer("")
        said = self.answer(body)
        said = Answer(said) if isinstance(said, str) else said
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        ids = _ids(said.text)
        room = max(0, limit - said.reasoning_tokens) if limit else len(ids)
        if fault.kind == "length":
            room = min(room, max(1, len(ids) // 2))
        if len(ids) > room:
            said = Answer(_decoded(ids[:room]), "length", said.cached_tokens, said.reasoning_tokens)
        return said

    def _usage(self, body: Mapping[str, Any], said: Answer) -> dict[str, Any]:
        read = sum(len(_ids(str(one["content"]))) + _PER_MESSAGE for one in body["messages"]) + _PRIMING
        written = len(_ids(said.text)) + said.reasoning_tokens
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": min(said.cached_tokens, read)},
            "completion_tokens_details": {"reasoning_tokens": said.reasoning_tokens},
        }

    def _reply(self, body: Mapping[str, Any], fault: Fault, said: Answer, usage: dict[str, Any]) -> dict[str, Any]:
        filtered = fault.kind == "content_filter"
        message: dict[str, Any] = {"role": "assistant", "content": None if filtered else said.text, "refusal": None}
        if fault.kind == "refusal":
            message |= {"content": None, "refusal": "I can't help with that."}
        finish = "content_filter" if filtered else said.finish
        reply: dict[str, Any] = {
            "id": f"chatcmpl-{len(self.requests)}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": usage,
        }
        changes: dict[str, dict[str, Any]] = {
            "no_choices": {"choices": []},
            "null_choices": {"choices": None},
            "no_message": {"choices": [{"index": 0, "finish_reason": "stop"}]},
            "no_usage": {"usage": None},
            "zero_usage": {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
        }
        if fault.kind == "error200":
            return {"error": {"message": fault.message or "upstream failed", "code": fault.code or None}}
        return reply | changes.get(fault.kind, {})

    async def _streamed(
        self, request: web.Request, body: Mapping[str, Any], fault: Fault, said: Answer, usage: dict[str, Any]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={**self.headers, "content-type": "text/event-stream"})
        await response.prepare(request)
        pieces = re.findall(r"\S+\s*|\s+", said.text)
        for index, piece in enumerate(pieces):
            if fault.kind == "reset_body" and index >= len(pieces) // 2:
                return _cut(request, response)
            await response.write(_event(body, [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]))
        await response.write(_event(body, [{"index": 0, "delta": {}, "finish_reason": said.finish}]))
        if (body.get("stream_options") or {}).get("include_usage") and fault.kind != "no_usage":
            await response.write(_event(body, [], usage))
        await response.write(b"data: [DONE]\n\n")
        return response

    def _record(
        self,
        request: web.Request,
        body: Mapping[str, Any],
        fault: str,
        status: int,
        usage: Mapping[str, Any] | None = None,
    ) -> None:
        counted = usage or {}
        seen = Seen(
            number=len(self.requests) + 1,
            model=str(body.get("model")),
            status=status,
            fault=fault,
            input_tokens=counted.get("prompt_tokens", 0),
            cached_tokens=counted.get("prompt_tokens_details", {}).get("cached_tokens", 0),
            output_tokens=counted.get("completion_tokens", 0),
            reasoning_tokens=counted.get("completion_tokens_details", {}).get("reasoning_tokens", 0),
            body=body,
            headers=dict(request.headers),
        )
        self.requests.append(seen)
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({k: v for k, v in asdict(seen).items() if k not in {"body", "headers"}}) + "\n")


def first_words(body: Mapping[str, Any], words: int = _WORDS) -> str:
    """The beginning of the document that the prompt fences, or of the last message."""
    prompt = "\n".join(str(one["content"]) for one in body["messages"])
    opening = _FENCE.search(prompt)
    if opening is None:
        text = str(body["messages"][-1]["content"])
    else:
        end = prompt.rfind(f"\n</{opening[1]}>")
        text = prompt[opening.end() : end if end >= 0 else len(prompt)]
    return " ".join(text.split(maxsplit=words)[:words])


def _error(status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    error = {"message": message, "type": code or "fake_error", "param": None, "code": code or None}
    return web.json_response({"error": error}, status=status, headers={"x-request-id": "req_failed", **(headers or {})})


def _event(body: Mapping[str, Any], choices: list[dict[str, Any]], usage: Mapping[str, Any] | None = None) -> bytes:
    chunk = {"id": "chatcmpl-s", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    return b"data: " + json.dumps(chunk | {"choices": choices, "usage": usage}).encode() + b"\n\n"


def _rendered(reply: Mapping[str, Any], fault: Fault) -> tuple[bytes, str]:
    if fault.kind == "html":
        return b"<!doctype html><html><body>Please log in</body></html>", "text/html"
    if fault.kind == "not_object":
        return b'["not", "an", "object"]', "application/json"
    content = json.dumps(reply, ensure_ascii=False).encode()
    return (content[: len(content) // 2] if fault.kind == "malformed" else content), "application/json"


async def _half(request: web.Request, content: bytes, headers: Mapping[str, str]) -> web.StreamResponse:
    """Send half a body whose whole length was promised, then cut the connection."""
    response = web.StreamResponse(headers={**headers, "content-type": "application/json"})
    response.content_length = len(content)
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    await asyncio.sleep(0.05)  # or the reset could overtake what was sent
    return _cut(request, response)


def _cut(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Reset the connection (RST, not an orderly end)."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return response if response is not None else web.Response()


@cache
def _tokenizer() -> Any:
    import splintr

    return splintr.Tokenizer.from_pretrained("o200k_base")


def _ids(text: str) -> list[int]:
    return list(_tokenizer().encode_ordinary(text))


def _decoded(ids: list[int]) -> str:
    return bytes(_tokenizer().decode_bytes(ids)).decode("utf-8", errors="ignore")


def _rates(given: list[str]) -> Iterator[tuple[str, float]]:
    for one in given:
        kind, _, chance = one.partition(":")
        if kind not in FAULTS and not kind.isdigit():
            raise SystemExit(f"no fault is called {kind!r}; they are {', '.join(FAULTS)} and any HTTP status")
        yield kind, float(chance or 1)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_openai", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND:CHANCE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--log", type=Path, help="a JSON line per request goes here")
    options = parser.parse_args()
    server = FakeOpenAI(
        keys=(options.key,), latency=options.latency, rates=dict(_rates(options.fault)), seed=options.seed,
        log=options.log, port=options.port,
    ).start()  # fmt: skip
    print(server.base_url, flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    server.stop()


if __name__ == "__main__":
    main()
