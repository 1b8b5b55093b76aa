"""The client: the only door to a backend, so that nobody can make an unmetered call."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from types import TracebackType
from typing import Self

from promptops.admission import Line
from promptops.backends.batch import Batched
from promptops.backends.spec import checked
from promptops.budget import Budget
from promptops.client.admission import admission
from promptops.client.attempts import Admitted, Budgeted, Ceilinged, Listener, Metered, Retried, Unhalted
from promptops.client.packing import Packed, split_among
from promptops.client.prefixes import Prefixed
from promptops.client.size import Beyond, PromptSize, size
from promptops.client.streams import Stream, Told
from promptops.client.verdict import Patience
from promptops.client.wrappers import Coalesced, Complete, Halt, Halting, Sized, Stored
from promptops.errors import UsageError
from promptops.prompts.template import Prompt
from promptops.store import Database, Layouts, Ledger, Overhead, Packings, Replies
from promptops.types import Backend, Call, Reply, Tags, Totals

CONCURRENCY = 16
"""Calls in flight at first, where nobody says how many."""


class Client:
    """A backend behind store, budget, admission, retry and ledger.

    ``concurrency`` is how many calls may be in flight; by default 16, and up to 64 where the server answers no slower
    for it. Safe to use from several threads and event loops; close it, or use it as a context manager. Raises
    ``UsageError`` where ``backend`` does not declare what a backend declares.
    """

    def __init__(
        self,
        backend: Backend,
        database: Database | None = None,
        *,
        budget: Budget | None = None,
        concurrency: int | None = None,
        fresh: bool = False,
        patience: Patience | None = None,
        rpm: float | None = None,
        tpm: float | None = None,
    ) -> None:
        checked(backend)
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"--concurrency must be at least 1, not {concurrency}")
        self.backend = backend
        self.database = database or Database()
        self.budget = budget or Budget()
        self._growing = concurrency is None and getattr(backend, "account", None) is not None
        self.concurrency = CONCURRENCY if concurrency is None else concurrency
        self.fresh = fresh
        self.ledger = Ledger(self.database)
        self.replies = Replies(self.database)
        self.layouts = Layouts(self.database)
        self.packings = Packings(self.database)
        self.overhead = Overhead(self.database, backend.identity, backend.overhead)
        self._beyond = Beyond()
        self._patience = patience or Patience()
        self._told = {"rpm": rpm, "tpm": tpm}
        self._admission = admission(backend)
        self._line: Line | None = None
        for name, kind, limit in (("--rpm", "requests", rpm), ("--tpm", "tokens", tpm)):
            if limit is not None:
                if not 0 < limit < float("inf"):
                    raise UsageError(f"{name} must be more than 0 a minute, not {limit:g}")
                self._admission.tell(kind, limit)
        self._listeners: list[Listener] = []
        self._users: Counter[asyncio.AbstractEventLoop] = Counter()
        self._going: dict[bytes, Future[Reply]] = {}
        self._doors: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Complete] = weakref.WeakKeyDictionary()

    async def complete(self, call: Call) -> Reply:
        """Answer one call; raises ``CallError``, ``BudgetError``, ``WindowError``, ``PriceError`` or ``StoreError``."""
        loop = asyncio.get_running_loop()
        door = self._doors.get(loop)
        if door is None:
            self._forget_closed()
            door = self._doors[loop] = self._door()
        return await door(call)

    def stream(self, call: Call) -> Stream:
        """The same, piece by piece: ``async for piece in client.stream(call)``; see ``Stream``."""
        return Stream(self.complete, call)

    def sibling(self, model: str) -> Client:
        """A client for another model of the same server, as ``beside`` makes it.

        Raises ``UsageError`` where the backend is not of a kind that serves several.
        """
        serve = getattr(self.backend, "serving", None)
        if serve is None:
            raise UsageError(f"{self.backend.name} serves no other model; make a client for {model!r}")
        return self.beside(serve(model))

    def beside(self, backend: Backend) -> Client:
        """A client for another backend, with this one's store, budget and patience, and its listeners.

        Where it is a server's, it is held to the same requests and tokens a minute, which servers count by model.
        """
        client = Client(
            backend,
            self.database,
            budget=self.budget,
            concurrency=None if self._growing else self.concurrency,
            fresh=self.fresh,
            patience=self._patience,
            **(self._told if getattr(backend, "account", None) is not None else {}),
        )
        client._listeners, client.replies = self._listeners, self.replies
        return client

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each of ``texts``, in their order.

        Raises ``UsageError`` for an empty text or a model that gives no vectors, ``WindowError`` for a text over its
        window, ``BudgetError``, ``PriceError``, ``StoreError`` or ``CallError``.
        """
        from promptops.client.embedding import Embedder

        return await Embedder(self.backend, self.ledger, self.budget, self._patience, self._heard).embed(texts)

    def size(self, prompt: Prompt) -> PromptSize:
        """Tokens of a prompt for this model: what is counted exactly, and what its provider is known to add."""
        return size(prompt.messages, self.backend, self.overhead)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Tell ``listener`` the tags and totals of every attempt while the context lasts."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def preparing(self) -> AbstractContextManager[None]:
        """Says that more calls will follow while the context lasts, to a backend that gathers them."""
        return self.backend.preparing() if isinstance(self.backend, Batched) else nullcontext()

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Let go of the backend's connections in this event loop when the last that uses them here is done."""
        loop = asyncio.get_running_loop()
        self._users[loop] += 1
        try:
            yield
        finally:
            self._users[loop] -= 1
            if not self._users[loop]:
                del self._users[loop]
                await self.aclose()

    async def aclose(self) -> None:
        """Let go of the backend's connections in this event loop."""
        await self.backend.aclose()

    def close(self) -> None:
        """Close the store, and ``end`` what the backend keeps running."""
        self.end()
        self.database.close()

    def end(self) -> None:
        """End what the backend keeps running between runs, such as a local model's process; a call starts it again."""
        if (close := getattr(self.backend, "close", None)) is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _forget_closed(self) -> None:
        """Doors of loops that are no more: what is behind a door can hold its loop, so that neither would ever go."""
        for known in self._doors.keyrefs():  # a list made at once, since other threads come and go
            loop = known()
            if loop is not None and loop.is_closed():
                self._doors.pop(loop, None)

    def _door(self) -> Complete:
        """The wrappers, innermost first; one stack per event loop, since they hold its locks."""
        backend, identity, halt = self.backend, self.backend.identity, Halt()
        complete: Complete = Metered(backend, self.ledger, self._heard).complete
        if isinstance(backend, Batched):  # which keeps to its provider's limits, and must see all that wait
            complete = Unhalted(complete, halt).complete
        else:
            line = self._line = self._line or Line(self.concurrency, growing=self._growing)
            complete = Admitted(complete, self._admission, line, halt, self._patience).complete
        complete = Budgeted(complete, backend, self.budget).complete
        complete = Ceilinged(complete, backend).complete
        complete = Retried(complete, self._patience).complete
        complete = Halting(complete, halt).complete
        if not isinstance(backend, Batched):  # where none is first
            complete = Prefixed(complete, backend).complete
        complete = Sized(complete, backend, self.overhead, self._beyond).complete
        complete = Packed(complete, backend, self.packings, self.concurrency).complete
        complete = Stored(complete, self.replies, identity, fresh=self.fresh).complete
        complete = Coalesced(complete, identity, self._going).complete
        return Told(complete).complete

    def _heard(self, tags: Tags, totals: Totals) -> None:
        for listener in tuple(self._listeners):  # other threads come and go
            shares = split_among(totals)
            for context, part in shares:
                context.run(listener, tags, part)
            if not shares:
                listener(tags, totals)
