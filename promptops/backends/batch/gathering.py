"""Gathers calls until a plan is quiet: until everything that it can ask for at this point is waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from promptops.errors import CallError, PromptopsError
from promptops.types import Call, Reply

QUIET = 1.2
"""Seconds without a further call after which those that wait are sent: longer than a retry waits before it asks again,
so that what failed joins the next level's batch.
"""

MOST_CALLS = 50_000
"""The most requests that a provider takes in one batch."""

_LATE = 0.1
"""Seconds by which a timer can be late before the loop must have been too busy for the plan to ask."""

_MOST_LATE = 5
"""Times in a row; a loop that is never on time is kept busy by something else."""


@dataclass(slots=True)
class Waiting:
    """A call that waits, with the ledger's row of its attempt.

    ``claimed`` once it will be sent even if nobody waits any more, ``sent`` once it may be at the provider.
    """

    key: bytes
    call: Call
    attempt: int
    replies: list[asyncio.Future[Reply]] = field(default_factory=list)
    claimed: bool = False
    sent: bool = False

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return all(reply.done() for reply in self.replies)

    def answer(self, reply: Reply) -> None:
        """Hand on the reply."""
        for future in self.replies:
            if not future.done():
                future.set_result(reply)

    def fail(self, error: PromptopsError) -> None:
        """Hand on what went wrong."""
        for future in self.replies:
            if not future.done():
                future.set_exception(error)


Group = dict[bytes, Waiting]
"""Calls that wait together, by their keys, which are the ids they have at the provider."""


def fail(group: Group, error: PromptopsError) -> None:
    """Hand the same to all that are left, and leave none."""
    for waiting in group.values():
        waiting.fail(error)
    group.clear()


class Busy:
    """Counts what is being prepared in other threads, from which further calls will come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0

    def __bool__(self) -> bool:
        return self._number > 0

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Something is being prepared while the context lasts."""
        with self._lock:
            self._number += 1
        try:
            yield
        finally:
            with self._lock:
                self._number -= 1


class Gathering:
    """One event loop's calls. ``ready`` is given those that wait once ``quiet`` seconds have brought no other."""

    def __init__(self, ready: Callable[[Group], None], busy: Busy, quiet: float) -> None:
        self._ready = ready
        self._busy = busy
        self._quiet = quiet
        self._waiting: Group = {}
        self._last = 0.0
        self._late = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: Waiting) -> None:
        """Let a call wait."""
        twin = self._waiting.setdefault(waiting.key, waiting)
        if twin is not waiting:
            twin.replies.extend(waiting.replies)
        self._last = asyncio.get_running_loop().time()
        if len(self._waiting) >= MOST_CALLS:
            self._flush()
        elif self._timer is None:
            self._look_in(self._quiet)

    def close(self) -> None:
        """Wait for no more; whoever still does is told so."""
        self._still()
        group, self._waiting = self._waiting, {}
        for waiting in group.values():
            waiting.fail(CallError("closed before this call was sent; run again"))

    def _still(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._look, loop.time() + seconds)

    def _look(self, due: float) -> None:
        """Quiet is a loop that had time, nothing being read or split, and no call."""
        now = asyncio.get_running_loop().time()
        self._late = self._late + 1 if now - due > _LATE else 0
        if self._busy or 0 < self._late < _MOST_LATE:
            self._look_in(self._quiet)
        elif now - self._last < self._quiet:
            self._look_in(self._last + self._quiet - now)
        else:
            self._flush()

    def _flush(self) -> None:
        self._still()
        group, self._waiting = self._waiting, {}
        asked = {key: one for key, one in group.items() if not one.given_up}
        if asked:
            self._ready(asked)
