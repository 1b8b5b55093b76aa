"""Many calls at once on one model of this machine: what they share is computed once, and they are decoded together."""

from __future__ import annotations

from promptops.local.engine.engine import Engine
from promptops.local.engine.values import Done, Event, Failed, Logprob, Piece, Request

__all__ = ["Done", "Engine", "Event", "Failed", "Logprob", "Piece", "Request"]
