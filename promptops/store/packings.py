"""What packing several calls into one prompt saved, net of what had to be asked again."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from promptops.errors import StoreError
from promptops.store.database import Database
from promptops.types import Tags


@dataclass(frozen=True, slots=True)
class Packing:
    """Packed prompts together. Tokens, input and output; what the ``items`` would have taken ``alone``."""

    prompts: int = 0
    items: int = 0
    alone: int = 0
    sent: int = 0

    @property
    def saved(self) -> int:
        """Tokens; below 0 where packing cost more than it spared."""
        return self.alone - self.sent


class Packings:
    """A row for every packed prompt that was answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, tags: Tags, model: str, items: int, alone: int, sent: int) -> None:
        """Keep that a prompt which took ``sent`` tokens answered ``items`` that would have taken ``alone``."""
        name = self._database.name
        values = (time.time(), *(name(text) for text in (tags.run, tags.chain, tags.step, model)), items, alone, sent)
        with suppress(StoreError):
            self._database.execute("INSERT INTO packings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def total(self, run: str | None = None) -> Packing:
        """All of them, or those of one run."""
        where = "WHERE run = (SELECT id FROM names WHERE name = ?)" if run is not None else ""
        statement = f"SELECT count(*), total(items), total(alone), total(sent) FROM packings {where}"  # noqa: S608 - by us
        row = self._database.query(statement, () if run is None else (run,))[0]
        return Packing(*map(int, row))
