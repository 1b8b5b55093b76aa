"""The wrapper that lets calls with a common beginning find it in the provider's prompt cache.

A provider keeps the beginning of a prompt once it has read it, and reads it from there for less when the next prompt
begins so. Many that are sent together find nothing, since none has been read yet; so the first goes alone and the rest
when it has been answered. (A cache entry is there from the first token of the answer on, which only a stream shows.)
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Iterator

from promptops.client.wrappers import Complete
from promptops.types import Backend, Call, Reply, Usage

LEAST = 1_024
"""Tokens from which the large providers keep a beginning."""

PATIENCE = 30.0
"""Seconds that a call waits for the first of its like, at most; then it is sent, come what may."""

_MARKS = (6_144, 24_576, 98_304, 393_216)
"""Characters of a beginning that may be common within a message: the first holds 1,024 tokens in most languages."""

_WARM = 240.0
"""Seconds that a beginning is taken to be kept after its last use; providers promise five minutes."""

_REMEMBERED = 4_096
_CREDIT = 8
"""Replies in a row that may come without cached tokens though their beginning had been read: then nobody waits."""

Mark = tuple[int, int]


class Prefixed:
    """Sends the first call with a beginning alone, and those that share it once it is over, however it ends.

    Only where that can pay: the price list has a lower price for cached input, or replies have told of cached tokens.
    """

    def __init__(self, inner: Complete, backend: Backend) -> None:
        self._inner = inner
        self._backend = backend
        self._credit = _CREDIT if discounted(backend) else 0
        self._warm: OrderedDict[Mark, float] = OrderedDict()
        self._going: dict[Mark, asyncio.Future[None]] = {}
        self._sizes: OrderedDict[int, int] = OrderedDict()

    async def complete(self, call: Call) -> Reply:
        """The reply, after that of the first call with the same beginning."""
        if not self._credit or (call.input_tokens or 0) < LEAST:
            return self._told(await self._inner(call), expected=False)
        marks = list(self._marks(call))
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        led = [mark for mark in marks if self._going.setdefault(mark, over) is over]
        try:
            expected = await self._first(marks, over)
            reply = await self._inner(call)
            self._keep(marks)
        finally:
            for mark in led:
                del self._going[mark]
            over.set_result(None)
        return self._told(reply, expected=expected)

    async def _first(self, marks: list[Mark], mine: asyncio.Future[None]) -> bool:
        """Wait for whoever is first with a beginning of these; whether one of them has been read.

        Whoever waits leads only with longer beginnings than the one it waits for, so nobody waits in a circle.
        """
        until = time.monotonic() + PATIENCE
        for mark in marks:
            first = self._going.get(mark, mine)
            if first is not mine and not self._is_warm(mark):
                await asyncio.wait([first], timeout=max(until - time.monotonic(), 0))
        return any(self._is_warm(mark) for mark in marks)

    def _told(self, reply: Reply, *, expected: bool) -> Reply:
        """Learn from a reply whether this provider caches."""
        if reply.usage.cached_input_tokens:
            self._credit = _CREDIT
        elif expected:
            self._credit -= self._credit > 0
        return reply

    def _keep(self, marks: list[Mark]) -> None:
        for mark in marks:
            self._warm[mark] = time.monotonic()
            self._warm.move_to_end(mark)
        while len(self._warm) > _REMEMBERED:
            self._warm.popitem(last=False)

    def _is_warm(self, mark: Mark) -> bool:
        return time.monotonic() - self._warm.get(mark, -_WARM) < _WARM

    def _marks(self, call: Call) -> Iterator[Mark]:
        """The beginnings that others may share, the shortest first: all messages but the last, and certain lengths."""
        schema = "" if call.schema is None else json.dumps(dict(call.schema), sort_keys=True)
        texts = [f"{message.role}\0{message.content}\0" for message in call.messages]
        before, whole = f"{schema}\0{''.join(texts[:-1])}", f"{schema}\0{''.join(texts)}"
        density = (call.input_tokens or 0) / len(whole)
        ends = {end for end in _MARKS if end < len(whole) and end * density >= LEAST}
        if len(before) >= LEAST // 4 and self._size(before) >= LEAST:
            ends.add(len(before))
        for end in sorted(ends):
            yield end, hash(whole[:end])

    def _size(self, text: str) -> int:
        """Its tokens, counted once for all calls that begin so."""
        known = self._sizes.get(hash(text))
        if known is None:
            known = self._sizes[hash(text)] = self._backend.counter.count(text)
            while len(self._sizes) > _REMEMBERED:
                self._sizes.popitem(last=False)
        return known


def discounted(backend: Backend) -> bool:
    """Whether cached input is known to cost less."""
    price = backend.price
    return price is not None and price.cost(Usage(LEAST, LEAST)) < price.cost(Usage(LEAST))
