"""Which calls wait in which batch: claimed once, found again, and in the ledger once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.store import Batches, Database, Ledger, Replies
from promptops.store.batches import FORGOTTEN
from promptops.types import GivenUp, Reply, Tags, Usage


@pytest.fixture
def database() -> Database:
    return Database()


def sent(database: Database) -> int:
    return Ledger(database).sent(Tags(run="run"), "m", Usage(10, 0, 5), None)


def attempts(database: Database) -> list[int]:
    """Those that count."""
    return [row for (row,) in database.query("SELECT id FROM attempts WHERE status != 'waiting' ORDER BY id")]


def test_a_call_is_claimed_by_the_first(tmp_path: Path) -> None:
    """Whichever process it is; the other learns whose it is."""
    one, other = Batches(Database(tmp_path / "s.db")), Batches(Database(tmp_path / "s.db"))
    first, mine = one.claim([(b"a", 1), (b"b", 2)], anew=False)
    second, theirs = other.claim([(b"b", 3), (b"c", 4)], anew=False)
    assert (mine, theirs) == ({b"a", b"b"}, {b"c"})
    assert other.find([b"a", b"b", b"c", b"d"]) == {b"a": first, b"b": first, b"c": second}
    none, nothing = other.claim([(b"a", 5)], anew=False)
    assert (nothing, other.get(none)) == (set(), None)


def test_asking_anew_takes_a_call_from_whoever_had_it(database: Database) -> None:
    """Its earlier batch is nobody's any more."""
    table = Batches(database)
    table.claim([(b"a", 1)], anew=False)
    token, mine = table.claim([(b"a", 2)], anew=True)
    assert (table.find([b"a"]), mine) == ({b"a": token}, {b"a"})


def test_whoever_takes_a_batch_up_has_it_in_the_ledger(database: Database) -> None:
    """The attempt that waited before, alive or dead, does not count as well."""
    table = Batches(database)
    before, now = sent(database), sent(database)
    token, _ = table.claim([(b"a", before)], anew=False)
    assert table.adopt(token, [(b"a", now)]) == {b"a"}
    assert attempts(database) == [now]
    table.answered(token, [(b"a", before)])
    assert table.find([b"a"]) == {b"a": token}
    table.answered(token, [(b"a", now)])
    assert (table.find([b"a"]), table.get(token)) == ({}, None)


def test_what_was_answered_meanwhile_is_told(database: Database) -> None:
    """Whoever came too late must not wait, nor drop the row of the one who was answered."""
    table = Batches(database)
    first, second, late = sent(database), sent(database), sent(database)
    token, _ = table.claim([(b"a", first), (b"b", second)], anew=False)
    table.answered(token, [(b"a", first)])
    assert table.adopt(token, [(b"a", late), (b"b", late)]) == {b"b"}
    assert attempts(database) == [first, late]


def test_a_failure_is_everybodys(database: Database) -> None:
    """Its batch has no reply, so that the next asking makes a new one."""
    table = Batches(database)
    token, _ = table.claim([(b"a", 1), (b"b", 2)], anew=False)
    table.failed(token, [b"a"])
    assert table.find([b"a", b"b"]) == {b"b": token}
    table.failed(token, [b"b"])
    assert table.get(token) is None


def test_an_attempt_that_waits_to_be_sent_is_in_no_sum(database: Database) -> None:
    """A process that dies while it gathers leaves nothing that could have been billed."""
    table, ledger = Batches(database), Ledger(database)
    row = sent(database)
    table.wait(row)
    assert ledger.rows("run") == []
    token, _ = table.claim([(b"a", row)], anew=False)
    assert table.adopt(token, [(b"a", row)]) == {b"a"}
    assert [one.possibly_billed for one in ledger.rows("run")] == [True]
    gone = sent(database)
    table.wait(gone)
    table.unsent([gone])
    assert attempts(database) == [row]


def test_what_never_reached_the_provider_cost_nothing(database: Database) -> None:
    """Only where nothing is known of it; what is settled stays."""
    table, ledger = Batches(database), Ledger(database)
    dead, settled = sent(database), sent(database)
    ledger.answered(settled, Usage(1, 0, 1), None, 0.1, None)
    token, _ = table.claim([(b"a", dead), (b"b", settled)], anew=False)
    table.never_sent(token)
    assert attempts(database) == [settled]
    assert table.find([b"a", b"b"]) == {}


@pytest.mark.parametrize("purged", [False, True])
def test_the_row_of_an_unsent_attempt_is_nobody_elses(database: Database, *, purged: bool) -> None:
    """The next attempt has another, with what it gave up; and whoever takes up the batch leaves it alone."""
    table, ledger = Batches(database), Ledger(database)
    parts = (GivenUp("context", 100, 50),)
    gone = ledger.sent(Tags(run="run"), "m", Usage(10, 0, 5), None, parts)
    table.wait(gone)
    token, _ = table.claim([(b"a", gone)], anew=False)
    table.unsent([gone])
    ledger.answered(gone, Usage(7, 0, 7), None, 0.1, None)
    assert (ledger.rows("run"), ledger.given_up()) == ([], [])
    if purged:
        database.execute("UPDATE attempts SET at = at - ?", (FORGOTTEN + 1,))
        table.purge()
        token, _ = table.claim([(b"a", gone)], anew=False)
    paid = ledger.sent(Tags(run="run"), "m", Usage(10, 0, 5), None, parts)
    ledger.answered(paid, Usage(90, 0, 9), None, 0.1, None)
    table.adopt(token, [(b"a", sent(database))])
    assert ledger.given_up() == list(parts)
    assert [one.totals.input_tokens for one in ledger.rows("run") if not one.possibly_billed] == [90]


def test_leftovers_of_the_dead_are_purged(database: Database) -> None:
    """Calls whose reply is kept, and batches whose files the provider has long deleted; nothing else."""
    table = Batches(database)
    kept, _ = table.claim([(b"a", 1)], anew=False)
    table.submitted(kept, "batch_1")
    Replies(database).put(b"a", Reply("text"))
    old, _ = table.claim([(b"b", 2)], anew=False)
    database.execute("UPDATE batches SET created = created - ? WHERE token = ?", (FORGOTTEN + 1, old))
    live, _ = table.claim([(b"c", 3)], anew=False)
    table.purge()
    assert table.find([b"a", b"b", b"c"]) == {b"c": live}
    assert [table.get(token) is None for token in (kept, old, live)] == [True, True, False]


@given(st.lists(st.lists(st.binary(min_size=1, max_size=1), max_size=8, unique=True), max_size=6))
def test_a_key_is_in_one_batch_however_often_it_is_claimed(rounds: list[list[bytes]]) -> None:
    """And the claims of all rounds together are all keys, each once."""
    table = Batches(Database())
    claims = [table.claim([(key, 0) for key in keys], anew=False) for keys in rounds]
    owned = [key for _, mine in claims for key in mine]
    assert sorted(owned) == sorted({key for keys in rounds for key in keys})
    assert table.find(owned) == {key: token for token, mine in claims for key in mine}


def test_many_keys_are_found_at_once(database: Database) -> None:
    """More than one statement can name."""
    keys = [number.to_bytes(4, "big") for number in range(1_234)]
    token, mine = Batches(database).claim([(key, 0) for key in keys], anew=False)
    assert mine == set(keys)
    assert Batches(database).find(keys) == dict.fromkeys(keys, token)
