"""What is told of batches while they are waited for."""

from __future__ import annotations

from dataclasses import dataclass

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
"""The statuses that a batch stays in."""


@dataclass(frozen=True, slots=True)
class News:
    """A batch as the provider last told of it: its ``status``, its calls, and how many of them are done."""

    batch: str
    status: str
    calls: int
    done: int

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.status in ENDED
