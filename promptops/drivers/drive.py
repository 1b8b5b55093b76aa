"""Drives a plan: answers each of its requests with what the given functions do, and starts what may go side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from promptops.errors import EngineError, PromptopsError
from promptops.plans.plan import Plan, Read, Report, Request, Split, Start, Started
from promptops.types import Call, Chunk, Document, Reply, Source

_LONG = 200_000
"""Characters."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a started plan came to; held as a value, so that an error is raised where it is waited for."""

    value: Any = None
    error: PromptopsError | None = None

    def unwrap(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


def _step(plan: Plan[Any], value: Any, error: PromptopsError | None) -> tuple[bool, Any]:
    """Move a plan on by one answer: true and its next request, or false and its result."""
    try:
        return True, plan.send(value) if error is None else plan.throw(error)
    except StopIteration as stop:
        return False, stop.value


class Driver:
    """Four functions that stand for the world: answering a call, reading, splitting, receiving a report."""

    def __init__(
        self,
        answer: Callable[[Call], Awaitable[Reply]],
        read: Callable[[Source], Awaitable[Document]],
        split: Callable[[Split], list[Chunk]],
        report: Callable[[Report], None],
    ) -> None:
        self._answer = answer
        self._read = read
        self._split = split
        self._report = report
        self._tasks: set[asyncio.Task[_Outcome]] = set()

    async def run(self, plan: Plan[Any]) -> Any:
        """The plan's result. Whatever is still going when it ends, or is cancelled, is cancelled.

        All at once, which is why plans wait for each other under a shield: cancelled one after another, each would give
        its place in flight to the next, which would be sent.
        """
        try:
            return await self._drive(plan)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drive(self, plan: Plan[Any]) -> Any:
        """Send each answer in, throw each error in, until the plan returns."""
        value: Any = None
        error: PromptopsError | None = None
        while True:
            going, request = _step(plan, value, error)
            if not going:
                return request
            try:
                value, error = await self._respond(request), None
            except EngineError:
                raise  # the model cannot be run at all: no plan has an answer to that
            except PromptopsError as failure:
                value, error = None, failure

    async def _respond(self, request: Request) -> Any:
        match request:
            case Call():
                return await self._answer(request)
            case Started():
                return (await asyncio.shield(request.task)).unwrap()
            case Start():
                return Started(self._start(request.plan))
            case Report():
                return self._report(request)
            case Read() | Split():
                return await self._document(request)
            case _:
                return await self._together(request)

    async def _document(self, request: Read | Split) -> Document | list[Chunk]:
        """The document or its chunks. A long text is split in a thread, or it would keep the loop from its calls."""
        if isinstance(request, Read):
            return await self._read(request.source)
        if len(request.document.text) > _LONG:
            return await asyncio.to_thread(self._split, request)
        return self._split(request)

    async def _together(self, plans: Sequence[Plan[Any]]) -> list[Any]:
        if len(plans) == 1:
            return [await self._drive(plans[0])]
        outcomes = [await asyncio.shield(task) for task in [self._start(plan) for plan in plans]]
        return [outcome.unwrap() for outcome in outcomes]

    def _start(self, plan: Plan[Any]) -> asyncio.Task[_Outcome]:
        task = asyncio.get_running_loop().create_task(self._outcome(plan))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _outcome(self, plan: Plan[Any]) -> _Outcome:
        try:
            return _Outcome(await self._drive(plan))
        except PromptopsError as failure:
            return _Outcome(error=failure)
