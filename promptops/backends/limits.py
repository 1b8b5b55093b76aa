"""The rate limits that a server names: in the headers of its answers, or in the words of a 429."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from promptops.backends.verdicts import duration, number, until
from promptops.types import Allowance, Limits

_KIND = r"(requests|tokens|input-tokens|output-tokens)"
_HEADER = re.compile(
    rf"x-ratelimit-(?P<what>limit|remaining|reset)-(?P<kind>{_KIND})"
    rf"|anthropic-ratelimit-(?P<kind2>{_KIND})-(?P<what2>limit|remaining|reset)"
)
_WORDS = re.compile(
    r"(?P<kind>requests|(?:input |output )?tokens) per (?P<per>second|min|hour|day)[^:.]*[:.]\s*"
    r"Limit:?\s*(?P<limit>\d+(?:,\d{3})*)(?:,\s*Used:?\s*(?P<used>\d+(?:,\d{3})*))?",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"(?:try|retry)(?: again)? (?:in|after) (\d[\d.hms]*)", re.IGNORECASE)
_PER = {"second": 1.0, "min": 60.0, "hour": 3600.0, "day": 86400.0}
_EPOCH = 1_000_000_000
"""Larger figures are no spans but moments, in seconds since 1970."""


def read_limits(headers: Mapping[str, str], message: str = "") -> Limits | None:
    """What the headers say, or else ``message``; ``None`` where neither names a limit.

    Read are ``x-ratelimit-limit-*``, ``-remaining-*`` and ``-reset-*``, and Anthropic's own spelling of them.
    """
    said: dict[str, dict[str, float]] = {}
    for name, value in headers.items():
        if "ratelimit-" not in name.lower():
            continue
        found = _HEADER.fullmatch(name.lower())
        if found is None:
            continue
        what, kind = found["what"] or found["what2"], found["kind"] or found["kind2"]
        figure = _reset(value, headers.get("date")) if what == "reset" else number(value)
        if figure is not None:
            said.setdefault(kind.replace("-", "_"), {})[what] = figure
    told = {kind: Allowance(**figures) for kind, figures in said.items() if figures.keys() & {"limit", "remaining"}}
    return Limits(**told) if told else _worded(message)


def worded_wait(message: str) -> float | None:
    """The seconds in words such as ``Please try again in 1.2s``, or ``None``."""
    found = _AGAIN.search(message)
    return duration(found[1].rstrip(".")) if found else None


def _worded(message: str) -> Limits | None:
    """The limit in words such as ``on tokens per min (TPM): Limit 30000, Used 29000, Requested 1500``."""
    found = _WORDS.search(message)
    if found is None:
        return None
    limit = float(found["limit"].replace(",", ""))
    if limit <= 0:
        return None
    used = min(limit, float(found["used"].replace(",", ""))) if found["used"] else limit
    reset = used / limit * _PER[found["per"].lower()]
    kind = found["kind"].lower().replace(" ", "_")
    return Limits(**{kind: Allowance(limit, limit - used, reset)})


def _reset(value: str, date: str | None) -> float | None:
    """Seconds, from a span or from a moment."""
    span = duration(value)
    if span is not None and span < _EPOCH:
        return span
    if span is not None:
        return max(0.0, span - datetime.now(tz=UTC).timestamp())
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return until(value, date)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(tz=UTC)).total_seconds())
