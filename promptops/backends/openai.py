"""Any server that speaks OpenAI's Chat Completions: the official one, gateways, vLLM, llama-server, Ollama."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from promptops import prices, tokens
from promptops.backends import transport, wire
from promptops.backends.completion import PER_MESSAGE, Reader, request
from promptops.backends.events import STREAM, Streamed, is_stream
from promptops.backends.limits import read_limits
from promptops.backends.verdicts import retry_after
from promptops.errors import AccessError, CallError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openai import AsyncOpenAI

    from promptops.types import Call, Counter, Price, Reply

OFFICIAL = "https://api.openai.com/v1"

_HEADROOM = 2048
"""Tokens that a reasoning model may think before it answers, on top of what the call allows the answer."""

_THINKS = re.compile(
    r"(?:^|[/:])(?:o[1-9]\b|gpt-(?:[5-9]|[1-9]\d)(?!-chat)\b|gpt-oss|codex-mini|deepseek-r\d|qwq)|reasoner|thinking",
    re.IGNORECASE,
)
_OPEN_WEIGHTS = re.compile(r"(?:^|/)gpt-oss", re.IGNORECASE)

_START = 60.0
_PER_OUTPUT_TOKEN = 0.1
_PER_INPUT_CHARACTER = 1 / 4000
"""Seconds that a call may take: to begin, then at 10 tokens written and about 1,000 read per second."""

_NO_KEY = "no-key"
"""What a server that asks for no key gets, since the client insists on sending one."""


class OpenAI:
    """The backend of the model spec ``openai:NAME``.

    ``base_url`` and ``api_key`` default to ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``. ``counter`` counts the tokens
    where the server does not. ``window`` is in tokens, by default from the price data. ``timeout`` is the seconds a
    call may take; by default that grows with the call. ``reasoning`` is the tokens that the model may spend unseen,
    asked for on top of the call's own limit: 2,048 for models known to reason, else 0. ``place`` names the model and
    its server in errors.

    Raises ``UsageError`` for a ``base_url`` that is none. The same object may be used from several event loops.
    """

    logprobs = True

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        counter: Counter,
        window: int | None = None,
        timeout: float | None = None,
        reasoning: int | None = None,
    ) -> None:
        given = (base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL).strip()
        url = given.rstrip("/")
        shown, official = _examined(url, given, "--base-url (base_url=...)" if base_url else "OPENAI_BASE_URL")
        key = (api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
        self.model = model
        self.name = f"openai:{model}"
        self.identity = self.name if official else f"{self.name}@{shown}"
        self.counter = counter
        listed = _listed_at(model, url, official=official)
        self.window: int | None = window if window is not None or listed is None else prices.window(model, listed)
        self.price: Price | None = None if listed is None else prices.price(model, listed)
        self.overhead = PER_MESSAGE if official else 2 * PER_MESSAGE
        self.reasoning = reasoning if reasoning is not None else _HEADROOM if _THINKS.search(model) else 0
        self.place = self._place = f"{self.name} at {shown}"
        self.key = self._key = key or ("" if official else _NO_KEY)
        self.keyless = not key
        self._limit = "max_completion_tokens" if official else "max_tokens"
        self._url = url
        self._timeout = timeout
        self.account = ("openai", url, hashlib.sha256(self._key.encode("utf-8", "replace")).hexdigest(), model)
        """Whoever has the same shares its rate limits."""
        self._heard = False
        self._reader = Reader(self._place, counter)
        self._clients = transport.PerLoop(partial(wire.make, url, self._key))
        self._doors = transport.PerLoop(partial(transport.door, url, self._key))

    def __repr__(self) -> str:
        return f"OpenAI({self._place!r})"

    def serving(self, model: str) -> OpenAI:
        """Another model of the same server; raises ``TokenizerError`` where no tokenizer is known for it."""
        by = tokens.counter(model)
        return OpenAI(model, base_url=self._url, api_key=self._key, counter=by, timeout=self._timeout)

    async def complete(self, call: Call) -> Reply:
        """Send one call, once; raises a ``CallError``."""
        self._check_key()
        seconds = self._deadline(call) if self._timeout is None else self._timeout
        hide = (self._key, *(message.content for message in call.messages))
        try:
            door = await self._doors.here()
            async with door.asked(self._body(call), seconds) as response:
                if call.listener is not None and is_stream(response):
                    self._heard = True
                    with _limits_named(response.headers):
                        return _limited(await Streamed(self._reader, call, hide).read(response), response.headers)
                content = await response.read()
        except (CallError, *wire.BUGS):
            raise
        except Exception as exc:  # the libraries raise far more than they document
            raise wire.of_exception(exc, self._place, seconds=seconds, heard=self._heard) from exc
        self._heard = True
        if response.status >= 300:
            raise wire.of_answer(self._place, response.status, response.headers, content, hide, keyless=self.keyless)
        with _limits_named(response.headers):
            reply = self._reader.read(content, call, request_id=wire.request_id(response.headers), hide=hide)
        return _limited(reply, response.headers)

    async def client(self) -> AsyncOpenAI:
        """The official client in the running event loop, for what is no Chat Completions; it never retries.

        Raises ``AccessError`` without a key. Its exceptions become ours by ``wire.of_exception``.
        """
        self._check_key()
        return await self._clients.here()

    def request(self, call: Call) -> dict[str, object]:
        """The body that asks for ``call``, for those who send it by another way."""
        return request(call, self.model, self._limit, self.reasoning)

    def read(self, content: bytes, call: Call, *, request_id: str | None, hide: Sequence[str]) -> Reply:
        """The reply in a body that came by another way; raises a ``CallError`` where there is none."""
        return self._reader.read(content, call, request_id=request_id, hide=hide)

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next call opens new ones."""
        await self._clients.aclose()
        await self._doors.aclose()

    def _body(self, call: Call) -> dict[str, object]:
        body = self.request(call)
        return body if call.listener is None else {**body, **STREAM}

    def _deadline(self, call: Call) -> float:
        read = sum(len(message.content) for message in call.messages)
        written = call.max_output_tokens + self.reasoning
        return _START + written * _PER_OUTPUT_TOKEN + read * _PER_INPUT_CHARACTER

    def _check_key(self) -> None:
        """A call without a key, or with one that no header can carry, would only come back refused."""
        if not self._key:
            raise AccessError(f"{self._place}: no key; set OPENAI_API_KEY (or OPENAI_BASE_URL, where none is needed)")
        if not (self._key.isascii() and self._key.isprintable()):
            raise AccessError(f"{self._place}: the key holds characters that no key has; set OPENAI_API_KEY anew")


@contextmanager
def _limits_named(headers: Mapping[str, str]) -> Iterator[None]:
    """What the headers say of rate limits goes with the error of an answer with status 200 that is no reply."""
    try:
        yield
    except CallError as error:
        if error.limits is None:
            error.limits = read_limits(headers)
        if error.retry_after is None:
            error.retry_after = retry_after(headers)
        raise


def _limited(reply: Reply, headers: Mapping[str, str]) -> Reply:
    """The reply with what the headers say of rate limits."""
    limits = read_limits(headers)
    return reply if limits is None else replace(reply, limits=limits)


def _examined(url: str, given: str, option: str) -> tuple[str, bool]:
    """The address as it may be shown, without a password or a query in it, and whether it is OpenAI's own.

    ``given`` is how it was written, by ``option``.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"http", "https"} or not host:
        said = "" if set("@?") & set(given) else f" {given!r}"
        raise UsageError(f"{option}{said} is no address: it must be like https://host/v1 or http://localhost:8000/v1")
    if parts.username or parts.password:
        raise UsageError(f"{option} holds a password, which would stand beside the key; put it in OPENAI_API_KEY")
    name = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path}"
    return shown, host == "api.openai.com" or host.endswith(".api.openai.com")


def _listed_at(model: str, url: str, *, official: bool) -> str | None:
    """Whose list gives the model's price and window.

    A server that the data do not know and that offers a model by OpenAI's name passes calls on to it, unless the
    model's weights are open: then it runs them itself, and what that costs nobody knows.
    """
    if official:
        return "openai"
    known = prices.provider(url)
    return known or (None if _OPEN_WEIGHTS.search(model) else "openai")
