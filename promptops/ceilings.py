"""Caps that hold for every client of the process, on top of each client's own: what a test may spend, for instance.

Nothing heavy is imported until a call is about to be sent, so whoever only sets a ceiling pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from decimal import Decimal

    from promptops.budget import NotingBudget


class Ceiling:
    """A cap in tokens, in US dollars, both, or neither, which then only adds up what is sent beneath it."""

    def __init__(self, max_tokens: int | None = None, max_usd: Decimal | float | str | None = None) -> None:
        self.max_tokens = max_tokens
        self.max_usd = max_usd
        self._budget: NotingBudget | None = None

    @property
    def budget(self) -> NotingBudget:
        """The budget that holds it, made when it is first needed."""
        if self._budget is None:
            from decimal import Decimal

            from promptops.budget import NotingBudget

            self._budget = NotingBudget(None if self.max_usd is None else Decimal(str(self.max_usd)), self.max_tokens)
        return self._budget

    @property
    def refused(self) -> str | None:
        """Why a call was not sent, once one was not."""
        return self._budget.refused if self._budget is not None else None

    @property
    def used(self) -> tuple[int, Decimal | None] | None:
        """Tokens and US dollars so far, these ``None`` where a price is unknown; ``None`` where nothing was sent."""
        if self._budget is None:
            return None
        return self._budget.settled.tokens, self._budget.settled.usd


_ceilings: list[Ceiling] = []


@contextmanager
def ceiling(cap: Ceiling) -> Iterator[Ceiling]:
    """Hold every client of this process to ``cap`` while the context lasts."""
    _ceilings.append(cap)
    try:
        yield cap
    finally:
        _ceilings.remove(cap)


def ceilings() -> tuple[Ceiling, ...]:
    """Those that hold now."""
    return tuple(_ceilings)
