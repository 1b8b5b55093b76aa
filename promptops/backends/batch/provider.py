"""The provider's files and batches: each request of theirs, its answer read, and every exception made one of ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

from promptops.backends import wire
from promptops.backends.batch.lines import ENDPOINT
from promptops.backends.batch.news import ENDED
from promptops.errors import AccessError, CallError, TransientError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from promptops.backends.openai import OpenAI

WINDOW: Literal["24h"] = "24h"
"""The only time that the API lets a batch be given."""

_MARK = "promptops"
"""The key of a batch's metadata that holds our token."""

_SECONDS = 60.0
_SECONDS_FILE = 1800.0
_PAGES = 20
_NO_BATCHES = frozenset({404, 405, 501})


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a batch failed, or one line of its input (counted from 1)."""

    code: str
    message: str
    line: int | None


@dataclass(frozen=True, slots=True)
class State:
    """A batch as the provider tells of it."""

    id: str
    status: str
    files: tuple[str, ...] = ()
    """Of what it has done: the output, then the errors."""
    done: int = 0
    faults: tuple[Fault, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether it stays as it is."""
        return self.status in ENDED


class Provider:
    """The Batch API of the server behind an ``OpenAI`` backend. Nothing here is billed, and nothing is tried twice."""

    def __init__(self, backend: OpenAI) -> None:
        self._backend = backend

    async def upload(self, file: IO[bytes]) -> str:
        """Send an input file; returns its id. Raises ``AccessError`` where the server knows no files."""

        def send(client: AsyncOpenAI) -> Awaitable[Any]:
            return client.files.with_raw_response.create(
                file=("promptops.jsonl", file, "application/jsonl"), purpose="batch", timeout=_SECONDS_FILE
            )

        try:
            found = (await self._asked(send, _SECONDS_FILE)).get("id")
        except AccessError as error:
            raise self._without_batches(error) from None
        if not isinstance(found, str) or not found:
            raise TransientError(f"{self._backend.place}: the answer to an upload names no file")
        return found

    async def create(self, file: str, token: str) -> State:
        """Begin a batch of the calls in ``file``."""

        def send(client: AsyncOpenAI) -> Awaitable[Any]:
            return client.batches.with_raw_response.create(
                input_file_id=file,
                endpoint=ENDPOINT,
                completion_window=WINDOW,
                metadata={_MARK: token},
                timeout=_SECONDS,
            )

        try:
            return self._state(await self._asked(send, _SECONDS))
        except AccessError as error:
            raise self._without_batches(error) from None

    async def state(self, batch: str) -> State:
        """How a batch stands; raises ``AccessError`` where this key has none of that id."""

        def send(client: AsyncOpenAI) -> Awaitable[Any]:
            return client.batches.with_raw_response.retrieve(batch, timeout=_SECONDS)

        try:
            return self._state(await self._asked(send, _SECONDS))
        except AccessError as error:
            if error.status != 404:
                raise
            line = f"batch {batch}, which this run waits for, is not known to the server under this key"
            mend = "use the key it was sent with, or --fresh to ask everything again"
            raise AccessError(f"{self._backend.place}: {line}; {mend}", status=404) from None

    async def marked(self, token: str, since: float) -> State | None:
        """The batch that holds ``token``, among those made after ``since`` (seconds since 1970, by the server)."""
        after: str | None = None
        for _ in range(_PAGES):
            page = await self._asked(_listing(after), _SECONDS)
            batches = [one for one in page.get("data") or () if isinstance(one, Mapping)]
            for one in batches:
                if (one.get("metadata") or {}).get(_MARK) == token:
                    return self._state(one)
            if not batches or not page.get("has_more") or (batches[-1].get("created_at") or 0) < since:
                return None
            after = str(batches[-1]["id"])
        return None

    async def lines(self, file: str) -> AsyncIterator[bytes]:
        """A file's lines as they arrive, never held whole; raises ``AccessError`` with 404 where it is gone."""
        rest = b""
        try:
            client = await self._backend.client()
            response = client.files.with_streaming_response.content(file, timeout=_SECONDS_FILE)
            async with response as content:
                async for piece in content.iter_bytes():
                    *whole, rest = (rest + piece).split(b"\n")
                    for line in whole:
                        yield line
        except (CallError, *wire.BUGS):
            raise
        except Exception as exc:  # as in the backend
            raise self._error(exc, _SECONDS_FILE) from exc
        if rest.strip():
            yield rest

    async def _asked(self, send: Callable[[AsyncOpenAI], Awaitable[Any]], seconds: float) -> Mapping[str, Any]:
        try:
            client = await self._backend.client()
            response = await send(client)
        except (CallError, *wire.BUGS):
            raise
        except Exception as exc:  # the client's libraries raise far more than they document
            raise self._error(exc, seconds) from exc
        return self._object(response.http_response.content)

    def _object(self, content: bytes) -> Mapping[str, Any]:
        place = self._backend.place
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            if content.lstrip()[:1] == b"<":
                raise AccessError(f"{place}: a web page answered, not a Batch API; check OPENAI_BASE_URL") from None
            raise TransientError(f"{place}: the answer about a batch is broken JSON") from None
        if not isinstance(found, Mapping):
            raise TransientError(f"{place}: the answer about a batch is no JSON object")
        return found

    def _state(self, found: Mapping[str, Any]) -> State:
        try:
            return _read(found)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise TransientError(f"{self._backend.place}: the answer about a batch is not what a batch is") from None

    def _error(self, exc: Exception, seconds: float) -> CallError:
        backend = self._backend
        error = wire.of_exception(exc, backend.place, seconds=seconds, hide=(backend.key,), keyless=backend.keyless)
        error.billed = False
        return error

    def _without_batches(self, error: AccessError) -> AccessError:
        if error.status not in _NO_BATCHES:
            return error
        line = f"{self._backend.place}: this server has no Batch API ({error.status}); run without --batch"
        return AccessError(line, status=error.status, request_id=error.request_id)


def _listing(after: str | None) -> Callable[[AsyncOpenAI], Awaitable[Any]]:
    def send(client: AsyncOpenAI) -> Awaitable[Any]:
        query = {"limit": 100} | ({"after": after} if after else {})
        return client.batches.with_raw_response.list(extra_query=query, timeout=_SECONDS)

    return send


def _read(found: Mapping[str, Any]) -> State:
    counts = found.get("request_counts") or {}
    errors = (found.get("errors") or {}).get("data") or ()
    files = (found.get("output_file_id"), found.get("error_file_id"))
    return State(
        id=str(found["id"]),
        status=str(found["status"]),
        files=tuple(str(file) for file in files if file),
        done=int(counts.get("completed") or 0),
        faults=tuple(
            Fault(str(one.get("code") or ""), str(one.get("message") or ""), one.get("line")) for one in errors
        ),
    )
