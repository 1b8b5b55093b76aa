"""How the fake provider fails on demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. ``kind`` is an HTTP status in digits or a name from ``FAULTS``.

    ``headers``, ``code`` and ``message`` go with a status; ``seconds`` is how long ``slow`` and ``hang`` take.
    """

    kind: str
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    message: str = ""
    seconds: float = 60.0


FAULTS = (
    "drop", "reset", "reset_body", "hang", "slow", "malformed", "html", "error200", "no_choices", "null_choices",
    "no_message", "empty", "length", "content_filter", "refusal", "no_usage", "zero_usage", "quota", "not_object",
    "stream_error", "stream_end",
)  # fmt: skip
"""``drop`` cuts the connection before anything is done, ``reset`` once it is billed, ``reset_body`` half-way.

``stream_error`` and ``stream_end`` break off a stream half-way, with an event that says so and without; they do nothing
to an answer that was not asked for in pieces."""

UNBILLED = frozenset({"drop", "html", "error200", "quota"})
