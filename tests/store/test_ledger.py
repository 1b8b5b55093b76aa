"""The ledger."""

from __future__ import annotations

from decimal import Decimal

import pytest

from promptops.errors import RefusedError, ThrottledError, TransientError
from promptops.store import GROUPINGS, Database, Grouping, Ledger
from promptops.types import Tags, Usage

TAGS = Tags("run", "chain", "map", "t@1", "a.md")
MOST = Usage(100, 0, 50, 0, estimated=True)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(Database())


@pytest.mark.parametrize("by", GROUPINGS)
def test_sums_by_every_key(ledger: Ledger, by: Grouping) -> None:
    """Whatever it is summed by, the sums are the same."""
    for _ in range(3):
        ledger.answered(ledger.sent(TAGS, "m", MOST, Decimal(1)), Usage(10, 4, 5, 2), Decimal("0.1"), 0.5, "id")
    (row,) = ledger.rows(by)
    assert (row.totals.calls, row.totals.input_tokens, row.totals.cached_input_tokens) == (3, 30, 12)
    assert (row.totals.output_tokens, row.totals.reasoning_tokens, row.totals.usd) == (15, 6, Decimal("0.3"))
    assert not row.possibly_billed


def test_an_attempt_in_flight_stands_apart_at_the_most_it_can_cost(ledger: Ledger) -> None:
    """So does one whose process died."""
    ledger.sent(TAGS, "m", MOST, Decimal("0.2"))
    (row,) = ledger.rows("run")
    assert row.possibly_billed
    assert row.estimated
    assert (row.totals.input_tokens, row.totals.output_tokens, row.totals.usd) == (100, 50, Decimal("0.2"))


def test_a_cut_connection_is_its_own_row(ledger: Ledger) -> None:
    """It never mixes with what is known."""
    ledger.answered(ledger.sent(TAGS, "m", MOST, Decimal(1)), Usage(10, 0, 5), Decimal("0.1"), 0.5, None)
    ledger.failed(ledger.sent(TAGS, "m", MOST, Decimal(1)), TransientError("cut", billed=True), None, 0.5)
    rows = ledger.rows("model")
    assert [(row.possibly_billed, row.totals.usd) for row in rows] == [(True, Decimal(1)), (False, Decimal("0.1"))]


def test_a_refused_attempt_costs_nothing_and_is_counted_as_failed(ledger: Ledger) -> None:
    """A 429 has a row, and no tokens."""
    ledger.failed(ledger.sent(TAGS, "m", MOST, Decimal(1)), ThrottledError("slow down"), Decimal(0), 0.1)
    (row,) = ledger.rows("run")
    assert (row.totals.calls, row.totals.tokens, row.totals.usd, row.failed) == (0, 0, Decimal(0), 1)


def test_a_refusal_that_the_provider_billed_is_summed(ledger: Ledger) -> None:
    """What it counted is the truth."""
    refusal = RefusedError("filtered", usage=Usage(10, 0, 1))
    ledger.failed(ledger.sent(TAGS, "m", MOST, Decimal(1)), refusal, Decimal("0.01"), 0.1)
    (row,) = ledger.rows("run")
    assert (row.totals.calls, row.totals.input_tokens, row.totals.usd) == (1, 10, Decimal("0.01"))


def test_an_unknown_price_stays_unknown_in_every_sum(ledger: Ledger) -> None:
    """Never 0."""
    ledger.answered(ledger.sent(TAGS, "m", MOST, None), Usage(1, 0, 1), None, 0.1, None)
    ledger.answered(ledger.sent(TAGS, "m", MOST, None), Usage(1, 0, 1), Decimal(1), 0.1, None)
    assert ledger.rows("run")[0].totals.usd is None


def test_money_is_exact_to_the_last_place(ledger: Ledger) -> None:
    """A thousand thousandths of a cent are a cent."""
    for _ in range(1000):
        ledger.answered(ledger.sent(TAGS, "m", MOST, None), Usage(), Decimal("0.000000000025"), 0.1, None)
    assert ledger.rows("run")[0].totals.usd == Decimal("0.000000025")
