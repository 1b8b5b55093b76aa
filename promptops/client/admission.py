"""The one place where attempts wait to be sent: a gate, given a clock, a lock, and futures to wake."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Hashable
from dataclasses import dataclass

from promptops.admission import Gate, Line, Ticket
from promptops.budget import Unsent
from promptops.client.verdict import Patience
from promptops.errors import CallError, ThrottledError
from promptops.types import Backend, Call, Reply


@dataclass(slots=True, eq=False)
class Waiter(Ticket):
    """A ticket that somebody awaits, for ``patience`` seconds at most if that much is known beforehand."""

    patience: float = 300.0
    ready: bool = False
    loop: asyncio.AbstractEventLoop | None = None
    future: asyncio.Future[None] | None = None
    error: ThrottledError | None = None


class Admission:
    """Lets attempts through a gate. Safe across threads and event loops."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._lock = threading.RLock()
        self._alarms: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, float] = weakref.WeakKeyDictionary()

    def tell(self, kind: str, per_minute: float) -> None:
        """What a person says of a rate limit, ``requests`` or ``tokens``."""
        with self._lock:
            self._gate.tell(kind, per_minute, time.monotonic())

    async def enter(self, line: Line, waiter: Waiter) -> None:
        """Wait until this attempt may be sent.

        Raises ``Unsent`` where it is cancelled meanwhile, ``ThrottledError`` where it would have to wait too long.
        """
        with self._lock:
            waiter.loop = asyncio.get_running_loop()
            self._gate.join(line, waiter)
            self._pump()
            if not waiter.ready:
                waiter.future = waiter.loop.create_future()
        if waiter.future is not None:
            try:
                await waiter.future
            except asyncio.CancelledError:
                self.leave(line, waiter)
                raise Unsent from None
        if waiter.error is not None:
            raise waiter.error

    def leave(self, line: Line, waiter: Waiter) -> None:
        """Nothing was sent after all."""
        with self._lock:
            self._gate.leave(line, waiter)
            self._pump()

    def replied(self, line: Line, waiter: Waiter, reply: Reply) -> None:
        """An attempt was answered."""
        with self._lock:
            self._gate.replied(line, waiter, time.monotonic(), reply.usage, reply.limits)
            self._pump()

    def failed(self, line: Line, waiter: Waiter, error: BaseException) -> None:
        """An attempt came to nothing."""
        now = time.monotonic()
        limits = error.limits if isinstance(error, CallError) else None
        with self._lock:
            if isinstance(error, ThrottledError):
                self._gate.throttled(line, waiter, now, error.retry_after, limits)
            else:
                self._gate.failed(line, waiter, now, limits)
            self._pump()

    def _pump(self) -> None:
        """Wake whoever may go; look again when the next one may."""
        while (turn := self._gate.next(time.monotonic())) is not None:
            waiter = turn.ticket
            assert isinstance(waiter, Waiter)  # noqa: S101 - only waiters join
            if 0 < turn.wait <= waiter.patience:
                if self._alarm(waiter, turn.wait):
                    return
                self._gate.leave(turn.line, waiter)
                continue
            if turn.wait > 0:
                self._gate.leave(turn.line, waiter)
                waiter.error = _too_long(turn.wait)
            if not self._wake(waiter):
                self._gate.leave(turn.line, waiter)

    def _wake(self, waiter: Waiter) -> bool:
        """Whether there is still somebody to wake."""
        waiter.ready = True
        future, loop = waiter.future, waiter.loop
        if future is None or loop is None:
            return True
        try:
            if loop is asyncio.get_running_loop():
                _resolve(future)
            else:
                loop.call_soon_threadsafe(_resolve, future)
        except RuntimeError:  # its loop has been closed
            return False
        return True

    def _alarm(self, waiter: Waiter, wait: float) -> bool:
        """Look again in ``wait`` seconds, in the loop of who waits; false where that has been closed."""
        loop = waiter.loop
        if loop is None or loop.is_closed():
            return False
        due = time.monotonic() + wait
        if self._alarms.get(loop, float("inf")) <= due:
            return True
        self._alarms[loop] = due
        try:
            if loop is asyncio.get_running_loop():
                loop.call_later(wait, self._ring, loop, due)
            else:
                loop.call_soon_threadsafe(loop.call_later, wait, self._ring, loop, due)
        except RuntimeError:
            return False
        return True

    def _ring(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        with self._lock:
            if self._alarms.get(loop) == due:
                del self._alarms[loop]
            self._pump()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _too_long(wait: float) -> ThrottledError:
    return ThrottledError(
        f"the rate limit lets no further call through for {wait:,.0f} s; run it again then, to go on", retry_after=wait
    )


_shared: dict[Hashable, Admission] = {}
_lock = threading.Lock()


def admission(backend: Backend) -> Admission:
    """The admission of all that share the backend's rate limits, in this process.

    A backend says by its attribute ``account`` whom it shares them with. One that has none has no server to be gentle
    with, and is let alone.
    """
    account: Hashable = getattr(backend, "account", None)
    if account is None:
        return Admission(Gate(gentle=False))
    with _lock:
        return _shared.setdefault(account, Admission(Gate()))


def ticket(call: Call, patience: Patience) -> Waiter:
    """A ticket for one attempt of a sized call."""
    expected = call.expected_output_tokens
    output = call.max_output_tokens if expected is None else min(expected, call.max_output_tokens)
    document = call.tags.run, call.tags.document
    return Waiter(call.input_tokens or 0, output, document, patience.longest_wait, patience=patience.longest_told)
