"""How calls travel: one aiohttp session per event loop, with what the official client takes from its environment.

The official client takes five times as much processor time for the same request, most of it in building and parsing
addresses and headers that never change. What people set for it holds here as well: organization, project and headers of
their own, proxies, certificates, redirects. Nothing here tries again: that is the business of one wrapper.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.request import getproxies, proxy_bypass

from promptops.errors import AccessError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

CONNECT = 10.0
"""Seconds for a connection to be made."""

IDLE = 15.0
"""Seconds an unused connection is kept: less than the 20 s and more after which servers close theirs."""

_LARGE = 2**20
"""Bytes from which aiohttp wants a body in a file-like object, so as not to hold up the event loop."""


class Closable(Protocol):
    """What holds connections."""

    async def close(self) -> None:
        """Let go of them."""
        ...


T = TypeVar("T", bound=Closable)


class PerLoop(Generic[T]):
    """One of something per event loop, made on first use there: connections belong to the loop that opened them.

    Each closes with its loop, by way of an asynchronous generator, which ``asyncio.run`` closes before the loop;
    ``aclose`` closes the running loop's at once.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._held: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]] = {}

    async def here(self) -> T:
        """The running loop's own."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is None:
            for other in [known for known in list(self._held) if known.is_closed()]:
                self._held.pop(other, None)
            made = self._make()
            held = self._held[loop] = (made, self._until_closed(loop, made))
            await anext(held[1])
        return held[0]

    async def aclose(self) -> None:
        """Close the running loop's, if it has one."""
        held = self._held.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held[1].aclose()

    async def _until_closed(self, loop: asyncio.AbstractEventLoop, made: T) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._held.pop(loop, None)
            await made.close()


@dataclass(frozen=True, slots=True)
class Door:
    """Where one server is asked: an open session, the address of its Chat Completions, and the proxy before it."""

    session: ClientSession
    url: URL
    proxy: str | None

    async def close(self) -> None:
        """Close the session."""
        await self.session.close()

    @asynccontextmanager
    async def asked(self, body: Mapping[str, Any], seconds: float) -> AsyncGenerator[ClientResponse, None]:
        """The answer to a POST of ``body``, its content not yet read; all must be over within ``seconds``."""
        from aiohttp import ClientTimeout

        connect = min(CONNECT, 0.9 * seconds)  # a little sooner than the whole: then it is known that nothing was sent
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        async with self.session.post(
            self.url,
            data=content if len(content) < _LARGE else BytesIO(content),
            timeout=ClientTimeout(total=seconds, connect=connect),
            proxy=self.proxy,
        ) as response:
            yield response


def door(base_url: str, api_key: str) -> Door:
    """Open the server at ``base_url``; a query in the address goes with every request."""
    from aiohttp import ClientSession, DummyCookieJar, InvalidURL, TCPConnector
    from yarl import URL

    try:
        base = URL(base_url)
        url = base.joinpath("chat", "completions").with_query(base.query)
    except ValueError:
        raise InvalidURL(base_url) from None
    proxy = _proxy(url)
    connector = TCPConnector(limit=0, keepalive_timeout=IDLE, ssl=_trusted() if url.scheme == "https" else True)
    session = ClientSession(connector=connector, headers=_headers(api_key), cookie_jar=DummyCookieJar())
    return Door(session, url, proxy)


def _headers(api_key: str) -> Mapping[str, str]:
    """What goes with every request; ``OPENAI_CUSTOM_HEADERS`` has the last word, a ``Name: value`` on each line."""
    from multidict import CIMultiDict

    from promptops import __version__

    headers = CIMultiDict({
        "Authorization": f"Bearer {api_key}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": f"promptops/{__version__}",
    })  # fmt: skip
    for header, variable in (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")):
        if value := os.environ.get(variable):
            headers[header] = value
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    return headers


def _trusted() -> ssl.SSLContext:
    """Python's own authorities, which ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name; certifi's where it has none."""
    context = ssl.create_default_context()
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    if not named and not context.cert_store_stats()["x509_ca"]:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _proxy(url: URL) -> str | None:
    """The proxy that the environment or the system names for this address."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.host or ""):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise AccessError("the proxy of the environment is no HTTP proxy; set HTTPS_PROXY to one, or NO_PROXY")
    return proxy
