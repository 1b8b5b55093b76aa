"""The ``openai`` client as promptops uses it: one per event loop, and every exception of its made one of ours."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from promptops.backends.verdicts import Answer, error, one_line, read_error, retry_after
from promptops.errors import AccessError, CallError, RejectedError, TransientError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openai import AsyncOpenAI

CONNECT = 10.0
"""Seconds for a connection to be made."""

_CONNECTIONS = 1024
"""Far over what the client lets be in flight, so that no call waits here, where nobody sees it wait."""

_IDLE = 15.0
"""Seconds an unused connection is kept: less than the 20 s and more after which servers close theirs."""

_CERTIFICATE = frozenset({"ClientConnectorCertificateError", "SSLCertVerificationError", "CertificateError"})
_UNSENDABLE = frozenset({"InvalidURL", "UnsupportedProtocol", "LocalProtocolError", "TooManyRedirects"})
_UNCONNECTED = frozenset({
    "ClientConnectorError", "ClientConnectorDNSError", "ConnectionTimeoutError", "ClientHttpProxyError", "gaierror",
})  # fmt: skip
_UNCONNECTED_HTTPX = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})
"""Only where no aiohttp exception is behind them: its transport says ConnectTimeout for any lost connection."""

_REASONS = {
    "gaierror": "the name does not resolve",
    "ClientConnectorDNSError": "the name does not resolve",
    "ConnectionRefusedError": "connection refused",
    "ConnectionTimeoutError": f"no connection within {CONNECT:.0f} s",
    "ConnectTimeout": f"no connection within {CONNECT:.0f} s",
    "SSLError": "TLS failed; is it http:// rather than https://?",
    "ClientHttpProxyError": "the proxy refused",
    "ProxyError": "the proxy refused",
}


BUGS = (AssertionError, AttributeError, ImportError, LookupError, NameError, NotImplementedError, TypeError)
"""What only a mistake in a program raises: not to be taken for a fault of the server, which another try may mend."""


class Clients:
    """One client per event loop, made on first use there: connections belong to the loop that opened them.

    Each closes with its loop, by way of an asynchronous generator, which ``asyncio.run`` closes before the loop;
    ``aclose`` closes the running loop's at once.
    """

    def __init__(self, make: Callable[[], AsyncOpenAI]) -> None:
        self._make = make
        self._held: dict[asyncio.AbstractEventLoop, tuple[AsyncOpenAI, AsyncGenerator[None, None]]] = {}

    async def here(self) -> AsyncOpenAI:
        """The running loop's client."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is None:
            for other in [known for known in list(self._held) if known.is_closed()]:
                self._held.pop(other, None)
            client = self._make()
            held = self._held[loop] = (client, self._until_closed(loop, client))
            await anext(held[1])
        return held[0]

    async def aclose(self) -> None:
        """Close the running loop's client, if it has one."""
        held = self._held.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await held[1].aclose()

    async def _until_closed(self, loop: asyncio.AbstractEventLoop, client: AsyncOpenAI) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._held.pop(loop, None)
            await client.close()


def make(base_url: str, api_key: str) -> AsyncOpenAI:
    """A client over aiohttp, which takes less than two thirds of its default transport's processor time.

    It never retries: retries are the business of one wrapper, which also writes the ledger.
    """
    import openai

    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(
        max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_IDLE
    )
    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=api_key,
        max_retries=0,
        http_client=openai.DefaultAioHttpClient(limits=limits),
    )


async def post(client: AsyncOpenAI, body: Mapping[str, Any], seconds: float) -> tuple[bytes, Mapping[str, str]]:
    """The body and headers of a Chat Completions reply, unparsed; raises whatever the client does.

    ``chat.completions.create`` would take twice the processor time, rewriting the request by its schema and the
    reply into objects, and lets a broken reply through as a ``str`` or with no choices.
    """
    async with asyncio.timeout(seconds):
        response = await client.post(
            "/chat/completions", body=body, cast_to=_response_type(), options={"timeout": _timeout(seconds)}
        )
    return response.content, response.headers


async def stream(
    client: AsyncOpenAI,
    body: Mapping[str, Any],
    seconds: float,
    begin: Callable[[Mapping[str, str]], Callable[[bytes], None]],
) -> None:
    """Ask for a reply in pieces: ``begin`` is given its headers, and what it returns each part of the body.

    Raises whatever the client does; ``seconds`` are for the whole of it.
    """
    async with asyncio.timeout(seconds):
        options: Any = {"timeout": _timeout(seconds)}
        response = await client.post(
            "/chat/completions", body=body, cast_to=_response_type(), options=options, stream=True, stream_cls=None
        )
        try:
            take = begin(response.headers)
            async for part in response.aiter_bytes():
                take(part)
        finally:
            await response.aclose()


def _timeout(seconds: float) -> Any:
    import openai

    connect = min(CONNECT, 0.9 * seconds)  # a little sooner than the whole: then it is known that nothing was sent
    return openai.Timeout(connect=connect, read=seconds, write=seconds, pool=connect)


@cache
def _response_type() -> type[Any]:
    """The response class of the HTTP library that this release of the client stands on: httpx, or httpx2 from 3.0."""
    import openai

    base = next(kind for kind in openai.DefaultAioHttpClient.__mro__ if kind.__name__ == "AsyncClient")
    response: type[Any] = sys.modules[base.__module__].Response
    return response


def of_exception(exc: BaseException, place: str, *, seconds: float = 0.0, hide: Sequence[str] = ()) -> CallError:
    """The one of our errors that an exception of the client, or of a library beneath it, amounts to.

    ``seconds`` is the deadline that the call had, ``hide`` what must not show in the message. After a request may have
    reached the server, nobody knows whether it was billed, so ``billed`` is True.
    """
    response = getattr(exc, "response", None)
    if response is not None:
        return error(place, _answer(exc, response, hide))
    names = {kind.__name__ for link in chain(exc) for kind in type(link).__mro__}
    return _unsent(exc, place, names) or _lost(exc, place, names, seconds)


def _unsent(exc: BaseException, place: str, names: set[str]) -> CallError | None:
    """The error of a call that cannot have reached the server."""
    if names & _CERTIFICATE:
        return AccessError(f"{place}: the server's certificate is not trusted; check OPENAI_BASE_URL or SSL_CERT_FILE")
    if names & _UNSENDABLE:
        return AccessError(f"{place}: not an address that can be asked; check OPENAI_BASE_URL")
    if "UnicodeEncodeError" in names:
        return RejectedError(f"{place}: the prompt holds half a character (a lone surrogate); clean the document")
    if _unconnected(exc, names):
        reason = _reason(exc, names)
        return UnreachableError(
            f"{place}: cannot be reached ({reason}); check OPENAI_BASE_URL and that the server is running"
        )
    return None


def _lost(exc: BaseException, place: str, names: set[str], seconds: float) -> CallError:
    """The error of a call that may have been answered, and so billed, where no whole answer came back."""
    if _timed_out(exc, names):
        return TransientError(f"{place}: no answer within {seconds:.0f} s", billed=True)
    return TransientError(f"{place}: the connection broke before the reply was whole ({_last(exc)})", billed=True)


def _answer(exc: BaseException, response: Any, hide: Sequence[str]) -> Answer:
    message, codes = read_error(getattr(exc, "body", None))
    return Answer(
        status=response.status_code,
        message=one_line(message, hide),
        codes=codes | {str(code) for code in (getattr(exc, "code", None), getattr(exc, "type", None)) if code},
        request_id=request_id(response.headers),
        retry_after=retry_after(response.headers),
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's own id of a request, from the headers of its answer."""
    return headers.get("x-request-id") or headers.get("request-id") or headers.get("apim-request-id")


def chain(exc: BaseException) -> Iterator[BaseException]:
    """An exception and those that caused it."""
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _unconnected(exc: BaseException, names: set[str]) -> bool:
    return bool(names & _UNCONNECTED) or (bool(names & _UNCONNECTED_HTTPX) and not _over_aiohttp(exc))


def _timed_out(exc: BaseException, names: set[str]) -> bool:
    if any(isinstance(link, TimeoutError) for link in chain(exc)):
        return True
    return bool(names & {"TimeoutException", "APITimeoutError"}) and not _over_aiohttp(exc)


def _over_aiohttp(exc: BaseException) -> bool:
    return any(type(link).__module__.startswith("aiohttp") for link in chain(exc))


def _reason(exc: BaseException, names: set[str]) -> str:
    if any(isinstance(link, ssl.SSLError) for link in chain(exc)):
        return _REASONS["SSLError"]
    return next((reason for name, reason in _REASONS.items() if name in names), _last(exc))


def _last(exc: BaseException) -> str:
    """The name of the exception that began it; its text could hold anything."""
    return type(list(chain(exc))[-1]).__name__
