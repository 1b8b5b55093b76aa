"""Prices: exact, offline, and unknown rather than wrong."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as Counted
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from promptops import prices
from promptops.types import Usage

PRICED = sorted(
    (house.id, model.id)
    for house in get_snapshot().providers
    if house.id in {"openai", "anthropic", "google", "deepseek", "openrouter"}
    for model in house.models
    if prices.price(model.id, house.id) is not None
)


def _theirs(provider: str, model: str, usage: Usage, *, batch: bool = False) -> Decimal:
    house = next(one for one in get_snapshot().providers if one.id == provider)
    info = house.find_model(model)
    assert info is not None
    counted = Counted(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
    )
    context = {"processing": "batch"} if batch else None
    now = datetime.now(tz=UTC)
    return info.calc_price(counted, house, genai_request_timestamp=now, price_context=context).total_price


@given(
    st.sampled_from(PRICED),
    st.integers(0, 2_000_000) | st.sampled_from([127_999, 128_000, 128_001, 200_000, 200_001, 272_000, 272_001]),
    st.floats(0, 1),
    st.integers(0, 200_000),
)
def test_cost_is_what_the_price_data_say(named: tuple[str, str], read: int, share: float, written: int) -> None:
    """For every priced model, any usage costs exactly what genai-prices computes, tiers included."""
    usage = Usage(read, int(read * share), written)
    price = prices.price(named[1], named[0])
    assert price is not None
    assert price.cost(usage) == _theirs(*named, usage)


def test_every_tier_of_every_model_is_exact_at_its_borders() -> None:
    """At each input length where a price changes, and one token to either side, the cost is theirs."""
    for (provider, model), step in itertools.product(PRICED, (-1, 0, 1)):
        price = prices.price(model, provider)
        assert price is not None
        for start in price._tiers:
            usage = Usage(start + step, (start + step) // 2, 100)
            assert price.cost(usage) == _theirs(provider, model, usage), (model, start + step)


def test_money_is_exact_dollars() -> None:
    """A million tokens in and out cost the list price, and cached ones their own."""
    price = prices.price("gpt-4o-mini")
    assert price is not None
    assert price.cost(Usage(1_000_000, 0, 1_000_000)) == Decimal("0.75")
    assert price.cost(Usage(1_000_000, 1_000_000, 0)) == Decimal("0.075")


def test_a_batch_costs_what_the_data_say() -> None:
    """Half for most, by input, cached input and output; not for all; unknown where no batch price is listed."""
    usage = Usage(1_000_000, 0, 1_000_000)
    for model, half in (("gpt-5-mini", True), ("gpt-4o", True), ("gpt-3.5-turbo-1106", False)):
        price = prices.price(model)
        assert price is not None
        assert price.batch is not None
        assert (price.batch.cost(usage) * 2 == price.cost(usage)) is half
        assert price.batch.cost(usage) <= price.cost(usage)
    for model, provider in (("o1-mini", "openai"), ("openai/gpt-4o", "openrouter")):
        price = prices.price(model, provider)
        assert price is not None
        assert price.batch is None


@given(st.sampled_from(PRICED), st.integers(0, 300_000), st.floats(0, 1), st.integers(0, 200_000))
def test_a_batch_price_is_exact(named: tuple[str, str], read: int, share: float, written: int) -> None:
    """To the last decimal, tiers included, for every model that has one."""
    price = prices.price(named[1], named[0])
    assert price is not None
    if price.batch is not None:
        usage = Usage(read, int(read * share), written)
        assert price.batch.cost(usage) == _theirs(*named, usage, batch=True)


def test_reasoning_is_part_of_the_output() -> None:
    """Reasoning tokens are not charged on top of the output that includes them."""
    price = prices.price("o3")
    assert price is not None
    assert price.cost(Usage(10, 0, 100, 90)) == price.cost(Usage(10, 0, 100, 0))


def test_more_cached_than_input_costs_no_less_than_all_cached() -> None:
    """A server that reports more cached tokens than input cannot make a call cheaper."""
    price = prices.price("gpt-5-mini")
    assert price is not None
    assert price.cost(Usage(10, 50, 0)) == price.cost(Usage(10, 10, 0))


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("gpt-5-mini", "gpt-5-mini"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("gpt-5-mini-20250807", "gpt-5-mini"),
        ("GPT-4o", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("gpt-5-nano-2025-08-07", "gpt-5-nano"),
        ("ft:gpt-4o-mini-2024-07-18:acme::Ab1", "ft:gpt-4o-mini"),
    ],
)
def test_a_model_is_found_by_its_exact_names(model: str, named: str) -> None:
    """A name, its listed snapshots and a fine-tune of it lead to the price of that very model."""
    price = prices.price(model)
    assert price is not None
    assert price.model == named


@pytest.mark.parametrize(
    "model",
    ["gpt-4o-unknown", "gpt-4o-2031-01-01", "gpt-5-nano-fancy", "gpt-5-mini-x", "gpt-6", "llama3.1", "", " ", "gpt",
     "gpt-4o-mini-transcribe-2099", "my-gpt-4o", "gpt-4o-audio-preview-turbo"],
)  # fmt: skip
def test_a_model_that_only_looks_familiar_has_no_price(model: str) -> None:
    """A name that the data do not list never falls onto another model of its family."""
    assert prices.price(model) is None
    assert prices.window(model) is None


@pytest.mark.parametrize("model", ["whisper-1", "text-embedding-3-small", "tts-1"])
def test_a_model_not_priced_by_tokens_in_and_out_has_no_price(model: str) -> None:
    """A price list without both input and output tokens would make some of them free."""
    assert prices.price(model) is None


def test_windows_come_from_the_data() -> None:
    """A known model's window is its own; an unknown one, or one the data leave out, is None."""
    assert prices.window("gpt-4o") == 128_000
    assert prices.window("gpt-3.5-turbo") == 16_385
    assert prices.window("gpt-4.5-preview") is None
    assert prices.window("gpt-4o", "nobody") is None


def test_other_providers_are_told_by_their_address() -> None:
    """A known gateway's own list is used; loopback is nobody's."""
    assert prices.provider("https://api.openai.com/v1") == "openai"
    assert prices.provider("https://openrouter.ai/api/v1") == "openrouter"
    assert prices.provider("http://127.0.0.1:8000/v1") is None
    assert prices.price("openai/gpt-4o", "openrouter") is not None
    assert prices.price("gpt-4o", "openrouter-nowhere") is None


def test_free_is_zero_dollars() -> None:
    """FREE is a known price of nothing, not an unknown one."""
    assert prices.FREE.cost(Usage(10**9, 0, 10**9)) == Decimal(0)


def test_prices_move_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates are asked for anew in a later minute, so that a price that changes by the time of day is followed."""
    price = prices.price("gpt-5-mini")
    assert price is not None
    before = price.cost(Usage(1000, 0, 1000))
    asked: list[int] = []

    def ask(*tokens: int) -> Decimal:
        asked.append(1)
        return 2 * price._ask(*tokens)

    dearer = prices.Price(price.model, price.provider, ask, price._tiers)
    clock = [0.0]
    monkeypatch.setattr("promptops.prices.time.time", lambda: clock[0])
    assert dearer.cost(Usage(1000, 0, 1000)) == 2 * before
    probes = len(asked)
    dearer.cost(Usage(5, 0, 5))
    assert len(asked) == probes
    clock[0] = 61.0
    dearer.cost(Usage(5, 0, 5))
    assert len(asked) > probes


def test_nothing_updates_prices_in_the_background() -> None:
    """The bundled data stay in use: no snapshot of the library's updater is set."""
    assert prices.price("gpt-4o") is not None
    assert get_snapshot().from_auto_update is False
