"""What each document was last run with, so that the next run can say why it would send something again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from promptops.store.database import Database


@dataclass(frozen=True, slots=True)
class Known:
    """The last run of one document: a digest of its text, and how it was run."""

    digest: bytes
    how: dict[str, Any]


class Seen:
    """One row for each document and chain; ``how`` is any JSON object, and stands in the file once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, place: str, chain: str) -> Known | None:
        """The last run of the document at ``place`` through ``chain``."""
        name = self._database.name
        statement = "SELECT s.digest, n.name FROM seen s JOIN names n ON n.id = s.how WHERE s.place = ? AND s.chain = ?"
        rows = self._database.query(statement, (name(place), name(chain)))
        return Known(rows[0][0], json.loads(rows[0][1])) if rows else None

    def put(self, place: str, chain: str, known: Known) -> None:
        """Remember a run, in the place of the one before."""
        name = self._database.name
        how = json.dumps(known.how, sort_keys=True)
        values = (name(place), name(chain), known.digest, name(how))
        self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", values)
