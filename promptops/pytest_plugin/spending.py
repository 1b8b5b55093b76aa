"""What each test sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from promptops.prices import dollars
from promptops.report.words import plural

_SHOWN = 20


def lines(sent: Iterable[tuple[str, int, str | None]]) -> Iterator[str]:
    """A line a test, the dearest first, and one for all; ``sent`` are tests, their tokens and their US dollars."""
    spent: dict[str, tuple[int, Decimal | None]] = {}
    for test, more, price in sent:  # a test that is run again sends again
        before, money = spent.get(test, (0, Decimal(0)))
        spent[test] = before + more, None if price is None or money is None else money + Decimal(price)
    tests = sorted(spent.items(), key=lambda entry: (-(entry[1][1] or 0), -entry[1][0], entry[0]))
    for test, (tokens, usd) in tests[:_SHOWN]:
        yield f"{tokens:>12,} tokens  {dollars(usd):>12}  {test}"
    if len(tests) > _SHOWN:
        yield f"… and {plural(len(tests) - _SHOWN, 'more test')}"
    known = [usd for _, usd in spent.values() if usd is not None]
    total, rest = sum(known, Decimal(0)) if known else None, len(spent) - len(known)
    without = f", without {plural(rest, 'test')} of unknown price" if known and rest else ""
    yield f"{sum(tokens for tokens, _ in spent.values()):>12,} tokens  {dollars(total):>12}  in all{without}"
