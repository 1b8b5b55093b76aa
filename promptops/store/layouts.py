"""Where a document was cut when it was last read, so that an edit moves no chunk but those it touches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple

from promptops.chunking.realign import Mark
from promptops.store.database import Database


class Layouts:
    """The last layout of each document for each way of cutting it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, text: str, place: str, how: str) -> tuple[Mark, ...]:
        """The chunks of this very text, wherever it stood, or else of the last one at ``place``; ``()`` for neither."""
        statement = (
            "SELECT marks FROM layouts WHERE how = ? AND (digest = ? OR place = ?) ORDER BY digest = ? DESC LIMIT 1"
        )
        rows = self._database.query(statement, (how, _digest(text), self._database.name(place), _digest(text)))
        return tuple(Mark(*fields) for fields in json.loads(rows[0][0])) if rows else ()

    def put(self, text: str, place: str, how: str, marks: Sequence[Mark]) -> None:
        """Remember the layout of ``text``, in the place of an earlier one."""
        body = json.dumps([astuple(mark) for mark in marks], ensure_ascii=False)
        values = (self._database.name(place), how, _digest(text), body)
        self._database.execute("INSERT OR REPLACE INTO layouts VALUES (?, ?, ?, ?)", values)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
