"""Calls that may share a prompt, waiting for each other: who goes together, and when."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass

from promptops.client.packing.pace import Pace
from promptops.client.packing.prompt import PER_ANSWER
from promptops.types import Call, Reply

WAIT = 0.02
"""Seconds without a further call after which those that wait are sent, though they are few."""

_MOST_OUTPUT = 4_096
_PROBES = 2
"""Prompts in flight while it is still open how many items one can hold: the more wait, the larger the next ones are."""


@dataclass(slots=True)
class Item:
    """A call that waits for its answer. ``tokens`` are of what it does not share, ``common`` of what it does."""

    call: Call
    tokens: int
    common: int
    context: Context
    reply: asyncio.Future[Reply]


class Queue:
    """The waiting calls of one kind, in order; ``send`` starts the asking about some of them."""

    def __init__(
        self, pace: Pace, window: int, places: int, send: Callable[[Sequence[Item]], asyncio.Task[None]]
    ) -> None:
        self._pace = pace
        self._window = window
        self._places = places
        self._send = send
        self._items: deque[Item] = deque()
        self._going = 0
        self._timer: asyncio.TimerHandle | None = None
        self._idle = False

    def add(self, item: Item) -> None:
        """Take one more; it is sent once as many wait as go together, or none has come for a moment."""
        self._items.append(item)
        self._idle = False
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(WAIT, self._none_came)
        self._flow()

    def _none_came(self) -> None:
        self._idle = True
        self._flow()

    def _flow(self) -> None:
        """Send what is full, and the rest where nothing more is coming, as far as there are places."""
        places = min(_PROBES, self._places) if self._pace.doubling else self._places
        while self._items and self._going < places:
            size = self._size()
            if not (self._idle or size >= self._pace.number or size < len(self._items)):
                return
            group = [item for item in (self._items.popleft() for _ in range(size)) if not item.reply.done()]
            if group:
                self._going += 1
                self._send(group).add_done_callback(self._over)

    def _over(self, _: asyncio.Task[None]) -> None:
        self._going -= 1
        self._flow()

    def _size(self) -> int:
        """How many of the first that wait fit one prompt and one answer; the first itself always does."""
        given, taken = self._items[0].common, 0
        for number, item in enumerate(self._items):
            given += item.tokens
            taken += item.call.max_output_tokens + PER_ANSWER
            full = number >= self._pace.number or taken > _MOST_OUTPUT or given + taken > self._window // 2
            if number and full:
                return number
        return len(self._items)
