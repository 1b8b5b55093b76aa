"""Answers heard while they are written: the wrapper that sees to it that they are heard right, and a stream of one.

``Told`` is the outermost wrapper. A stored reply, one that came with a call already in flight, and one of a backend
that cannot stream are heard as one piece.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

from promptops.client.wrappers import Complete
from promptops.errors import TransientError
from promptops.types import Call, Listener, Reply


class Told:
    """Tells a call's listener the answer, the whole answer and nothing but the answer.

    A listener that raises is told nothing more, and its exception is raised once the reply is there, and kept.
    """

    def __init__(self, inner: Complete) -> None:
        self._inner = inner

    async def complete(self, call: Call) -> Reply:
        """The reply, which the listener has heard."""
        if call.listener is None:
            return await self._inner(call)
        ear = _Ear(call.listener)
        reply = await self._inner(replace(call, listener=ear))
        ear.whole(reply.text)
        if ear.failure is not None:
            raise ear.failure
        return reply


class _Ear:
    """What a listener has heard of the attempt that goes on."""

    def __init__(self, listener: Listener) -> None:
        self.failure: Exception | None = None
        self._listener = listener
        self._heard: list[str] = []

    def piece(self, text: str) -> None:
        if not text or self.failure is not None:
            return
        self._heard.append(text)
        try:
            self._listener.piece(text)
        except Exception as failure:  # noqa: BLE001 - raised by ``Told``: here it would pass for a failed attempt
            self.failure = failure

    def again(self) -> None:
        if not self._heard or self.failure is not None:
            return
        self._heard.clear()
        try:
            self._listener.again()
        except Exception as failure:  # noqa: BLE001 - the same
            self.failure = failure

    def whole(self, text: str) -> None:
        """The answer is ``text``: say what has not been heard, or all of it where something else was."""
        if "".join(self._heard) != text:
            self.again()
            self.piece(text)


class Stream:
    """The pieces of one answer: ``async for piece in stream``; then ``reply`` holds all of it, with its usage.

    What was given cannot be taken back. Where an attempt broke off and the next one answers in other words, the stream
    raises ``TransientError`` once that answer is whole; it is ``reply`` then, and in the store. Whoever can take words
    back gives the call a ``listener`` of their own. Ending the iteration early cancels the call.
    """

    def __init__(self, complete: Complete, call: Call) -> None:
        self.reply: Reply | None = None
        self._complete = complete
        self._call = call

    async def __aiter__(self) -> AsyncIterator[str]:
        """The pieces as they come; raises what ``Client.complete`` raises."""
        spoken = _Spoken()
        task = asyncio.ensure_future(self._complete(replace(self._call, listener=spoken)))
        task.add_done_callback(lambda _: spoken.over())
        try:
            while (piece := await spoken.pieces.get()) is not None:
                yield piece
            self.reply = await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        if spoken.departed:
            raise TransientError("the answer broke off and began again in other words; ask again: it is kept whole")


class _Spoken:
    """A listener that hands on only what goes on from what it has already handed on."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._given = ""
        self._now = ""

    @property
    def departed(self) -> bool:
        return self._now != self._given

    def piece(self, text: str) -> None:
        self._now += text
        if self._now.startswith(self._given) and len(self._now) > len(self._given):
            self.pieces.put_nowait(self._now[len(self._given) :])
            self._given = self._now

    def again(self) -> None:
        self._now = ""

    def over(self) -> None:
        self.pieces.put_nowait(None)
