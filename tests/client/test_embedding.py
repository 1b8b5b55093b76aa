"""Embeddings through the client: held to every cap, and booked as what they took."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from promptops.backends.scripted import Scripted
from promptops.budget import Budget
from promptops.ceilings import Ceiling, ceiling
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.errors import BudgetError, CallError, EngineError
from promptops.store import Database
from promptops.types import Usage


class Vectors(Scripted):
    """A backend that gives vectors, or fails as it is told."""

    def __init__(self, failure: CallError | None = None) -> None:
        super().__init__(answer=lambda _: "")
        self.failure = failure
        self.asked = 0

    async def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return [[1.0, 0.0] for _ in texts], Usage(sum(map(self.counter.count, texts)))


def embedded(client: Client) -> list[list[float]]:
    return asyncio.run(client.embed(["three rivers meet", "세 강이 만난다"]))


def test_a_cap_of_the_process_holds_embeddings_too() -> None:
    """What would pass it is not sent, and says so."""
    backend = Vectors()
    with Client(backend) as client, ceiling(Ceiling(max_tokens=1)) as cap, pytest.raises(BudgetError):
        embedded(client)
    assert backend.asked == 0
    assert cap.refused is not None


def test_embeddings_are_booked_on_every_cap() -> None:
    """At what they took; nothing stays reserved."""
    budget = Budget(max_tokens=1_000)
    with Client(Vectors(), budget=budget) as client, ceiling(Ceiling(max_tokens=1_000)) as cap:
        assert len(embedded(client)) == 2
        (row,) = client.ledger.rows("run")
    assert cap.used is not None
    assert row.totals.tokens == budget.settled.tokens == cap.used[0] > 0
    assert budget._reserved.tokens == cap.budget._reserved.tokens == 0


@pytest.mark.parametrize("billed", [False, True])
def test_a_failed_embedding_is_booked_where_it_may_be_billed(billed: bool) -> None:
    """As any other attempt."""
    budget = Budget(max_tokens=1_000)
    backend = Vectors(CallError("cut", billed=billed))
    with Client(backend, budget=budget, patience=Patience(attempts=1)) as client, pytest.raises(CallError):
        embedded(client)
    assert (budget.settled.tokens > 0) == billed
    assert budget._reserved.tokens == 0


def test_a_model_that_cannot_be_loaded_is_a_row_without_tokens(tmp_path: Path) -> None:
    """The ledger has the attempt and why it failed, and a cap keeps all that it had."""
    store, budget = tmp_path / "store.db", Budget(max_tokens=1_000)
    backend = Vectors(EngineError("embed.gguf cannot be loaded: it takes 9 GiB"))
    with (
        Client(backend, Database(store), budget=budget) as client,
        pytest.raises(EngineError, match="9 GiB"),
    ):
        embedded(client)
    with closing(sqlite3.connect(store)) as connection:
        rows = connection.execute("SELECT status, calls, input, output, picodollars FROM attempts").fetchall()
    assert rows == [("call", 0, 0, 0, 0)]
    assert budget.settled.tokens == budget._reserved.tokens == 0
