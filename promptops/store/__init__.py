"""The store: replies paid for once, and the ledger of every attempt, in one SQLite file."""

from __future__ import annotations

from promptops.store.batches import Batches, Submission
from promptops.store.database import Database
from promptops.store.layouts import Layouts
from promptops.store.ledger import GROUPINGS, Grouping, Ledger, Row, attempt, grouping
from promptops.store.overhead import Around, Overhead
from promptops.store.packings import Packing, Packings
from promptops.store.replies import Replies, key, questions
from promptops.store.seen import Known, Seen

__all__ = [
    "GROUPINGS",
    "Around",
    "Batches",
    "Database",
    "Grouping",
    "Known",
    "Layouts",
    "Ledger",
    "Overhead",
    "Packing",
    "Packings",
    "Replies",
    "Row",
    "Seen",
    "Submission",
    "attempt",
    "grouping",
    "key",
    "questions",
]
