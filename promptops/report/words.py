"""Figures as people read them."""

from __future__ import annotations

import re
from math import floor

from promptops.prices import dollars
from promptops.store import Packing
from promptops.types import Totals

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plural(number: int, noun: str) -> str:
    """``1 call``, ``2 calls``, ``2 replies``."""
    many = f"{noun[:-1]}ies" if noun.endswith("ply") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def spent(totals: Totals) -> str:
    """Calls, tokens and money in one line."""
    rate = totals.cache_hit_rate
    cached = f" ({totals.cached_input_tokens:,} cached, {percent(rate)})" if rate else ""
    return (
        f"{plural(totals.calls, 'call')} · {totals.input_tokens:,} tokens in{cached}, {totals.output_tokens:,} out · "
        f"{dollars(totals.usd)}"
    )


def packed(packing: Packing) -> str:
    """What packing came to, in one line."""
    verb = "saved" if packing.saved >= 0 else "lost"
    return (
        f"packed: {plural(packing.items, 'answer')} in {plural(packing.prompts, 'prompt')}, "
        f"{abs(packing.saved):,} tokens {verb}, repairs included"
    )


def percent(share: float) -> str:
    """``42 %``; never 0 where there is something, nor 100 where something lacks."""
    least, most = (1 if share > 0 else 0), (100 if share >= 1 else 99)
    return f"{min(max(round(share * 100), least), most)} %"


def share(part: float) -> float:
    """A share from 0 to 1 to four places, never more than there is."""
    return floor(part * 10_000) / 10_000


def plain(text: str, keep: str = "") -> str:
    """``text`` without what would act on a terminal: control characters, but those of ``keep``, become spaces."""
    return _CONTROL.sub(lambda found: found[0] if found[0] in keep else " ", text)


def duration(seconds: float) -> str:
    """``0:07``, ``12:34``, ``1:02:03``."""
    whole = int(seconds + 0.5)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
