"""Many calls at once on one model of this machine: what they share is computed once, and they are decoded together.

The values can be had without llama.cpp; naming ``Engine`` loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptops.local.engine.values import Done, Event, Failed, Piece, Request

if TYPE_CHECKING:
    from promptops.local.engine.engine import Engine

__all__ = ["Done", "Engine", "Event", "Failed", "Piece", "Request"]


def __getattr__(name: str) -> Any:
    """The library is loaded by whoever computes, and by nobody else. Raises ``EngineError`` where it is missing."""
    if name != "Engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from promptops.local.engine.engine import Engine
    except ImportError as failure:
        from promptops.errors import EngineError

        raise EngineError(f"local models need an extra: pip install 'promptops[local]' ({failure})") from None
    return Engine
