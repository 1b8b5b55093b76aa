"""The fake provider's files and batches: uploads, a status that moves with time, output and error files."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import BodyPartReader, web

from promptops.testing.responses import error

Done = tuple[str, int, Any]
"""The fault of one request, the status of its answer, and the answer."""

_CODES = {"expired": "batch_expired", "cancelled": "batch_cancelled"}
_SAID = {
    "expired": "This request could not be executed before the completion window expired.",
    "cancelled": "This request was not executed because the batch was cancelled.",
}


@dataclass(frozen=True, slots=True)
class End:
    """How a batch ends: with what status, once ``after`` of its requests are done (``None``: all).

    ``faults`` are what a failed validation says: code, message, and line of the input from 1.
    """

    status: Literal["completed", "failed", "expired", "cancelled"] = "completed"
    after: int | None = None
    faults: Sequence[tuple[str, str, int | None]] = ()


@dataclass(slots=True)
class Batch:
    """One batch as it stands. ``lines`` are its requests."""

    id: str
    file: str
    made: float
    end: End
    lines: list[Mapping[str, Any]]
    metadata: Mapping[str, str]
    request: web.Request
    ended: bool = False
    files: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


class Batches:
    """The Batch API of a ``FakeOpenAI``.

    ``delay`` is the seconds that a batch takes; ``ends`` queues how the next ones end. ``most_calls`` is how many calls
    may wait in one before the queue is said to be full. With ``enabled`` false there is no such API (404). ``asked``
    counts requests by what they are: ``upload``, ``create``, ``state``, ``list``, ``content``, ``cancel``. ``broken``
    queues statuses with which the next of such requests fail; a batch whose creation fails so is made all the
    same. Faults of single requests are the server's own.
    """

    def __init__(
        self, answer: Callable[[web.Request, Mapping[str, Any], str], Done], known: Callable[[web.Request], bool]
    ) -> None:
        self.delay = 0.0
        self.ends: deque[End] = deque()
        self.most_calls: int | None = None
        self.enabled = True
        self.made: list[Batch] = []
        self.asked: dict[str, int] = {}
        self.broken: dict[str, list[int]] = {}
        self._answer = answer
        self._known = known
        self._files: dict[str, bytes] = {}

    def cancel(self, batch: Batch) -> None:
        """As its owner does at the provider: what is done stays, the rest is never done."""
        self._end(batch, "cancelled", len(batch.lines) // 2)

    def forget(self) -> None:
        """Delete all files, as a provider does after thirty days."""
        self._files.clear()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        router.add_post("/v1/files", self._guarded("upload", self._upload))
        router.add_get("/v1/files/{id}/content", self._guarded("content", self._content))
        router.add_post("/v1/batches", self._guarded("create", self._create))
        router.add_get("/v1/batches", self._guarded("list", self._list))
        router.add_get("/v1/batches/{id}", self._guarded("state", self._state))
        router.add_post("/v1/batches/{id}/cancel", self._guarded("cancel", self._cancelled))

    def _guarded(self, what: str, handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse | None:
            self.asked[what] = self.asked.get(what, 0) + 1
            if not self.enabled:
                return error(404, "Not Found")
            if not self._known(request):
                return error(401, "Incorrect API key provided.", "invalid_api_key")
            broken = self.broken.get(what)
            response: web.StreamResponse | None = None
            if what == "create" or not broken:
                response = await handler(request)
            return error(broken.pop(0), f"{what} is broken") if broken else response

        return handle

    async def _upload(self, request: web.Request) -> web.Response:
        content, purpose = b"", ""
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)  # noqa: S101 - no nested parts are sent
            if part.name == "file":
                content = bytes(await part.read())
            elif part.name == "purpose":
                purpose = await part.text()
        if purpose != "batch" or not content:
            return error(400, "file and purpose are required")
        return web.json_response({"object": "file", "purpose": purpose, "id": self._keep(content)})

    def _keep(self, content: bytes) -> str:
        name = f"file-{len(self._files) + 1}"
        self._files[name] = content
        return name

    async def _content(self, request: web.Request) -> web.Response:
        content = self._files.get(request.match_info["id"])
        return error(404, "No such File object") if content is None else web.Response(body=content)

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        content = self._files.get(asked.get("input_file_id", ""))
        if content is None or asked.get("endpoint") != "/v1/chat/completions":
            return error(400, "Invalid input_file_id or endpoint")
        lines = [json.loads(line) for line in content.decode().splitlines()]
        end = self.ends.popleft() if self.ends else End()
        if self.most_calls is not None and len(lines) > self.most_calls:
            end = End("failed", faults=[("token_limit_exceeded", "Enqueued token limit reached.", None)])
        if len({line["custom_id"] for line in lines}) < len(lines):
            end = End("failed", faults=[("duplicate_custom_id", "The custom_id is not unique.", 1)])
        batch = Batch(
            id=f"batch_{len(self.made) + 1}",
            file=asked["input_file_id"],
            made=time.monotonic(),
            end=end,
            lines=lines,
            metadata=asked.get("metadata") or {},
            request=request,
        )
        self.made.append(batch)
        return web.json_response(self._told(batch))

    async def _list(self, request: web.Request) -> web.Response:
        newest = list(reversed(self.made))
        after = request.query.get("after")
        start = next((index + 1 for index, batch in enumerate(newest) if batch.id == after), 0)
        page = newest[start : start + int(request.query.get("limit", 20))]
        told = {"object": "list", "data": [self._told(batch) for batch in page]}
        return web.json_response(told | {"has_more": start + len(page) < len(newest)})

    async def _state(self, request: web.Request) -> web.Response:
        batch = next((one for one in self.made if one.id == request.match_info["id"]), None)
        if batch is None:
            return error(404, "No batch found with that id")
        if not batch.ended and time.monotonic() - batch.made >= self.delay:
            self._end(batch, batch.end.status, batch.end.after)
        return web.json_response(self._told(batch))

    async def _cancelled(self, request: web.Request) -> web.Response:
        batch = next(one for one in self.made if one.id == request.match_info["id"])
        self.cancel(batch)
        return web.json_response(self._told(batch))

    def _end(self, batch: Batch, status: str, after: int | None) -> None:
        """Do what is to be done, and write what came of it to the files."""
        batch.ended, batch.end = True, End(status, after, batch.end.faults)  # type: ignore[arg-type]
        if status == "failed":
            return
        output: list[bytes] = []
        errors: list[bytes] = []
        for number, line in enumerate(batch.lines):
            if after is not None and number >= after:
                unanswered = {"code": _CODES[status], "message": _SAID[status]}
                errors.append(_written(line, number, None, unanswered))
                continue
            fault, code, answer = self._answer(batch.request, line["body"], batch.id)
            response = {"status_code": code, "request_id": f"req_{batch.id}_{number}", "body": answer}
            text = _written(line, number, response, None)
            (output if code == 200 else errors).append(text[: len(text) // 2] if fault == "malformed" else text)
        output.reverse()  # the order of results is nobody's promise
        batch.counts = {"total": len(batch.lines), "completed": len(output), "failed": len(errors)}
        for kind, written in (("output_file_id", output), ("error_file_id", errors)):
            if written:
                batch.files[kind] = self._keep(b"\n".join(written) + b"\n")

    def _told(self, batch: Batch) -> dict[str, Any]:
        status = batch.end.status if batch.ended else self._going(batch)
        faults = [{"code": code, "message": said, "line": line} for code, said, line in batch.end.faults]
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": batch.file,
            "completion_window": "24h",
            "status": status,
            "output_file_id": batch.files.get("output_file_id"),
            "error_file_id": batch.files.get("error_file_id"),
            "errors": {"object": "list", "data": faults} if batch.ended and faults else None,
            "created_at": int(time.time() - (time.monotonic() - batch.made)),
            "request_counts": batch.counts or {"total": 0, "completed": 0, "failed": 0},
            "metadata": batch.metadata,
        }

    def _going(self, batch: Batch) -> str:
        passed = (time.monotonic() - batch.made) / self.delay if self.delay else 0.0
        return "validating" if passed < 0.2 else "in_progress" if passed < 0.9 else "finalizing"


def _written(line: Mapping[str, Any], number: int, response: Any, failure: Any) -> bytes:
    entry = {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "response": response, "error": failure}
    return json.dumps(entry, ensure_ascii=False).encode()
