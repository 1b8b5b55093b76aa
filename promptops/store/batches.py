"""Which calls wait in which batch at a provider, so that a run whose process is gone finds its batches again.

A submission is written here with its calls before anything is uploaded, under a token that goes to the provider with
the batch. So a process that dies at any instant leaves either a batch whose id is known, or a token by which the
provider's list of batches tells whether there is one. A call belongs to one submission at a time, whichever process
claims it first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import uuid4

from promptops.store.database import Database

FORGOTTEN = 30 * 86_400.0
"""Seconds after which a provider has deleted a batch's files, so that there is nothing left to wait for."""

_Work = tuple[str, Sequence[Sequence[object]]]
_AT_ONCE = 500
_COUNTED = "('sent', 'possibly_billed', 'ok')"


@dataclass(frozen=True, slots=True)
class Submission:
    """One batch. ``batch`` is the provider's id, ``None`` until it has said it; times in seconds since 1970.

    ``touched`` is when the process that submits it last said that it is alive; 0 where it has given up.
    """

    token: str
    batch: str | None
    created: float
    touched: float


class Batches:
    """Submissions and the keys of their calls, each with the ledger's row of the attempt that waits for it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, keys: Iterable[bytes]) -> dict[bytes, str]:
        """The tokens of those keys that wait in a batch."""
        found: dict[bytes, str] = {}
        rest = iter(keys)
        while some := list(islice(rest, _AT_ONCE)):
            marks = ",".join("?" * len(some))
            statement = f"SELECT key, token FROM batch_calls WHERE key IN ({marks})"  # noqa: S608 - only marks
            found.update(self._database.query(statement, some))
        return found

    def get(self, token: str) -> Submission | None:
        """The submission, or ``None`` where nobody waits for it any more."""
        rows = self._database.query("SELECT token, batch, created, touched FROM batches WHERE token = ?", (token,))
        return Submission(*rows[0]) if rows else None

    def claim(self, attempts: Sequence[tuple[bytes, int]], *, anew: bool) -> tuple[str, set[bytes]]:
        """A new submission of these keys; returns its token and those keys that no other had claimed before.

        ``anew`` takes them from whichever had.
        """
        token, now = uuid4().hex, time.time()
        either = "REPLACE" if anew else "IGNORE"
        rows = [(key, token, row) for key, row in attempts]
        self._database.execute_all(
            ("INSERT INTO batches VALUES (?, NULL, ?, ?)", [(token, now, now)]),
            (f"INSERT OR {either} INTO batch_calls VALUES (?, ?, ?)", rows),  # noqa: S608 - ours
        )
        mine = self._keys(token)
        if not mine:
            self._database.execute("DELETE FROM batches WHERE token = ?", (token,))
        return token, mine

    def wait(self, attempt: int) -> None:
        """An attempt waits to be sent: until it is, it can have cost nothing, whatever becomes of its process."""
        self._database.execute("UPDATE attempts SET status = 'waiting' WHERE id = ? AND status = 'sent'", (attempt,))

    def sent(self, attempts: Iterable[int]) -> None:
        """They are about to be sent."""
        statement = "UPDATE attempts SET status = 'sent' WHERE id = ? AND status = 'waiting'"
        self._database.execute_all((statement, [(row,) for row in attempts]))

    def touch(self, token: str) -> None:
        """Say that the process that submits it is alive."""
        self._database.execute("UPDATE batches SET touched = ? WHERE token = ?", (time.time(), token))

    def release(self, token: str) -> None:
        """Say that it may or may not have been submitted; whoever wants its calls looks for it at the provider."""
        self._database.execute("UPDATE batches SET touched = 0 WHERE token = ?", (token,))

    def submitted(self, token: str, batch: str) -> None:
        """Keep the provider's id of it."""
        self._database.execute("UPDATE batches SET batch = ? WHERE token = ?", (batch, token))

    def adopt(self, token: str, attempts: Sequence[tuple[bytes, int]]) -> set[bytes]:
        """Let these attempts stand for the ones that waited before: what a batch costs is in the ledger once.

        Returns the keys that still wait in it; whoever waited for the others has been answered meanwhile.
        """
        earlier = "(SELECT attempt FROM batch_calls WHERE key = ? AND attempt != ?)"
        self._database.execute_all(
            *_taken_back(earlier, _COUNTED, attempts),
            ("UPDATE batch_calls SET attempt = ? WHERE key = ?", [(row, key) for key, row in attempts]),
        )
        still = self._keys(token)
        self.sent(row for key, row in attempts if key in still)
        return still

    def answered(self, token: str, attempts: Iterable[tuple[bytes, int]]) -> None:
        """The replies to these attempts are kept. Where another has adopted a call, it goes on waiting for its own."""
        rows = [(key, token, row) for key, row in attempts]
        self._drop("DELETE FROM batch_calls WHERE key = ? AND token = ? AND attempt = ?", rows, token)

    def failed(self, token: str, keys: Iterable[bytes]) -> None:
        """This batch has no reply for these calls, whoever waits for them."""
        self._drop("DELETE FROM batch_calls WHERE key = ? AND token = ?", [(key, token) for key in keys], token)

    def _drop(self, statement: str, rows: Sequence[Sequence[object]], token: str) -> None:
        """A submission goes with the last of its calls."""
        empty = "DELETE FROM batches WHERE token = ? AND NOT EXISTS (SELECT 1 FROM batch_calls WHERE token = ?)"
        self._database.execute_all((statement, rows), (empty, [(token, token)]))

    def _keys(self, token: str) -> set[bytes]:
        return {key for (key,) in self._database.query("SELECT key FROM batch_calls WHERE token = ?", (token,))}

    def forget(self, token: str) -> None:
        """Nobody waits for this submission any more."""
        statements = ("DELETE FROM batch_calls WHERE token = ?", "DELETE FROM batches WHERE token = ?")
        self._database.execute_all(*((statement, [(token,)]) for statement in statements))

    def never_sent(self, token: str) -> None:
        """It never reached the provider: its attempts cost nothing, and its calls are free to be claimed."""
        rows = self._database.query("SELECT attempt FROM batch_calls WHERE token = ?", (token,))
        self._database.execute_all(*_taken_back("?", "('sent')", rows))
        self.forget(token)

    def unsent(self, attempts: Iterable[int]) -> None:
        """They ended before they were sent."""
        self._database.execute_all(*_taken_back("?", "('waiting', 'sent')", [(row,) for row in attempts]))

    def purge(self) -> None:
        """Drop what a killed process left: calls whose replies are kept, and batches too old to be had."""
        old = time.time() - FORGOTTEN
        self._database.execute(
            "DELETE FROM batch_calls WHERE EXISTS (SELECT 1 FROM replies r JOIN batches b"
            " ON b.token = batch_calls.token WHERE r.key = batch_calls.key AND r.created >= b.created)"
        )
        last = "(SELECT max(id) FROM attempts)"  # must stay, or its id would be given again
        statement = f"DELETE FROM attempts WHERE status = 'waiting' AND at < ? AND id < {last}"  # noqa: S608 - ours
        self._database.execute(statement, (old,))
        self._database.execute(
            "DELETE FROM batch_calls WHERE token IN (SELECT token FROM batches WHERE created < ?)", (old,)
        )
        self._database.execute(
            "DELETE FROM batches WHERE created < ? OR (batch IS NOT NULL AND NOT EXISTS"
            " (SELECT 1 FROM batch_calls c WHERE c.token = batches.token))",
            (old,),
        )


def _taken_back(which: str, statuses: str, rows: Sequence[Sequence[object]]) -> Iterator[_Work]:
    """Statements that take attempts out of all sums, one for each of ``rows``.

    Such a row gets an id that nobody knows, so that nobody completes it. It is not deleted, since SQLite would give
    the id to the next attempt.
    """
    where = f"WHERE id = {which} AND status IN {statuses}"
    yield f"DELETE FROM given_up WHERE attempt IN (SELECT id FROM attempts {where})", rows  # noqa: S608 - ours
    zeros = "calls = 0, input = 0, cached = 0, output = 0, reasoning = 0, picodollars = 0"
    anew = "id = (SELECT max(id) + 1 FROM attempts), status = 'waiting'"
    yield f"UPDATE attempts SET {anew}, {zeros} {where}", rows  # noqa: S608 - ours
