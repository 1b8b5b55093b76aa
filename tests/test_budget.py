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


@pytest.mark.parametrize("cap", [0, -1])
def test_a_cap_of_nothing_is_refused(cap: int) -> None:
    """A limit of zero is a mistake, and is said."""
    with pytest.raises(UsageError, match="more than 0"):
        Budget(max_tokens=cap)
    with pytest.raises(UsageError, match="more than 0"):
        Budget(max_usd=Decimal(cap))


def test_the_refusal_says_what_is_spent_and_how_to_go_on() -> None:
    """The message names the cap, the next call and the option."""
    with pytest.raises(BudgetError, match=r"cap of 10 tokens.*next call may take 11.*--max-tokens"):
        asyncio.run(Budget(max_tokens=10).reserve(Amount(11, None)))
