"""Amounts as people write them: US dollars, and ages of replies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from promptops.backends.verdicts import duration
from promptops.errors import UsageError


def usd(value: float | str | Decimal | None) -> Decimal | None:
    """US dollars as they were given; raises ``UsageError`` for what is no amount of money."""
    if value is None:
        return None
    try:
        cap = Decimal(str(value))
    except ArithmeticError:
        cap = Decimal("nan")
    if not cap.is_finite():
        raise UsageError(f"--max-usd must be a number of US dollars, not {value!r}")
    return cap


def age(value: float | str | timedelta | datetime | None) -> float | datetime | None:
    """An age in seconds, from ``7d``, ``12h``, ``1h30m``, a number of seconds or a ``timedelta``; or a moment.

    A moment is a ``datetime`` or written as ISO 8601 (``2026-03-01T09:00``), by the clock on the wall where it names no
    time zone. Raises ``UsageError`` for what is neither, for no length of time, and for a moment to come.
    """
    if value is None:
        return None
    found = value.total_seconds() if isinstance(value, timedelta) else duration(str(value).strip())
    if found is not None and found > 0:
        return found
    moment = _moment(value) if found is None else None
    if moment is None or moment > datetime.now(UTC):
        what = "be a length of time such as 7d, 12h or 90 (seconds), or a moment that is past such as 2026-03-01T09:00"
        raise UsageError(f"--max-age must {what}, not {str(value)!r}")
    return moment


def _moment(value: object) -> datetime | None:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
