"""Prices and context windows from the data inside ``genai-prices``: offline, in exact US dollars.

Nothing here touches the network: the library's own updating of prices is never started. A model that the data do not
name is unknown (``None``), however much it looks like another of its family, which can cost many times as much.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

    from promptops.types import Usage

_AFTER = re.compile(r"(?:[-@:](?:20\d\d-?[01]\d-?[0-3]\d|latest|preview|00\d|v\d+(?:[.:]\d+)*))*")
"""What may follow a name without making it another model: a date, ``latest``, ``preview`` or a revision."""

_COMPACT_DATE = re.compile(r"-(20\d\d)([01]\d)([0-3]\d)\b")
"""As gateways write the date of a snapshot; the library reads it either way."""

_BEFORE = re.compile(r"(?:[a-z0-9_-]+[./])*")
"""What may stand before one: a vendor (``vendor/``), or a region and a vendor (``us.vendor.``)."""

_FINE_TUNED = ("ft:", "gpt-4o-mini-2024-07-18.ft-")
"""A fine-tuned model goes on with a name of its owner's; the data price it by what it was tuned from."""

_BATCH = {"processing": "batch"}
"""What the data call a request that goes through a Batch API."""


@dataclass(frozen=True, slots=True)
class _Rates:
    """US dollars per token, and per request, within one tier of input length."""

    input: Decimal
    cached: Decimal
    output: Decimal
    request: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """What one model's tokens cost, by its provider's list price at the time of the call.

    ``model`` and ``provider`` are their names in the price data. ``batch`` is what they cost through the provider's
    Batch API, ``None`` where the data name no such price: most are half of the list price, but not all. Satisfies
    ``promptops.types.Price``.
    """

    model: str
    provider: str
    _ask: Callable[[int, int, int], Decimal] = field(repr=False, compare=False)
    _tiers: tuple[int, ...] = field(default=(), repr=False, compare=False)
    _known: dict[int, tuple[int, _Rates]] = field(default_factory=dict, repr=False, compare=False)
    batch: Price | None = None

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for one attempt: cached input at its own rate, reasoning as part of the output that it is."""
        rates = self._rates(usage.input_tokens)
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        fresh = usage.input_tokens - cached
        return rates.input * fresh + rates.cached * cached + rates.output * usage.output_tokens + rates.request

    def _rates(self, input_tokens: int) -> _Rates:
        """Kept for the rest of the minute, since prices change with the date and with the time of day."""
        tier = sum(input_tokens > start for start in self._tiers)
        minute = int(time.time()) // 60
        known = self._known.get(tier)
        if known is None or known[0] != minute:
            known = self._known[tier] = (minute, self._probed(tier))
        return known[1]

    def _probed(self, tier: int) -> _Rates:
        """What one more token of each kind adds to the library's answer, which takes 50 µs; a product takes 1."""
        least = self._tiers[tier - 1] + 1 if tier else 0
        base = self._ask(least, 0, 0)
        more = self._ask(least + 1, 0, 0)
        return _Rates(
            input=more - base,
            cached=self._ask(least + 1, 1, 0) - base,
            output=self._ask(least, 0, 1) - base,
            request=base - (more - base) * least,
        )


@dataclass(frozen=True, slots=True)
class Free:
    """A model that costs nothing, which is known and not merely unpriced."""

    def cost(self, usage: Usage) -> Decimal:  # noqa: ARG002 - the shape of a price
        """Always 0 US dollars."""
        return Decimal(0)


FREE = Free()


def dollars(usd: Decimal | None) -> str:
    """US dollars with as many places as say something; ``price unknown`` is never $0."""
    if usd is None:
        return "price unknown"
    if usd == 0:
        return "$0"
    if usd < Decimal("0.000001"):
        return "under $0.000001"
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}" if usd >= Decimal("0.001") else f"${usd:.6f}"


@lru_cache(maxsize=256)
def price(model: str, provider: str = "openai") -> Price | None:
    """The price of ``model`` at ``provider``, or ``None`` where the data name no price for both input and output.

    Case is ignored. A name matches by its exact spelling, with a date or a revision after it where the data say that
    any will do; a snapshot they do not list is unknown.
    """
    found = _find(model, provider)
    if found is None:
        return None
    info, house = found
    listed = info.get_prices(datetime.now(tz=UTC))
    if listed.input_mtok is None or listed.output_mtok is None:
        return None
    batch = Price(info.id, house.id, _asker(info, house, _BATCH), _tiers(info)) if _in_batches(info, house) else None
    return Price(info.id, house.id, _asker(info, house), _tiers(info), batch=batch)


@lru_cache(maxsize=256)
def window(model: str, provider: str = "openai") -> int | None:
    """The context window of ``model`` in tokens, or ``None`` where it is unknown."""
    found = _find(model, provider)
    return found[0].context_window if found else None


@lru_cache(maxsize=256)
def provider(url: str) -> str | None:
    """The name in the price data of the provider that answers at ``url``, or ``None`` for any other server."""
    return next((house.id for house in _providers() if re.match(house.api_pattern, url)), None)


def _providers() -> list[Provider]:
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot().providers


def _find(model: str, provider: str) -> tuple[ModelInfo, Provider] | None:
    providers = _providers()
    house = next((one for one in providers if one.id == provider), None)
    info = house.find_model(model, all_providers=providers) if house else None
    if house is None or info is None:
        return None
    spellings = {model.lower(), _COMPACT_DATE.sub(r"-\1-\2-\3", model.lower())}
    return (info, house) if any(_names(info.match, ref, info.id.lower()) for ref in spellings) else None


def _names(clause: Any, ref: str, name: str) -> bool:
    """Whether a clause that matched ``ref`` names it, and not merely a part that other models share.

    The data match some models by a prefix or by a part (``gpt-4o-audio-preview…``), where only a date, a revision or a
    vendor may be added.
    """
    from genai_prices import types

    if isinstance(clause, types.ClauseOr):
        return ref == name or any(part.is_match(ref) and _names(part, ref, name) for part in clause.or_)
    if isinstance(clause, types.ClauseAnd):
        return ref == name or any(_names(part, ref, name) for part in clause.and_)
    if isinstance(clause, types.ClauseEquals | types.ClauseRegex):
        return clause.is_match(ref)
    shared = str(next(iter(vars(clause).values()))).lower()
    before, found, after = ref.partition(shared)
    if not found:
        return False
    if ref.startswith(_FINE_TUNED):
        return True
    return bool(_BEFORE.fullmatch(before) and _AFTER.fullmatch(f"{_joint(shared)}{after}"))


def _joint(shared: str) -> str:
    """The mark between a name and what follows it, where the clause already holds it (``gpt-5-nano-``)."""
    return shared[-1] if shared[-1] in "-@:" else ""


def _in_batches(info: ModelInfo, house: Provider) -> bool:
    """Whether the data name, as of now, what the model costs at this very provider in a batch."""
    if not any(info is model for model in house.models):
        return False
    batch = [part for part in info.price_variants or () if part.when == _BATCH]
    now = datetime.now(tz=UTC)
    return any(part.constraint is None or part.constraint.active(now) for part in batch)


def _tiers(info: ModelInfo) -> tuple[int, ...]:
    """Every input length at which any price of the model changes, in tokens, ascending."""
    listed = [part.prices for part in info.prices] if isinstance(info.prices, list) else [info.prices]
    listed += [part.prices for part in info.price_variants or ()]
    prices = [price for prices in listed for price in vars(prices).values()]
    return tuple(sorted({tier.start for price in prices for tier in getattr(price, "tiers", ())}))


def _asker(
    info: ModelInfo, house: Provider, context: dict[str, str] | None = None
) -> Callable[[int, int, int], Decimal]:
    from genai_prices import Usage

    def ask(input_tokens: int, cached: int, output_tokens: int) -> Decimal:
        counted = Usage(input_tokens=input_tokens, cache_read_tokens=cached, output_tokens=output_tokens)
        return info.calc_price(counted, house, price_context=context).total_price

    return ask
