"""The store file."""

from __future__ import annotations

import gc
import multiprocessing
import sqlite3
import sys
import warnings
from contextlib import closing
from pathlib import Path

import pytest

from promptops.errors import StoreError
from promptops.store import Database, Ledger, Replies
from promptops.types import Reply, Tags, Usage


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    """The error says which file, and how to name another."""
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and not a database at all " * 20)
    with pytest.raises(StoreError, match=r"notes\.txt.*--store"):
        Database(path)


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    """Neither is a folder."""
    with pytest.raises(StoreError, match="cannot be opened"):
        Database(tmp_path)


def test_a_store_of_another_format_is_left_alone(tmp_path: Path) -> None:
    """A newer version's store is not written to."""
    path = tmp_path / "s.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="format 99"):
        Database(path)


def test_a_full_disk_is_a_store_error(tmp_path: Path) -> None:
    """What SQLite says is passed on in one line."""
    database = Database(tmp_path / "s.db")
    database.query("PRAGMA max_page_count = 12")
    with pytest.raises(StoreError, match="full"):
        Replies(database).put(b"key", Reply("x" * 100_000))


def test_names_with_undecodable_bytes_are_kept_readable() -> None:
    """A file name of any bytes has its row."""
    ledger = Ledger(Database())
    ledger.sent(Tags(document="caf\udce9.txt"), "m", Usage(), None)
    assert ledger.rows("document")[0].key == "caf\ufffd.txt"


def _write(path: str, name: str) -> None:
    ledger = Ledger(Database(path))
    for _ in range(200):
        ledger.answered(ledger.sent(Tags(run=name), "m", Usage(), None), Usage(1, 0, 1), None, 0.1, None)


def test_processes_share_one_store(tmp_path: Path) -> None:
    """Two writers wait for each other, and no row is lost."""
    path = str(tmp_path / "s.db")
    Database(path).close()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, name)) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    rows = Ledger(Database(path)).rows("run")
    assert {row.key: row.totals.calls for row in rows} == {"one": 200, "two": 200}


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    """It is neither written to nor switched to another journal."""
    path = tmp_path / "bookmarks.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program's database"):
        Database(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["a\ud800b", "caf\udce9.txt", "\udc00"])
def test_names_of_any_characters_are_kept(name: str) -> None:
    """A text in memory may have a name that is no Unicode."""
    ledger = Ledger(Database())
    ledger.sent(Tags(document=name), "m", Usage(), None)
    assert "\ufffd" in ledger.rows("document")[0].key


def test_what_sqlite_cannot_hold_is_a_store_error() -> None:
    """Never an error of Python's own."""
    database = Database()
    for value in (10**30, "\ud800"):
        with pytest.raises(StoreError, match="cannot be written"):
            database.execute("INSERT INTO names (name) VALUES (?)", (value,))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="older Pythons do not warn of it")
def test_a_store_that_nobody_closes_closes_itself() -> None:
    """Without a warning, and without a leak."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Database()
        gc.collect()
