"""Exceptions of libraries that we do not know: what can be read off them, put through the table that all others go by.

Clients of providers agree on little: most hold the HTTP ``response``, botocore's hold it as a dict, Google's only its
status as ``code``. Failures of the network are told by their class, or that of what caused them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptops.backends import wire
from promptops.backends.verdicts import Answer, error, one_line, read_error, retry_after
from promptops.errors import CallError, TransientError, UnreachableError

_UNREACHED = frozenset({"ConnectionRefusedError", "gaierror", "ConnectError", "ConnectTimeout", "ClientConnectorError"})
_SLOW = frozenset({"TimeoutError", "TimeoutException", "Timeout", "APITimeoutError", "ReadTimeoutError"})
_LOST = frozenset({
    "ConnectionError", "TransportError", "APIConnectionError", "ClientConnectionError", "ClientPayloadError",
    "HTTPClientError", "ProtocolError",
})  # fmt: skip


def of_exception(failure: Exception, place: str, hide: Sequence[str] = ()) -> CallError:
    """The one of our errors that ``failure`` is: by its HTTP status where it has one, else by its kind.

    ``place`` begins the line; ``hide`` is what must not show in it.
    """
    said = f"{type(failure).__name__}: {one_line(str(failure), hide)}"
    status = _status(failure)
    if status is not None:
        return error(place, _answer(failure, status, said, hide))
    names = {kind.__name__ for link in wire.chain(failure) for kind in type(link).__mro__}
    if names & _UNREACHED:
        return UnreachableError(f"{place}: cannot be reached ({said})")
    if names & (_SLOW | _LOST):
        return TransientError(f"{place}: no whole answer came ({said})", billed=True)
    return CallError(f"{place}: {said}", billed=True)


def _answer(failure: Exception, status: int, said: str, hide: Sequence[str]) -> Answer:
    headers = _headers(failure)
    message, codes = read_error(_body(failure))
    own = (getattr(failure, name, None) for name in ("code", "type"))
    return Answer(
        status=status,
        message=one_line(message, hide) or said,
        codes=codes | {code for code in own if isinstance(code, str)},
        request_id=_text(getattr(failure, "request_id", None)) or wire.request_id(headers),
        retry_after=retry_after(headers),
    )


def _body(failure: Exception) -> object:
    """The JSON of its answer; botocore's with keys like everybody's."""
    response = getattr(failure, "response", None)
    if isinstance(response, Mapping):
        return {str(name).lower(): value for name, value in response.get("Error", {}).items()}
    return getattr(failure, "body", None)


def _status(failure: Exception) -> int | None:
    """The HTTP status of an answer that was an error."""
    return next((status for status in map(_number, _statuses(failure)) if status in range(300, 600)), None)


def _statuses(failure: Exception) -> Iterator[Any]:
    response = getattr(failure, "response", None)
    if isinstance(response, Mapping):
        yield response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    yield from (getattr(holder, name, None) for holder in (response, failure) for name in ("status_code", "status"))
    yield from (getattr(failure, name, None) for name in ("http_status", "code"))


def _headers(failure: Exception) -> Mapping[str, str]:
    """Of its answer, their names in lower case."""
    response = getattr(failure, "response", None)
    if isinstance(response, Mapping):
        about = response.get("ResponseMetadata", {})
        headers = {**about.get("HTTPHeaders", {}), "x-request-id": about.get("RequestId") or ""}
    else:
        headers = getattr(response, "headers", None) or getattr(failure, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in dict(headers).items()}


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
