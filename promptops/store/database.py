"""The store file: SQLite in WAL mode, shared by the replies and the ledger.

A commit without ``fsync`` survives the death of the process, which is what a killed run needs; only a power cut can
lose the last moments. One connection serves all threads of a process under a lock; processes wait for each other.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from promptops.errors import StoreError

VERSION = 1

_REMEMBERED = 4_096
"""Names kept in memory; a folder of any size must not grow it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY, body TEXT NOT NULL, created REAL NOT NULL, final INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS generations (
    key BLOB PRIMARY KEY, body TEXT NOT NULL, created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS overheads (
    model INTEGER NOT NULL, messages INTEGER NOT NULL, tokens INTEGER NOT NULL, replies INTEGER NOT NULL,
    PRIMARY KEY (model, messages)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS layouts (
    place INTEGER NOT NULL, how TEXT NOT NULL, digest BLOB NOT NULL, marks TEXT NOT NULL, PRIMARY KEY (place, how)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS layouts_by_text ON layouts (digest, how);
CREATE TABLE IF NOT EXISTS seen (
    place INTEGER NOT NULL, chain INTEGER NOT NULL, digest BLOB NOT NULL, how INTEGER NOT NULL,
    PRIMARY KEY (place, chain)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS packings (
    at REAL NOT NULL, run INTEGER NOT NULL, chain INTEGER NOT NULL, step INTEGER NOT NULL, model INTEGER NOT NULL,
    items INTEGER NOT NULL, alone INTEGER NOT NULL, sent INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS given_up (
    attempt INTEGER NOT NULL, name INTEGER NOT NULL, before INTEGER NOT NULL, after INTEGER NOT NULL,
    PRIMARY KEY (attempt, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    token TEXT PRIMARY KEY, batch TEXT, created REAL NOT NULL, touched REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_calls (
    key BLOB PRIMARY KEY, token TEXT NOT NULL, attempt INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batch_calls_by_token ON batch_calls (token);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    run INTEGER NOT NULL, chain INTEGER NOT NULL, step INTEGER NOT NULL, template INTEGER NOT NULL,
    document INTEGER NOT NULL, model INTEGER NOT NULL,
    status TEXT NOT NULL,
    calls INTEGER NOT NULL, input INTEGER NOT NULL, cached INTEGER NOT NULL, output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    picodollars INTEGER,
    estimated INTEGER NOT NULL,
    seconds REAL, request TEXT
);
"""


class Database:
    """One store file, or one in memory where ``path`` is ``None``; raises ``StoreError`` where it cannot be used.

    ``max_age`` is the seconds that a stored reply is good for, or the moment before which none is; ``None``: for ever.
    """

    def __init__(self, path: str | Path | None = None, *, max_age: float | datetime | None = None) -> None:
        self.max_age = max_age
        self.path = str(path) if path is not None else ":memory:"
        self._lock = threading.RLock()
        self._names: dict[str, int] = {}
        try:
            if path is not None:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        except (OSError, ValueError, sqlite3.Error) as failure:
            raise self._error("cannot be opened", failure) from None
        self._finish = weakref.finalize(self, self._connection.close)
        try:
            self._open()
        except sqlite3.Error as failure:
            self.close()
            raise self._error("cannot be opened", failure) from None

    @property
    def oldest(self) -> float:
        """When the oldest reply that is still good may have been kept, in seconds since 1970."""
        match self.max_age:
            case None:
                return 0.0
            case datetime():
                return self.max_age.timestamp()
            case age:
                return time.time() - age

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run one writing statement and commit it; returns the row id of an insert."""
        try:
            with self._lock:
                return self._connection.execute(statement, values).lastrowid or 0
        except (sqlite3.Error, UnicodeError, OverflowError) as failure:
            raise self._error("cannot be written", failure) from None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commit what is executed in the context as one, which takes the time of one."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                self._names.clear()  # those that were new are not there after all
                with suppress(StoreError):
                    self.execute("ROLLBACK")
                raise

    def execute_all(self, *work: tuple[str, Sequence[Sequence[Any]]]) -> None:
        """Run writing statements, each once for every sequence of values, all of it or none."""
        try:
            with self._lock:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    for statement, rows in work:
                        self._connection.executemany(statement, rows)
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
        except (sqlite3.Error, UnicodeError, OverflowError) as failure:
            raise self._error("cannot be written", failure) from None

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one reading statement."""
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as failure:
            raise self._error("cannot be read", failure) from None

    def name(self, text: str) -> int:
        """The number that stands for a name in every row, so that a path is written once."""
        with self._lock:
            if text not in self._names:
                readable = whole(text)
                self.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (readable,))
                self._remember(text, self.query("SELECT id FROM names WHERE name = ?", (readable,))[0][0])
            return self._names[text]

    def _remember(self, text: str, number: int) -> None:
        if len(self._names) >= _REMEMBERED:
            self._names.clear()
        self._names[text] = number

    def close(self) -> None:
        """Close the file; closing twice is fine, and one that nobody closes is closed when nobody has it any more."""
        with self._lock:
            self._finish()

    def _open(self) -> None:
        """Look before touching: a file of another program, or of a newer version, is left as it is."""
        self._connection.execute("BEGIN")
        self._version()
        self._connection.execute("COMMIT")
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "temp_store = MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("BEGIN IMMEDIATE")
        if self._version() == 0:
            self._connection.execute(f"PRAGMA user_version = {VERSION}")
        for statement in filter(str.strip, _SCHEMA.split(";")):
            self._connection.execute(statement)
        self._connection.execute("COMMIT")

    def _version(self) -> int:
        """The format of the file, 0 where it is new; raises ``DatabaseError`` where it is not ours."""
        found: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it has format {found}, this promptops reads format {VERSION}")
        if found == 0 and self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise sqlite3.DatabaseError("it is another program's database")
        return found

    def _error(self, what: str, failure: Exception) -> StoreError:
        room = "make room for it, or " if "full" in str(failure) else ""
        return StoreError(
            f"store {self.path!r} {what}: {failure}; {room}name another file with --store FILE (store=...)"
        )


def whole(text: str) -> str:
    """``text`` with U+FFFD for half characters (lone surrogates), which neither SQLite nor a model can be given."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
