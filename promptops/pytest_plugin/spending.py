"""What each test sent."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from promptops.prices import dollars
from promptops.report.words import plural

_SHOWN = 20


class Spending:
    """Tokens and US dollars by test."""

    def __init__(self) -> None:
        self._tests: dict[str, tuple[int, Decimal | None]] = {}

    def add(self, test: str, tokens: int, usd: Decimal | None) -> None:
        """What a test took; setting up parametrized fixtures may add to it more than once."""
        before, money = self._tests.get(test, (0, Decimal(0)))
        self._tests[test] = (before + tokens, None if usd is None or money is None else money + usd)

    def lines(self) -> Iterator[str]:
        """A line a test, the dearest first, and one for all."""
        tests = sorted(self._tests.items(), key=lambda entry: (-(entry[1][1] or 0), -entry[1][0], entry[0]))
        for test, (tokens, usd) in tests[:_SHOWN]:
            yield f"{tokens:>12,} tokens  {dollars(usd):>12}  {test}"
        if len(tests) > _SHOWN:
            yield f"… and {plural(len(tests) - _SHOWN, 'more test')}"
        known = [usd for _, usd in self._tests.values() if usd is not None]
        total, rest = sum(known, Decimal(0)) if known else None, len(self._tests) - len(known)
        without = f", without {plural(rest, 'test')} of unknown price" if known and rest else ""
        yield f"{sum(tokens for tokens, _ in self._tests.values()):>12,} tokens  {dollars(total):>12}  in all{without}"
