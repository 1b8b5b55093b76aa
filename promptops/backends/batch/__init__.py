"""Calls gathered level by level and sent through a provider's Batch API, beneath the interface of a single call."""

from __future__ import annotations

from promptops.backends.batch.batched import Batched, batch_price
from promptops.backends.batch.news import News

__all__ = ["Batched", "News", "batch_price"]
