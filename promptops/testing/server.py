"""A server on loopback that speaks Chat Completions, counts what it bills, and fails on demand.

It stands for a provider in tests: real sockets, real HTTP, driven by the real client. Every request is recorded with
the tokens it billed, whether or not the answer arrived, so that a test can hold a ledger against it.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from promptops.testing.answers import Answer, Answering, fitting, usage, within
from promptops.testing.batches import Batches, Done
from promptops.testing.faults import UNBILLED, Fault
from promptops.testing.limiter import Limiter
from promptops.testing.prefixes import Prefixes
from promptops.testing.responses import cut, error, half, rendered, reply
from promptops.testing.seen import Seen
from promptops.testing.streams import streamed

KEY = "test-key"
MODEL = "gpt-4o-mini"


class FakeOpenAI:
    """The server, in a thread of its own; use it as a context manager.

    ``answer`` gets the request's JSON and returns what the model says; by default a call of a tool that is offered,
    JSON by the schema that is asked for, or else the first 40 words of the document that the prompt fences. ``fail``
    queues faults for the next requests, one each; ``rates`` are the chances of faults otherwise, drawn from ``seed``.
    ``models`` and ``keys`` are those it accepts (``None``: any). ``latency`` is in seconds, ``headers`` go with every
    reply, and ``log`` is a file that gets a JSON line per request. With ``caching`` it has a prompt cache, and bills
    what it reads from there as cached. ``limiter`` is the rate limit that requests are held to. ``batches`` is its
    Batch API, whose requests meet the same faults and are recorded like any other. Where a request asks for
    ``logprobs`` each token of the answer comes with one, of a model that is sure of it; there are no adapters
    (``loras``). Leaving the context closes it; ``start()`` and ``stop()`` do without one.
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
        limiter: Limiter | None = None,
        caching: bool = False,
    ) -> None:
        self.limiter = limiter
        self.answer = answer or fitting
        self.keys = keys
        self.models = models
        self.latency = latency
        self.rates = dict(rates or {})
        self.headers = dict(headers or {})
        self.requests: list[Seen] = []
        self.batches = Batches(self._in_batch, self._known_key)
        self.in_flight = 0
        self.most_in_flight = 0
        self._faults: deque[Fault] = deque()
        self._random = random.Random(seed)  # noqa: S311 - draws faults, not secrets
        self._prefixes = Prefixes() if caching else None
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

    def mend(self) -> None:
        """Let no further request fail."""
        self._faults.clear()
        self.rates = {}

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
        application = web.Application(client_max_size=256 * 2**20)
        application.router.add_post("/v1/chat/completions", self._complete)
        application.router.add_get("/v1/models", self._list)
        self.batches.add_routes(application.router)
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
            return error(401, "Incorrect API key provided.", "invalid_api_key")
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
        limits: Mapping[str, str] = {}
        if self.limiter is not None:
            ruling = self.limiter.ask(self._charge(body, self.limiter), time.monotonic())
            if not ruling.allowed:
                self._record(request, body, "limit", 429)
                return error(429, "Rate limit reached.", "rate_limit_exceeded", ruling.headers)
            limits = ruling.headers
        fault = self._next_fault()
        cached = self._prefixes.cached(body) if self._prefixes is not None else 0
        await self._pause(self.latency)
        if fault.kind.isdigit() or fault.kind == "quota":
            return self._as_status(request, body, fault)
        try:
            return await self._as_reply(request, body, fault, cached, limits)
        finally:
            if self._prefixes is not None and fault.kind not in UNBILLED:
                self._prefixes.keep(body)

    def _charge(self, body: Mapping[str, Any], limiter: Limiter) -> int:
        """The tokens that a request takes of the limit: its input, and the most its answer may be, or what it is."""
        used = usage(body, self._said(body, Fault("")))
        most = body.get("max_completion_tokens") or body.get("max_tokens")
        charged = most if limiter.charges == "most" and most else used["completion_tokens"]
        return int(used["prompt_tokens"] + charged)

    def _in_batch(self, request: web.Request, body: Mapping[str, Any], batch: str) -> Done:
        """One request of a batch: its fault, and the status and the body of its answer."""
        refusal = self._refused(request, body)
        fault = Fault(str(refusal.status)) if refusal is not None else self._next_fault()
        if fault.kind.isdigit() or fault.kind == "quota":
            answer = refusal or self._as_status(request, body, fault, batch)
            return fault.kind, answer.status, json.loads(answer.text or "null")
        said = self._said(body, fault)
        used = usage(body, said)
        self._record(request, body, fault.kind, 200, None if fault.kind in UNBILLED else used, batch)
        return fault.kind, 200, self._reply(body, fault, said, used)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than the server is up."""
        if seconds and self._over is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), seconds)

    def _refused(self, request: web.Request, body: Mapping[str, Any]) -> web.Response | None:
        if not self._known_key(request):
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            return error(401, f"Incorrect API key provided: {given}.", "invalid_api_key")
        if self.models is not None and body.get("model") not in self.models:
            return error(404, f"The model `{body.get('model')}` does not exist.", "model_not_found")
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

    def _as_status(self, request: web.Request, body: Mapping[str, Any], fault: Fault, batch: str = "") -> web.Response:
        status = 429 if fault.kind == "quota" else int(fault.kind)
        code = "insufficient_quota" if fault.kind == "quota" else fault.code
        self._record(request, body, fault.kind, status, batch=batch)
        return error(status, fault.message or f"fault {fault.kind}", code, fault.headers)

    async def _as_reply(
        self, request: web.Request, body: Mapping[str, Any], fault: Fault, cached: int, limits: Mapping[str, str]
    ) -> web.StreamResponse:
        if fault.kind == "drop":
            self._record(request, body, fault.kind, 0)
            return cut(request)
        said = self._said(body, fault)
        used = usage(body, replace(said, cached_tokens=max(said.cached_tokens, cached)))
        self._record(request, body, fault.kind, 200, None if fault.kind in UNBILLED else used)
        if fault.kind in {"hang", "slow"}:
            await self._pause(fault.seconds)
        if fault.kind == "reset":
            return cut(request)
        headers = {**self.headers, **limits, "x-request-id": f"req_{len(self.requests)}"}
        if body.get("stream") and fault.kind not in {"html", "not_object"}:
            return await streamed(request, self._reply(body, fault, said, used), fault, headers)
        content, kind = rendered(self._reply(body, fault, said, used), fault)
        if fault.kind == "reset_body":
            return await half(request, content, headers)
        return web.Response(body=content, content_type=kind, headers=headers)

    def _said(self, body: Mapping[str, Any], fault: Fault) -> Answer:
        if fault.kind == "empty":
            return Answer("")
        said = self.answer(body)
        return within(body, Answer(said) if isinstance(said, str) else said, halved=fault.kind == "length")

    def _reply(self, body: Mapping[str, Any], fault: Fault, said: Answer, used: Mapping[str, Any]) -> dict[str, Any]:
        return reply(body, fault, said, used, len(self.requests))

    def _record(
        self,
        request: web.Request,
        body: Mapping[str, Any],
        fault: str,
        status: int,
        usage: Mapping[str, Any] | None = None,
        batch: str = "",
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
            batch=batch,
        )
        self.requests.append(seen)
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(seen.line)
