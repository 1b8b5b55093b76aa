"""The life of a batch: claimed, uploaded, begun and waited for; or found again and taken up."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from promptops.backends.batch import lines
from promptops.backends.batch.gathering import MOST_CALLS, Group, fail
from promptops.backends.batch.news import News
from promptops.backends.batch.provider import Provider, State
from promptops.backends.batch.results import Results
from promptops.backends.openai import OpenAI
from promptops.errors import (
    CallError,
    PromptopsError,
    RejectedError,
    StoreError,
    ThrottledError,
    TransientError,
)
from promptops.store import Batches, Database, Replies
from promptops.types import Usage

MOST_BYTES = 200_000_000
"""The largest input file that a provider takes."""

_STALE = 10.0
"""Seconds without a sign of life after which the process that was submitting a batch is taken for dead."""

_BEAT = 1.0
_MISSES = 20
_LONGEST_WAIT = 48 * 3600.0
"""Seconds: twice the time that a provider gives itself."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between two looks at a batch: the first, by how much they grow, and the longest."""

    first: float = 0.5
    growth: float = 1.4
    longest: float = 60.0


class Sending:
    """Sends groups of calls, and finds those again that were sent before. ``anew`` looks for none."""

    def __init__(
        self, backend: OpenAI, database: Database, pauses: Pauses, tell: Callable[[News], None], *, anew: bool
    ) -> None:
        self._backend = backend
        self._provider = Provider(backend)
        self._table = Batches(database)
        self._replies = Replies(database)
        self._pauses = pauses
        self._tell = tell
        self._anew = anew
        self._tasks: set[asyncio.Task[None]] = set()
        self._results = Results(backend, self._provider, self._table)

    def send(self, group: Group) -> None:
        """See to it that every call of ``group`` is answered or failed."""
        self._go(self._sorted, group)

    async def aclose(self) -> None:
        """Stop waiting. What is at the provider goes on there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(StoreError):
            self._results.settle()

    def _go(self, work: Callable[..., object], group: Group, *more: object) -> None:
        async def guarded() -> None:
            try:
                await work(group, *more)  # type: ignore[misc]
            except PromptopsError as error:
                fail(group, error)
            except BaseException as failure:
                line = f"{self._backend.place}: the waiting for a batch ended ({type(failure).__name__}); run again"
                fail(group, CallError(line, billed=any(waiting.sent for waiting in group.values())))
                raise

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sorted(self, group: Group) -> None:
        """Those that are in a batch already are waited for there; the others are sent."""
        self._results.settle()
        if not self._anew:
            self._answer_known(group)
        known = {} if self._anew else self._table.find(group)
        for token in set(known.values()):
            self._go(self._taken_up, {key: group.pop(key) for key, its in known.items() if its == token}, token)
        for part in self._parts(group):
            self._go(self._sent, part)

    def _answer_known(self, group: Group) -> None:
        """Another process may have had an answer since the store was asked."""
        for key in list(group):
            stored = self._replies.get(key)
            if stored is not None:
                waiting = group.pop(key)
                self._table.unsent([waiting.attempt])
                waiting.answer(replace(stored, usage=Usage()))

    def _parts(self, group: Group) -> Iterator[Group]:
        """The group as few batches as its size allows; a call that cannot be written fails by itself."""
        part: Group = {}
        size = 0
        for key, waiting in group.items():
            try:
                length = len(lines.written(key, waiting.call, self._backend))
            except RejectedError as error:
                waiting.fail(error)
                continue
            if part and (len(part) >= MOST_CALLS or size + length > MOST_BYTES):
                yield part
                part, size = {}, 0
            part[key] = waiting
            size += length
        if part:
            yield part

    async def _sent(self, group: Group) -> None:
        """Claim, upload, begin and wait."""
        self._without_given_up(group)
        if not group:
            return
        claims = [(key, waiting.attempt) for key, waiting in group.items()]
        token, mine = self._table.claim(claims, anew=self._anew)
        others = {key: group.pop(key) for key in set(group) - mine}
        if others:  # another process was quicker
            self.send(others)
        if not group:
            return
        for waiting in group.values():
            waiting.claimed = True
        begun = False
        try:
            async with self._alive(token):
                file = await self._uploaded(group)
                if self._table.get(token) is None:  # we slept, were taken for dead, and another has taken over
                    self.send(dict(group))
                    group.clear()
                    return
                begun = True
                self._table.sent(waiting.attempt for waiting in group.values())
                for waiting in group.values():
                    waiting.sent = True
                state = await self._provider.create(file, token)
                self._table.submitted(token, state.id)
        except (CallError, asyncio.CancelledError) as error:
            status = getattr(error, "status", None)
            if self._unsubmitted(token, status, begun=begun):
                self._without_given_up(group)
            if begun or status != 413 or len(group) <= 1:
                raise
            await self._in_halves(group)  # a server or a proxy that takes smaller files
            return
        await self._ended(group, token, state, list(group))

    def _without_given_up(self, group: Group) -> None:
        """Drop the calls that nobody waits for any more, while they can have cost nothing."""
        dropped = [group.pop(key) for key in list(group) if group[key].given_up]
        self._table.unsent(waiting.attempt for waiting in dropped)

    def _unsubmitted(self, token: str, status: int | None, *, begun: bool) -> bool:
        """A batch whose making was refused is none; one whose making was cut off may be, and is looked for.

        Returns whether it is none.
        """
        refused = status is not None and 400 <= status < 500
        if begun and not refused:
            self._table.release(token)
            return False
        self._table.forget(token)
        return True

    async def _uploaded(self, group: Group) -> str:
        with tempfile.TemporaryFile() as file:
            for number, (key, waiting) in enumerate(group.items()):
                file.write(lines.written(key, waiting.call, self._backend))
                if number % 64 == 63:
                    await asyncio.sleep(0)
            file.seek(0)
            return await self._provider.upload(file)

    @asynccontextmanager
    async def _alive(self, token: str) -> AsyncIterator[None]:
        """Say so to other processes while the context lasts."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(_BEAT)
                self._table.touch(token)

        task = asyncio.get_running_loop().create_task(beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _taken_up(self, group: Group, token: str) -> None:
        """Wait for a batch that was sent before, by this process or another."""
        state = await self._found(token)
        if state is None:
            self._table.never_sent(token)
            await self._sorted(group)
            return
        self._without_given_up(group)
        still = self._table.adopt(token, [(key, waiting.attempt) for key, waiting in group.items()])
        await self._sorted({key: group.pop(key) for key in set(group) - still})
        for waiting in group.values():
            waiting.claimed = waiting.sent = True
        if group:
            await self._ended(group, token, state, ())

    async def _found(self, token: str) -> State | None:
        """The batch of a submission, once that is known; ``None`` where there is none."""
        while True:
            known = self._table.get(token)
            if known is None:
                return None
            if known.batch is not None:
                return await self._provider.state(known.batch)
            if time.time() - known.touched > _STALE:
                state = await self._provider.marked(token, known.created - 86_400)
                if state is not None:
                    self._table.submitted(token, state.id)
                return state
            await asyncio.sleep(_BEAT)

    async def _ended(self, group: Group, token: str, state: State, order: Sequence[bytes]) -> None:
        """Look at the batch until it has ended, then hand on what came of it."""
        calls, pause, misses = len(group), self._pauses.first, 0
        until = time.monotonic() + _LONGEST_WAIT
        told: News | None = None
        while True:
            news = News(state.id, state.status, calls, min(state.done, calls))
            if news != told:
                self._tell(news)
                told = news
            try:
                if state.ended:
                    await self._in_halves(await self._results.hand_on(group, token, state, order))
                    return
                await asyncio.sleep(pause)
                state = await self._provider.state(state.id)
                misses = 0
            except (TransientError, ThrottledError) as error:
                misses += 1
                if misses > _MISSES:
                    raise
                await asyncio.sleep(max(error.retry_after or 0.0, pause))
            if time.monotonic() > until:
                raise CallError(f"{self._backend.place}: batch {state.id} has not ended in two days; run again to wait")
            pause = min(pause * self._pauses.growth, self._pauses.longest)

    async def _in_halves(self, group: Group) -> None:
        """What is more than the account may have waiting, or than the server takes: one half after the other."""
        keys = list(group)
        for half in filter(None, (keys[: len(keys) // 2], keys[len(keys) // 2 :])):
            part = {key: group.pop(key) for key in half}
            try:
                await self._sent(part)
            except PromptopsError as error:
                fail(part, error)
