"""A cap on tokens or US dollars that is never passed, whatever runs at once.

Each attempt reserves the most it can cost before it is sent and is settled at what it did cost, so that at every
instant settled + reserved ≤ cap. An attempt that does not fit now, but would if those in flight came out cheaper,
waits for them; one that can never fit is refused.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from promptops.errors import BudgetError, PriceError, UsageError
from promptops.prices import dollars


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens, and US dollars where the price is known."""

    tokens: int
    usd: Decimal | None


_Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Unsent(asyncio.CancelledError):
    """An attempt was cancelled while it waited to be sent, so it took nothing."""


class Budget:
    """A cap in US dollars, in tokens (input and output), or both; ``None`` is no cap. Safe across threads and loops."""

    def __init__(self, max_usd: Decimal | None = None, max_tokens: int | None = None) -> None:
        for name, cap in (("--max-usd", max_usd), ("--max-tokens", max_tokens)):
            if cap is not None and not cap > 0:
                raise UsageError(f"{name} must be more than 0, not {cap}")
        self.max_usd = max_usd
        self.max_tokens = max_tokens
        self._settled = Amount(0, Decimal(0))
        self._reserved = Amount(0, Decimal(0))
        self._lock = threading.Lock()
        self._waiting: list[_Waiter] = []

    @property
    def settled(self) -> Amount:
        """What has been used for certain; US dollars ``None`` once something without a known price was."""
        return self._settled

    def holds(self, most: Amount) -> bool:
        """Whether ``most`` could still be spent; raises ``PriceError`` where a cap in US dollars meets no price."""
        self._priced(most)
        return self._fits(self._settled, most)

    async def reserve(self, most: Amount) -> None:
        """Set ``most`` aside; raises ``BudgetError`` where it can never fit, ``PriceError`` without a price.

        Raises ``Unsent`` where it is cancelled while it waits.
        """
        self._priced(most)
        while True:
            with self._lock:
                if self._fits(self._settled, most, self._reserved):
                    self._reserved = _plus(self._reserved, most)
                    return
                if not self._fits(self._settled, most):
                    raise self._refusal(most)
                waiter = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
                self._waiting.append(waiter)
            try:
                await waiter[1]
            except asyncio.CancelledError:
                with self._lock, suppress(ValueError):
                    self._waiting.remove(waiter)
                raise Unsent from None

    def settle(self, most: Amount, used: Amount) -> None:
        """Give back what was set aside and book what was used."""
        with self._lock:
            self._reserved = _minus(self._reserved, most)
            self._settled = _plus(self._settled, used)
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            with suppress(RuntimeError):  # its loop has been closed, so nobody waits there
                loop.call_soon_threadsafe(_wake, future)

    def _priced(self, most: Amount) -> None:
        if self.max_usd is not None and most.usd is None:
            raise PriceError("a cap in US dollars needs a price, and none is known for this model: use --max-tokens")

    def _fits(self, *amounts: Amount) -> bool:
        """Whether all of it together is within the cap; what has no price is within none in US dollars."""
        whole = amounts[0]
        for amount in amounts[1:]:
            whole = _plus(whole, amount)
        within = self.max_tokens is None or whole.tokens <= self.max_tokens
        return within and (self.max_usd is None or (whole.usd is not None and whole.usd <= self.max_usd))

    def _refusal(self, most: Amount) -> BudgetError:
        """What is spent is not said: calls in flight add to it, so that it would be another figure a moment later."""
        if self.max_tokens is not None and self._settled.tokens + most.tokens > self.max_tokens:
            left = "the whole cap" if most.tokens > self.max_tokens else "what is left of the cap"
            may, cap, option = f"take {most.tokens:,} tokens", f"{self.max_tokens:,}", "--max-tokens"
        else:
            left = "what is left of the cap" if Budget(self.max_usd).holds(most) else "the whole cap"
            may, cap, option = f"cost {dollars(most.usd)}", f"${self.max_usd:f}", "--max-usd"
        return BudgetError(f"the next call may {may}, more than {left} of {cap}; go on with a higher {option}")


class NotingBudget(Budget):
    """A budget that remembers that it held something back."""

    refused: str | None = None

    async def reserve(self, most: Amount) -> None:
        """As for any budget."""
        try:
            await super().reserve(most)
        except (BudgetError, PriceError) as refusal:
            self.refused = str(refusal)
            raise


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _plus(one: Amount, other: Amount) -> Amount:
    return Amount(one.tokens + other.tokens, None if one.usd is None or other.usd is None else one.usd + other.usd)


def _minus(one: Amount, other: Amount) -> Amount:
    return Amount(one.tokens - other.tokens, None if one.usd is None or other.usd is None else one.usd - other.usd)
