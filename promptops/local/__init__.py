"""Models on this machine's own disk."""

from __future__ import annotations
