"""A provider on loopback for tests: real HTTP, faults on demand, and a bill to hold a ledger against."""

from __future__ import annotations

from promptops.testing.answers import Answer
from promptops.testing.batches import End
from promptops.testing.faults import FAULTS, Fault
from promptops.testing.limiter import Limiter
from promptops.testing.seen import Seen
from promptops.testing.server import KEY, MODEL, FakeOpenAI

__all__ = ["FAULTS", "KEY", "MODEL", "Answer", "End", "FakeOpenAI", "Fault", "Limiter", "Seen"]
