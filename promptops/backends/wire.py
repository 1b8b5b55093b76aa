"""What came back instead of a reply, as one of our errors: an answer that is none, or an exception of the transport."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence

from promptops.backends.transport import CONNECT
from promptops.backends.verdicts import Answer, error, one_line, read_error, retry_after
from promptops.errors import AccessError, CallError, RejectedError, TransientError, UnreachableError

_CERTIFICATE = frozenset({"ClientConnectorCertificateError", "SSLCertVerificationError", "CertificateError"})
_UNSENDABLE = frozenset({"InvalidURL", "TooManyRedirects"})
_UNCONNECTED = frozenset({
    "ClientConnectorError", "ClientConnectorDNSError", "ConnectionTimeoutError", "ClientHttpProxyError", "gaierror",
})  # fmt: skip

_REASONS = {
    "gaierror": "the name does not resolve",
    "ClientConnectorDNSError": "the name does not resolve",
    "ConnectionRefusedError": "connection refused",
    "ConnectionTimeoutError": f"no connection within {CONNECT:.0f} s",
    "SSLError": "TLS failed; is it http:// rather than https://?",
    "ClientHttpProxyError": "the proxy refused",
}


BUGS = (AssertionError, AttributeError, ImportError, LookupError, NameError, NotImplementedError, TypeError)
"""What only a mistake in a program raises: not to be taken for a fault of the server, which another try may mend."""


def of_answer(
    place: str, status: int, headers: Mapping[str, str], content: bytes, hide: Sequence[str] = ()
) -> CallError:
    """The error that an answer with another status than 2xx is; ``hide`` is what must not show in its message."""
    message, codes = read_error(_read(content))
    return error(place, Answer(status, one_line(message, hide), codes, request_id(headers), retry_after(headers)))


def _read(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")


def of_exception(exc: BaseException, place: str, *, seconds: float = 0.0) -> CallError:
    """The one of our errors that an exception of aiohttp, or of Python beneath it, amounts to.

    ``seconds`` is the deadline that the call had. After a request may have reached the server, nobody knows whether it
    was billed, so ``billed`` is True.
    """
    names = {kind.__name__ for link in _chain(exc) for kind in type(link).__mro__}
    return _unsent(exc, place, names) or _lost(exc, place, seconds)


def _unsent(exc: BaseException, place: str, names: set[str]) -> CallError | None:
    """The error of a call that cannot have reached the server."""
    if names & _CERTIFICATE:
        return AccessError(f"{place}: the server's certificate is not trusted; check OPENAI_BASE_URL or SSL_CERT_FILE")
    if names & _UNSENDABLE:
        return AccessError(f"{place}: not an address that can be asked; check OPENAI_BASE_URL")
    if "UnicodeEncodeError" in names:
        return RejectedError(f"{place}: the prompt holds half a character (a lone surrogate); clean the document")
    if names & _UNCONNECTED:
        reason = _reason(exc, names)
        return UnreachableError(
            f"{place}: cannot be reached ({reason}); check OPENAI_BASE_URL and that the server is running"
        )
    return None


def _lost(exc: BaseException, place: str, seconds: float) -> CallError:
    """The error of a call that may have been answered, and so billed, where no whole answer came back."""
    if any(isinstance(link, TimeoutError) for link in _chain(exc)):
        return TransientError(f"{place}: no answer within {seconds:.0f} s", billed=True)
    return TransientError(f"{place}: the connection broke before the reply was whole ({_last(exc)})", billed=True)


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's own id of a request, from the headers of its answer."""
    return headers.get("x-request-id") or headers.get("request-id") or headers.get("apim-request-id")


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _reason(exc: BaseException, names: set[str]) -> str:
    if any(isinstance(link, ssl.SSLError) for link in _chain(exc)):
        return _REASONS["SSLError"]
    return next((reason for name, reason in _REASONS.items() if name in names), _last(exc))


def _last(exc: BaseException) -> str:
    """The name of the exception that began it; its text could hold anything."""
    return type(list(_chain(exc))[-1]).__name__
