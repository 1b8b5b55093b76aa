"""A backend that asks the same model through its provider's Batch API: later, and mostly for half the price."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from promptops.backends.batch.gathering import QUIET, Busy, Gathering, Waiting
from promptops.backends.batch.news import News
from promptops.backends.batch.sending import Pauses, Sending
from promptops.backends.openai import OpenAI
from promptops.prices import FREE
from promptops.store import Batches, Database, attempt, key
from promptops.types import Call, Price, Reply

Listener = Callable[[News], None]


@dataclass(frozen=True, slots=True)
class _Desk:
    gathering: Gathering
    sending: Sending


class Batched:
    """``inner`` through its Batch API: a call waits until nothing further has been asked for ``quiet`` seconds; then
    all that wait go as one batch, which is looked at after growing ``pauses``.

    Which call waits in which batch stands in ``database``. A later process that asks for the same waits for the same
    batch, unless ``fresh``. Its replies are the model's own, so it shares the ``identity`` of ``inner``. ``price`` is
    the batch price, ``None`` where none is known; ``inner.price`` is what the same would cost at once.

    A batch goes on at the provider when the waiting for it is cancelled; ``under_way`` names those that do.
    """

    def __init__(
        self,
        inner: OpenAI,
        database: Database,
        *,
        fresh: bool = False,
        quiet: float = QUIET,
        pauses: Pauses | None = None,
    ) -> None:
        self.inner = inner
        self.name, self.identity = inner.name, inner.identity
        self.window, self.counter = inner.window, inner.counter
        self.overhead, self.reasoning = inner.overhead, inner.reasoning
        self.price = batch_price(inner)
        self.logprobs = inner.logprobs
        self.under_way: dict[str, News] = {}
        self._database = database
        self._table = Batches(database)
        self._fresh = fresh
        self._quiet = quiet
        self._pauses = pauses or Pauses()
        self._busy = Busy()
        self._listeners: list[Listener] = []
        self._desks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Desk] = weakref.WeakKeyDictionary()

    def beside(self, inner: OpenAI) -> Batched:
        """Another model's batches, sent when neither prepares more, and told of to the same listeners."""
        other = Batched(inner, self._database, fresh=self._fresh, quiet=self._quiet, pauses=self._pauses)
        other._busy, other._listeners, other.under_way = self._busy, self._listeners, self.under_way
        return other

    async def complete(self, call: Call) -> Reply:
        """The reply, when its batch has ended; raises a ``CallError``, or ``StoreError`` where nothing can be kept."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        waiting = Waiting(key(call, self.identity), call, attempt.get(), [future])
        self._table.wait(waiting.attempt)
        self._desk().gathering.add(waiting)
        try:
            return await future
        except asyncio.CancelledError:
            if not waiting.claimed:
                self._table.unsent([waiting.attempt])
            raise

    def preparing(self) -> AbstractContextManager[None]:
        """Nothing is sent while such a context lasts: something is being read or cut, and more calls will follow."""
        return self._busy.preparing()

    @contextmanager
    def telling(self, listener: Listener) -> Iterator[None]:
        """Tell ``listener`` how batches stand while the context lasts."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    async def aclose(self) -> None:
        """Stop waiting in this event loop, and let go of its connections."""
        desk = self._desks.pop(asyncio.get_running_loop(), None)
        if desk is not None:
            desk.gathering.close()
            await desk.sending.aclose()
        await self.inner.aclose()

    def _desk(self) -> _Desk:
        loop = asyncio.get_running_loop()
        desk = self._desks.get(loop)
        if desk is None:
            self._table.purge()
            sending = Sending(self.inner, self._database, self._pauses, self._heard, anew=self._fresh)
            desk = self._desks[loop] = _Desk(Gathering(sending.send, self._busy, self._quiet), sending)
        return desk

    def _heard(self, news: News) -> None:
        if news.ended:
            self.under_way.pop(news.batch, None)
        else:
            self.under_way[news.batch] = news
        for listener in tuple(self._listeners):
            listener(news)


def batch_price(inner: OpenAI) -> Price | None:
    """What a model costs through its Batch API, ``None`` where the price data do not say."""
    price: Price | None = inner.price if inner.price is FREE else getattr(inner.price, "batch", None)
    return price
