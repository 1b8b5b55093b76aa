"""The client and its wrappers."""

from __future__ import annotations

from promptops.client.client import Client

__all__ = ["Client"]
