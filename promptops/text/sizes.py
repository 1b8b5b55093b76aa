"""Bytes as people read them."""

from __future__ import annotations

import math


def size(number: float) -> str:
    """In MiB, or in GiB where that is one or more."""
    return f"{number / 2**30:,.2f} GiB" if number >= 2**30 else f"{math.ceil(number / 2**20 * 10) / 10:,.1f} MiB"
