"""A cap is never passed, and hardly ever left unused."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.budget import Amount, Budget
from promptops.errors import BudgetError, PriceError, UsageError

attempts = st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1), st.integers(0, 3)), max_size=60)


@given(cap=st.integers(1, 5_000), attempts=attempts)
@settings(max_examples=150, deadline=None)
def test_settled_and_reserved_never_pass_the_cap(cap: int, attempts: list[tuple[int, float, int]]) -> None:
    """Whatever runs at once, at every instant."""
    budget = Budget(max_tokens=cap)
    held = used = 0

    async def attempt(most: int, share: float, pauses: int) -> None:
        nonlocal held, used
        reserved = Amount(most, None)
        try:
            await budget.reserve(reserved)
        except BudgetError:
            assert used + most > cap
            return
        held += most
        assert used + held <= cap
        for _ in range(pauses):
            await asyncio.sleep(0)
        took = int(most * share)
        held -= most
        used += took
        budget.settle(reserved, Amount(took, None))

    async def everyone() -> None:
        await asyncio.gather(*(attempt(*one) for one in attempts))

    asyncio.run(everyone())
    assert used == budget.settled.tokens <= cap


def test_an_attempt_waits_for_those_in_flight_that_may_come_out_cheaper() -> None:
    """A cap is used up, not given away."""

    async def scene() -> bool:
        budget = Budget(max_usd=Decimal(1))
        first = Amount(1, Decimal("0.9"))
        await budget.reserve(first)
        second = asyncio.create_task(budget.reserve(Amount(1, Decimal("0.9"))))
        await asyncio.sleep(0)
        waited = not second.done()
        budget.settle(first, Amount(1, Decimal("0.1")))
        await second
        return waited

    assert asyncio.run(scene())


def test_an_unknown_price_cannot_be_capped_in_dollars() -> None:
    """None is never taken for 0."""
    with pytest.raises(PriceError, match="--max-tokens"):
        asyncio.run(Budget(max_usd=Decimal(1)).reserve(Amount(1, None)))


def test_what_has_no_price_is_never_taken_for_free() -> None:
    """Not in what is settled either, and from then on nothing fits a cap in US dollars."""
    budget = Budget(max_tokens=100)
    asyncio.run(budget.reserve(Amount(10, None)))
    budget.settle(Amount(10, None), Amount(9, None))
    assert budget.settled == Amount(9, None)
    capped = Budget(max_usd=Decimal(1))
    capped.settle(Amount(0, Decimal(0)), Amount(9, None))
    with pytest.raises(BudgetError):
        asyncio.run(capped.reserve(Amount(1, Decimal("0.01"))))


@pytest.mark.parametrize("cap", [0, -1])
def test_a_cap_of_nothing_is_refused(cap: int) -> None:
    """A limit of zero is a mistake, and is said."""
    with pytest.raises(UsageError, match="more than 0"):
        Budget(max_tokens=cap)
    with pytest.raises(UsageError, match="more than 0"):
        Budget(max_usd=Decimal(cap))


def test_the_refusal_says_what_is_lacking_and_how_to_go_on() -> None:
    """The next call, the cap and the option; and whether the whole cap would do, with money as it stands elsewhere."""
    with pytest.raises(BudgetError, match=r"may take 11 tokens, more than the whole cap of 10; .*--max-tokens"):
        asyncio.run(Budget(max_tokens=10).reserve(Amount(11, None)))
    budget = Budget(max_usd=Decimal("0.05"))
    with pytest.raises(BudgetError, match=r"may cost \$0\.0600, more than the whole cap of \$0\.05; .*--max-usd"):
        asyncio.run(budget.reserve(Amount(1, Decimal("0.06"))))
    budget.settle(Amount(0, Decimal(0)), Amount(1, Decimal("0.04")))
    with pytest.raises(BudgetError, match=r"may cost \$0\.0200, more than what is left of the cap of \$0\.05;"):
        asyncio.run(budget.reserve(Amount(1, Decimal("0.02"))))
