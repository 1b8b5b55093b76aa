"""Running calls through an engine to their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.local.engine import Done, Engine, Event, Failed, Request

Open = Callable[..., "Engine"]


def run(engine: Engine, *requests: Request) -> dict[int, Event]:
    """The last event of every call."""
    for request in requests:
        engine.submit(request)
    return {event.id: event for event in events(engine)}


def failed(engine: Engine, request: Request) -> Failed:
    """What was wrong with one call."""
    from promptops.local.engine import Failed

    event = run(engine, request)[request.id]
    assert isinstance(event, Failed), event
    return event


def answered(engine: Engine, request: Request) -> Done:
    """The answer to one call."""
    from promptops.local.engine import Done

    event = run(engine, request)[request.id]
    assert isinstance(event, Done), event
    return event


def events(engine: Engine, most: int = 5000) -> list[Event]:
    """All that happens until nothing is left to do; bounded."""
    found: list[Event] = []
    for _ in range(most):
        if not engine.busy:
            return found
        found += engine.step()
    raise AssertionError("the engine does not come to an end")
