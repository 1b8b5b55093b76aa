"""The inner wrappers: what happens to each attempt of a call, outermost first.

``Retried`` → ``Budgeted`` → ``Admitted`` → ``Metered`` → backend.

Budget and admission stand inside the retry, since every attempt can be billed and counts against a rate limit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal

from promptops.admission import Line
from promptops.budget import Amount, Budget, Unsent
from promptops.ceilings import ceilings
from promptops.client.admission import Admission, ticket
from promptops.client.verdict import Patience, again
from promptops.client.wrappers import Complete, Halt, being_cancelled
from promptops.errors import CallError, PromptopsError, StoreError, UnreachableError
from promptops.store import Ledger, attempt
from promptops.store.database import whole
from promptops.types import Backend, Call, Reply, Tags, ToolCall, Totals, Usage

_log = logging.getLogger(__name__)

Listener = Callable[[Tags, Totals], None]

_MOST_TOKENS = 1 << 40
"""More than any attempt takes, and few enough to be summed."""


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
            if not again(error, 1, self._patience):
                raise
            return await self._again(call, error)

    async def _again(self, call: Call, first: CallError) -> Reply:
        from promptops.client.retry import retrying

        pending: list[CallError] = [first]

        async def attempt() -> Reply:
            if pending:
                raise pending.pop()
            if call.listener is not None:
                call.listener.again()
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
        except (PromptopsError, Unsent):
            used = Amount(0, Decimal(0))
            raise
        finally:
            self._budget.settle(most, used)
        return reply


class Ceilinged:
    """Holds every attempt to the caps of the whole process too, fail-closed: what cannot be priced is not sent."""

    def __init__(self, inner: Complete, backend: Backend) -> None:
        self._inner = inner
        self._backend = backend

    async def complete(self, call: Call) -> Reply:
        """The reply; raises ``BudgetError`` or ``PriceError`` where a cap holds it back."""
        complete = self._inner
        for cap in ceilings():
            complete = Budgeted(complete, self._backend, cap.budget).complete
        try:
            return await complete(call)
        except Unsent:  # from here on a cancellation like any other, which time-outs know by its very class
            raise asyncio.CancelledError from None


class Admitted:
    """Lets an attempt go when the server's rate limits and the client's places allow it, and its run has not halted."""

    def __init__(self, inner: Complete, admission: Admission, line: Line, halt: Halt, patience: Patience) -> None:
        self._inner = inner
        self._admission = admission
        self._line = line
        self._halt = halt
        self._patience = patience

    async def complete(self, call: Call) -> Reply:
        """The reply, once it was its turn."""
        waiter = ticket(call, self._patience)
        await self._admission.enter(self._line, waiter)
        try:
            self._halt.check(call)
        except CallError as error:
            self._admission.leave(self._line, waiter)
            raise error.held() from error
        try:
            reply = await self._inner(call)
        except UnreachableError:
            self._admission.leave(self._line, waiter)
            raise
        except BaseException as error:
            self._admission.failed(self._line, waiter, error)
            raise
        self._admission.replied(self._line, waiter, reply)
        return reply


class Unhalted:
    """Sends nothing of a run that has halted while its attempt waited, where no admission looks."""

    def __init__(self, inner: Complete, halt: Halt) -> None:
        self._inner = inner
        self._halt = halt

    async def complete(self, call: Call) -> Reply:
        """The reply, or the error that stopped the run."""
        try:
            self._halt.check(call)
        except CallError as error:
            raise error.held() from error
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
        row = self.ledger.sent(call.tags, self.backend.name, most, cost(self.backend, most), call.given_up)
        start = time.monotonic()
        token = attempt.set(row)
        try:
            reply = _sound(await self.backend.complete(call))
        except CallError as error:
            self._failed(row, call, error, most, time.monotonic() - start)
            raise
        except PromptopsError as error:  # raised instead of sending
            self._failed(row, call, CallError(str(error)), most, time.monotonic() - start)
            raise
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and being_cancelled():
                raise
            ours = CallError(f"{self.backend.name} failed: {type(error).__name__}: {error}", billed=True)
            self._failed(row, call, ours, most, time.monotonic() - start)
            raise ours from error
        finally:
            attempt.reset(token)
        self._answered(row, call, reply, time.monotonic() - start)
        return reply

    def _answered(self, row: int, call: Call, reply: Reply, seconds: float) -> None:
        usd = cost(self.backend, reply.usage)
        with suppress(StoreError):
            self.ledger.answered(row, reply.usage, usd, seconds, reply.request_id)
        self._tell(call.tags, Totals.of(reply.usage, usd))

    def _tell(self, tags: Tags, totals: Totals) -> None:
        """A listener that fails costs nobody a reply that is paid for."""
        try:
            self.listener(tags, totals)
        except Exception:  # noqa: BLE001 - theirs, not ours
            _log.exception("a listener of the client failed")

    def _failed(self, row: int, call: Call, error: CallError, most: Usage, seconds: float) -> None:
        usage = error.usage or (most if error.billed else None)
        usd = cost(self.backend, usage) if usage else Decimal(0)
        with suppress(StoreError):
            self.ledger.failed(row, error, usd, seconds)
        if usage:
            self._tell(call.tags, Totals.of(usage, usd))


def _sound(reply: object) -> Reply:
    """The reply, its text fit to be kept; ``TypeError`` where it is none, since people write backends of their own."""
    if not isinstance(reply, Reply):
        raise TypeError(f"it answered with a {type(reply).__name__}, not a Reply")
    if not isinstance(reply.text, str) or not isinstance(reply.usage, Usage):
        raise TypeError("the text of its reply is no str, or the usage no Usage")
    usage = reply.usage
    tokens = (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens)
    if not all(isinstance(number, int) and 0 <= number < _MOST_TOKENS for number in tokens):
        raise TypeError(f"the usage of its reply is no count of tokens: {usage}")
    if reply.text.isascii() and not reply.tool_calls:
        return reply
    asked = tuple(ToolCall(one.id, whole(one.name), whole(one.arguments)) for one in reply.tool_calls)
    return replace(reply, text=whole(reply.text), tool_calls=asked)


def most_usage(backend: Backend, call: Call) -> Usage:
    """The most tokens that one attempt of a sized call can take."""
    return Usage(call.input_tokens or 0, 0, call.max_output_tokens + backend.reasoning, 0, estimated=True)


def cost(backend: Backend, usage: Usage) -> Decimal | None:
    """US dollars of one attempt, ``None`` where no price is known."""
    return None if backend.price is None else backend.price.cost(usage)


def amount(backend: Backend, usage: Usage) -> Amount:
    """What a budget counts of one attempt."""
    return Amount(usage.input_tokens + usage.output_tokens, cost(backend, usage))
