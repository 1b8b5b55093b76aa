"""What came back instead of a reply, as one of our errors; and the official client, for what is no Chat Completions."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from promptops.backends.limits import read_limits, worded_wait
from promptops.backends.transport import CONNECT, IDLE
from promptops.backends.verdicts import Answer, error, one_line, read_error, retry_after
from promptops.errors import AccessError, CallError, RejectedError, TransientError, UnreachableError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_CONNECTIONS = 64

_CERTIFICATE = frozenset({"ClientConnectorCertificateError", "SSLCertVerificationError", "CertificateError"})
_UNSENDABLE = frozenset({"InvalidURL", "UnsupportedProtocol", "LocalProtocolError", "TooManyRedirects"})
_UNCONNECTED = frozenset({
    "ClientConnectorError", "ClientConnectorDNSError", "ConnectionTimeoutError", "ClientHttpProxyError", "gaierror",
})  # fmt: skip
_UNCONNECTED_HTTPX = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})
"""Only where no aiohttp exception is behind them: its transport says ConnectTimeout for any lost connection."""

_NO_HTTP = frozenset({"BadStatusLine"})
"""What aiohttp, which does not export it, calls bytes that are no answer."""

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


def make(base_url: str, api_key: str) -> AsyncOpenAI:
    """A client over aiohttp, which takes less than two thirds of its default transport's processor time.

    It never retries: retries are the business of one wrapper, which also writes the ledger.
    """
    import openai

    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(
        max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=IDLE
    )
    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=api_key,
        max_retries=0,
        http_client=openai.DefaultAioHttpClient(limits=limits),
    )


def of_answer(
    place: str,
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    hide: Sequence[str] = (),
    *,
    keyless: bool = False,
) -> CallError:
    """The error that an answer with another status than 2xx is; ``hide`` is what must not show in its message.

    ``keyless`` says that nobody had set a key.
    """
    message, codes = read_error(_read(content))
    asked = retry_after(headers)
    answer = Answer(
        status=status,
        message=one_line(message, hide),
        codes=codes,
        request_id=request_id(headers),
        retry_after=worded_wait(message) if asked is None else asked,
        limits=read_limits(headers, message),
        keyless=keyless,
    )
    return error(place, answer)


def _read(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")


def of_exception(
    exc: BaseException,
    place: str,
    *,
    seconds: float = 0.0,
    hide: Sequence[str] = (),
    heard: bool = True,
    keyless: bool = False,
) -> CallError:
    """The one of our errors that an exception of the client, or of a library beneath it, amounts to.

    ``seconds`` is the deadline that the call had, ``hide`` what must not show in the message. After a request may have
    reached the server, nobody knows whether it was billed, so ``billed`` is True. Where the server has not been
    ``heard`` to speak HTTP before, an answer that is none says that it is a server of another kind.
    """
    response = getattr(exc, "response", None)
    if response is not None:
        return of_answer(place, response.status_code, response.headers, response.content, hide, keyless=keyless)
    names = {kind.__name__ for link in chain(exc) for kind in type(link).__mro__}
    if not heard and names & _NO_HTTP:
        return UnreachableError(f"{place}: what answered there speaks no HTTP; check OPENAI_BASE_URL and its port")
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
