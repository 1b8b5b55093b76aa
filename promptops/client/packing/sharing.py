"""Who shares in an attempt that answers several calls, and how its figures are divided among them."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context, ContextVar
from decimal import Decimal
from itertools import pairwise

from promptops.types import Totals, Usage

sharing: ContextVar[tuple[tuple[Context, int], ...]] = ContextVar("sharing", default=())
"""Whose calls the running attempt answers, each with its part of the prompt in tokens."""

_PICO = 10**12


def shared_out(usage: Usage, weights: Sequence[int]) -> list[Usage]:
    """``usage`` in parts by weight that add up to it exactly."""
    given, cached = parts(usage.input_tokens, weights), parts(usage.cached_input_tokens, weights)
    written, unseen = parts(usage.output_tokens, weights), parts(usage.reasoning_tokens, weights)
    return [Usage(*part, usage.estimated) for part in zip(given, cached, written, unseen, strict=True)]


def split_among(totals: Totals) -> list[tuple[Context, Totals]]:
    """What the running attempt took, for each whose call it answers; the calls themselves count as the first's.

    ``[]`` where it answers only the one that sent it.
    """
    those = sharing.get()
    weights = [weight for _, weight in those]
    usage = Usage(totals.input_tokens, totals.cached_input_tokens, totals.output_tokens, totals.reasoning_tokens)
    money = _money(totals.usd, weights)
    shares = zip(those, shared_out(usage, weights), money, strict=True)
    return [
        (context, _totals(totals.calls if first == 0 else 0, share, usd))
        for first, ((context, _), share, usd) in enumerate(shares)
    ]


def parts(whole: int, weights: Sequence[int]) -> list[int]:
    """``whole`` in integers in proportion to ``weights`` that add up to it."""
    total, reached = sum(weights), 0
    ends = [0]
    for weight in weights:
        reached += weight
        ends.append(whole * reached // total)
    return [end - start for start, end in pairwise(ends)]


def _money(usd: Decimal | None, weights: Sequence[int]) -> list[Decimal | None]:
    if usd is None:
        return [None] * len(weights)
    return [Decimal(pico) / _PICO for pico in parts(int(usd * _PICO), weights)]


def _totals(calls: int, share: Usage, usd: Decimal | None) -> Totals:
    return Totals(
        calls, share.input_tokens, share.cached_input_tokens, share.output_tokens, share.reasoning_tokens, usd
    )
