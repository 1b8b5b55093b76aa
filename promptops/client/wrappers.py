"""The wrappers between a plan and a backend, outermost first. Each does one thing to a call on its way.

``Stored`` → ``Coalesced`` → ``Sized`` → ``Halting`` → ``Retried`` → ``Budgeted`` → ``Admitted`` → ``Metered`` → backend.

Budget and admission stand inside the retry, since every attempt can be billed and counts against a rate limit.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from promptops.budget import Amount, Budget
from promptops.client.verdict import Patience, Verdict, stops, verdict
from promptops.errors import CallError, PromptopsError, StoreError, WindowError
from promptops.store import Ledger, Replies, key
from promptops.types import Backend, Call, Reply, Tags, Totals, Usage

Complete = Callable[[Call], Awaitable[Reply]]
Listener = Callable[[Tags, Totals], None]


class Stored:
    """Answers from the store what it knows, and keeps what it did not.

    A reply that cannot be kept is still handed on: it has been paid for.
    """

    def __init__(self, inner: Complete, replies: Replies, identity: str, *, fresh: bool) -> None:
        self._inner = inner
        self._replies = replies
        self._identity = identity
        self._fresh = fresh

    async def complete(self, call: Call) -> Reply:
        """The stored reply, or the backend's."""
        known = key(call, self._identity)
        if not self._fresh and (stored := self._replies.get(known)) is not None:
            return stored
        reply = await self._inner(call)
        if not reply.stored:
            try:
                self._replies.put(known, reply)
            except StoreError:
                return reply
        return reply


class Coalesced:
    """Sends equal calls that are in flight together only once."""

    def __init__(self, inner: Complete, identity: str) -> None:
        self._inner = inner
        self._identity = identity
        self._going: dict[bytes, asyncio.Future[Reply]] = {}

    async def complete(self, call: Call) -> Reply:
        """The reply of this call or of its twin in flight."""
        known = key(call, self._identity)
        twin = self._going.get(known)
        if twin is not None:
            try:
                return replace(await asyncio.shield(twin), stored=True)
            except asyncio.CancelledError:
                if not twin.cancelled():
                    raise
                return await self.complete(call)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._going[known] = future
        try:
            reply = await self._inner(call)
        except BaseException as failure:
            _pass_on(future, failure)
            raise
        finally:
            del self._going[known]
        future.set_result(reply)
        return reply


def _pass_on(future: asyncio.Future[Reply], failure: BaseException) -> None:
    if isinstance(failure, Exception):
        future.set_exception(failure)
        future.exception()
    else:
        future.cancel()


class Sized:
    """Counts the prompt, learns what the provider adds to it, and lets nothing through that cannot fit."""

    def __init__(self, inner: Complete, backend: Backend) -> None:
        self._inner = inner
        self._backend = backend
        self._added = 0

    async def complete(self, call: Call) -> Reply:
        """The reply; raises ``WindowError`` where input and reserved output pass the window."""
        size = self._size(call)
        self._check(size, call)
        reply = await self._inner(replace(call, input_tokens=size + self._added))
        if not reply.stored and not reply.usage.estimated:
            self._added = max(self._added, reply.usage.input_tokens - size)
        return reply

    def _size(self, call: Call) -> int:
        """Tokens of the contents, of what stands around them, and of a schema, which providers count as input."""
        count = self._backend.counter.count
        contents = sum(count(message.content) for message in call.messages)
        schema = count(json.dumps(dict(call.schema))) if call.schema is not None else 0
        return contents + schema + self._backend.overhead * (len(call.messages) + 1)

    def _check(self, size: int, call: Call) -> None:
        window = self._backend.window
        most = size + call.max_output_tokens + self._backend.reasoning
        if window is not None and most > window:
            raise WindowError(
                f"step {call.tags.step or 'call'}: {size:,} input tokens and {most - size:,} for the answer pass the "
                f"window of {window:,} by {most - window:,}: send less, or ask for fewer words"
            )


class Halting:
    """Sends nothing more of a run once an error has shown that every further call would fail the same way."""

    def __init__(self, inner: Complete) -> None:
        self._inner = inner
        self._answered: set[str] = set()
        self._halted: dict[str, CallError] = {}

    async def complete(self, call: Call) -> Reply:
        """The reply, or at once the error that stopped the sending."""
        run = call.tags.run
        if run in self._halted:
            raise self._halted[run]
        try:
            reply = await self._inner(call)
        except CallError as error:
            if stops(error, answered=run in self._answered):
                self._halted[run] = error
            raise
        self._answered.add(run)
        return reply


class Retried:
    """Tries again what another try may mend; tenacity decides when."""

    def __init__(self, inner: Complete, patience: Patience) -> None:
        self._inner = inner
        self._patience = patience

    async def complete(self, call: Call) -> Reply:
        """The reply of the first attempt that gives one, or the last error."""
        try:
            return await self._inner(call)
        except CallError as error:
            if verdict(error, 1, self._patience) not in (Verdict.AGAIN, Verdict.WAIT):
                raise
            return await self._again(call, error)

    async def _again(self, call: Call, first: CallError) -> Reply:
        from promptops.client.retry import retrying

        pending: list[CallError] = [first]

        async def attempt() -> Reply:
            if pending:
                raise pending.pop()
            return await self._inner(call)

        return await retrying(self._patience)(attempt)


class Budgeted:
    """Reserves the most an attempt can cost, and settles what it did cost."""

    def __init__(self, inner: Complete, backend: Backend, budget: Budget) -> None:
        self._inner = inner
        self._backend = backend
        self._budget = budget

    async def complete(self, call: Call) -> Reply:
        """The reply; raises ``BudgetError`` where the attempt could pass the cap."""
        most = amount(self._backend, most_usage(self._backend, call))
        await self._budget.reserve(most)
        used = most
        try:
            reply = await self._inner(call)
            used = amount(self._backend, reply.usage)
        except CallError as error:
            if error.usage is not None:
                used = amount(self._backend, error.usage)
            elif not error.billed:
                used = Amount(0, Decimal(0))
            raise
        except StoreError:
            used = Amount(0, Decimal(0))
            raise
        finally:
            self._budget.settle(most, used)
        return reply


class Admitted:
    """Lets a bounded number of attempts be in flight, first come, first served."""

    def __init__(self, inner: Complete, concurrency: int) -> None:
        self._inner = inner
        self._places = asyncio.Semaphore(concurrency)

    async def complete(self, call: Call) -> Reply:
        """The reply, once there was a place."""
        async with self._places:
            return await self._inner(call)


@dataclass(slots=True)
class Metered:
    """Writes a ledger row for every attempt, and tells whoever listens what it took."""

    backend: Backend
    ledger: Ledger
    listener: Listener

    async def complete(self, call: Call) -> Reply:
        """The backend's reply; whatever else it raises arrives as a ``CallError``."""
        most = most_usage(self.backend, call)
        row = self.ledger.sent(call.tags, self.backend.name, most, cost(self.backend, most))
        start = time.monotonic()
        try:
            reply = await self.backend.complete(call)
        except CallError as error:
            self._failed(row, call, error, most, time.monotonic() - start)
            raise
        except (PromptopsError, asyncio.CancelledError):
            raise
        except Exception as error:
            ours = CallError(f"{self.backend.name} failed: {type(error).__name__}: {error}", billed=True)
            self._failed(row, call, ours, most, time.monotonic() - start)
            raise ours from error
        self._answered(row, call, reply, time.monotonic() - start)
        return reply

    def _answered(self, row: int, call: Call, reply: Reply, seconds: float) -> None:
        usd = cost(self.backend, reply.usage)
        self.listener(call.tags, Totals.of(reply.usage, usd))
        try:
            self.ledger.answered(row, reply.usage, usd, seconds, reply.request_id)
        except StoreError:
            return

    def _failed(self, row: int, call: Call, error: CallError, most: Usage, seconds: float) -> None:
        usage = error.usage or (most if error.billed else None)
        usd = cost(self.backend, usage) if usage else Decimal(0)
        if usage:
            self.listener(call.tags, Totals.of(usage, usd))
        try:
            self.ledger.failed(row, error, usd, seconds)
        except StoreError:
            return


def most_usage(backend: Backend, call: Call) -> Usage:
    """The most tokens that one attempt of a sized call can take."""
    return Usage(call.input_tokens or 0, 0, call.max_output_tokens + backend.reasoning, 0, estimated=True)


def cost(backend: Backend, usage: Usage) -> Decimal | None:
    """US dollars of one attempt, ``None`` where no price is known."""
    return None if backend.price is None else backend.price.cost(usage)


def amount(backend: Backend, usage: Usage) -> Amount:
    """What a budget counts of one attempt."""
    return Amount(usage.input_tokens + usage.output_tokens, cost(backend, usage))
