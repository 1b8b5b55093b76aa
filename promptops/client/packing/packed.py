"""The wrapper that packs: calls that may share a prompt wait a moment for each other, and each gets its own reply.

An item that a prompt does not answer comes back in a prompt of half as many, and then alone, so each item is in at most
three prompts and n items never take more than 2 n.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import replace

from promptops.backends.batch import Batched
from promptops.client.packing.pace import Pace
from promptops.client.packing.prompt import PER_ANSWER, answers, ids_of, joined, shared
from promptops.client.packing.queue import Item, Queue
from promptops.client.packing.sharing import shared_out, sharing
from promptops.client.wrappers import Complete, contents_tokens
from promptops.errors import BudgetError, CallError, PromptopsError, RefusedError, RejectedError, WindowError
from promptops.prices import FREE
from promptops.store import Packings
from promptops.tools import about_tools
from promptops.types import Backend, Call, Reply

DEPTH = 3
"""Prompts that one item can be in: with others, with half of them, and alone."""

_SMALL = 8
"""A part of the window that an item may fill; larger ones go alone."""

_DIVIDED = (RejectedError, RefusedError, WindowError, BudgetError)
"""What may be the fault of one item among many, or of their number."""


class Packed:
    """Gathers calls that carry ``pack``; hands all others on.

    Where a model's tokens cost nothing there is nothing to save, and each call goes by itself.
    """

    def __init__(self, inner: Complete, backend: Backend, packings: Packings, concurrency: int) -> None:
        self._inner = inner
        self._backend = backend
        self._packings = packings
        self._window = backend.window or 0
        self._concurrency = concurrency
        self._queues: dict[tuple[object, ...], Queue] = {}
        self._paces: dict[tuple[str, str], Pace] = {}
        self._going: set[asyncio.Task[None]] = set()

    async def complete(self, call: Call) -> Reply:
        """The reply to this call, whatever it was packed with."""
        item = self._item(call)
        if item is None:
            return await self._inner(replace(call, pack=None))
        self._wait(item)
        return await item.reply

    def _item(self, call: Call) -> Item | None:
        """The call as an item, or ``None`` where it goes by itself."""
        if not may_be_packed(call, self._backend) or self._pace(call).number < 2:
            return None
        own = self._backend.counter.count(call.messages[-1].content)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        common = contents_tokens(self._backend, call) - own
        return Item(call, own + PER_ANSWER, common, copy_context(), future)

    def _pace(self, call: Call) -> Pace:
        return self._paces.setdefault((call.tags.chain, call.tags.step), Pace(call.pack or 0))

    def _wait(self, item: Item) -> None:
        kind = shared(item.call)
        if kind not in self._queues:
            self._queues[kind] = Queue(self._pace(item.call), self._window, self._concurrency, self._first)
        self._queues[kind].add(item)

    def _first(self, items: Sequence[Item]) -> asyncio.Task[None]:
        return self._start(items, 1)

    def _start(self, items: Sequence[Item], depth: int) -> asyncio.Task[None]:
        """Ask about them in a task of its own, which ends when nobody waits for an answer any more."""
        task = asyncio.get_running_loop().create_task(self._ask(items, depth))
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        for item in items:
            item.reply.add_done_callback(_ends(task, items))
        return task

    async def _ask(self, items: Sequence[Item], depth: int) -> None:
        try:
            await (self._alone(items[0]) if len(items) == 1 else self._together(items, depth))
        except (Exception, asyncio.CancelledError) as failure:  # noqa: BLE001 - whatever it is, somebody waits for each
            for item in items:
                _fail(item, failure)

    async def _alone(self, item: Item) -> None:
        token = sharing.set(((item.context, 1),))
        try:
            reply = await self._inner(replace(item.call, pack=None))
        finally:
            sharing.reset(token)
        if not item.reply.done():
            item.reply.set_result(reply)

    async def _together(self, items: Sequence[Item], depth: int) -> None:
        ids = ids_of([item.call for item in items])
        token = sharing.set(tuple((item.context, item.tokens) for item in items))
        try:
            reply = await self._inner(joined([item.call for item in items], ids))
        except _DIVIDED as failure:
            self._paid_for_nothing(items[0].call, failure)
            self._pace(items[0].call).incomplete(len(items))
            self._again(items, depth)
            return
        finally:
            sharing.reset(token)
        told = answers(reply.text, ids)
        kept = [(item, told[name]) for item, name in zip(items, ids, strict=True) if self._usable(item, told.get(name))]
        self._settle(items, kept, reply)
        answered = {id(item) for item, _ in kept}
        self._again([item for item in items if id(item) not in answered], depth)

    def _paid_for_nothing(self, call: Call, failure: PromptopsError) -> None:
        usage = failure.usage if isinstance(failure, CallError) else None
        if usage is not None:
            self._packings.add(call.tags, self._backend.name, 0, 0, usage.input_tokens + usage.output_tokens)

    def _usable(self, item: Item, answer: str | None) -> bool:
        return answer is not None and self._backend.counter.count(answer) <= item.call.max_output_tokens

    def _settle(self, items: Sequence[Item], kept: Sequence[tuple[Item, str]], reply: Reply) -> None:
        """Give each answered item its reply, with its share of what was used, and keep what packing saved."""
        pace = self._pace(items[0].call)
        (pace.complete if len(kept) == len(items) else pace.incomplete)(len(items))
        shares = shared_out(reply.usage, [item.tokens for item, _ in kept])
        count = self._backend.counter.count
        alone = sum(item.common + item.tokens - PER_ANSWER + count(answer) for item, answer in kept)
        sent = reply.usage.input_tokens + reply.usage.output_tokens
        self._packings.add(items[0].call.tags, self._backend.name, len(kept), alone, 0 if reply.stored else sent)
        for (item, answer), share in zip(kept, shares, strict=True):
            if not item.reply.done():
                item.reply.set_result(replace(reply, text=answer, usage=share, finish="stop", stored=False))

    def _again(self, items: Sequence[Item], depth: int) -> None:
        """Those without an answer come back: in halves once, then each alone."""
        waiting = [item for item in items if not item.reply.done()]
        if depth + 1 < DEPTH and len(waiting) > 2:
            middle = len(waiting) // 2
            parts = [waiting[:middle], waiting[middle:]]
        else:
            parts = [[item] for item in waiting]
        for part in parts:
            self._start(part, depth + 1)


def may_be_packed(call: Call, backend: Backend) -> bool:
    """Whether a call may share a prompt: it says so, is small, has instructions of its own and is asked plainly."""
    if call.pack is None or call.schema is not None or call.listener is not None or call.take or about_tools(call):
        return False
    if call.sampling.logprobs is not None:
        return False
    if isinstance(backend, Batched):  # which takes all that wait at once; packing would make many batches of them
        return False
    if backend.price is FREE or backend.window is None or len(call.messages) < 2:
        return False
    return backend.counter.count(call.messages[-1].content) * _SMALL <= backend.window


def _ends(task: asyncio.Task[None], items: Sequence[Item]) -> Callable[[asyncio.Future[Reply]], None]:
    """Cancels ``task`` once everybody who waited for it has been cancelled."""

    def ended(_: asyncio.Future[Reply]) -> None:
        if all(item.reply.cancelled() for item in items):
            task.cancel()

    return ended


def _fail(item: Item, failure: BaseException) -> None:
    if item.reply.done():
        return
    if isinstance(failure, Exception):
        item.reply.set_exception(failure)
    else:
        item.reply.cancel()
