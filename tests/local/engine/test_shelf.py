"""Computed prefixes, kept in memory and in files that are trusted only when they are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.local.engine.shelf import Shelf

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_prefix_outlives_the_process(tmp_path: Path) -> None:
    """Another shelf of the same model finds it; one of another model does not."""
    Shelf(KEY, tmp_path).put([1, 2, 3], "", b"state")
    shelf = Shelf(KEY, tmp_path)
    kept, length = shelf.longest([1, 2, 3, 4], "")
    assert length == 3
    assert kept is not None
    assert shelf.state(kept) == b"state"
    assert len(Shelf(OTHER, tmp_path)) == 0


@pytest.mark.parametrize("at", [3, 50, 75, 90, -1])
def test_a_damaged_file_gives_nothing(tmp_path: Path, at: int) -> None:
    """The library would trust it, so it is checked and thrown away."""
    Shelf(KEY, tmp_path).put([1, 2, 3], "", b"state" * 9)
    (file,) = tmp_path.iterdir()
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    shelf = Shelf(KEY, tmp_path)
    kept, _ = shelf.longest([1, 2, 3], "")
    assert kept is None or shelf.state(kept) is None
    assert shelf.longest([1, 2, 3], "")[0] is None or kept is None


def test_memory_and_folder_are_bounded(tmp_path: Path) -> None:
    """What was used longest ago goes first; a file's state is read again."""
    shelf = Shelf(KEY, None, room=10)
    shelf.put([1], "", b"123456")
    shelf.put([2], "", b"123456")
    assert shelf.longest([1], "")[0] is None
    filed = Shelf(KEY, tmp_path, room=10, files=2)
    for token in range(4):
        filed.put([token], "", b"123456")
    assert len(list(tmp_path.iterdir())) == 2
    kept, _ = filed.longest([2], "")
    assert kept is not None
    assert filed.state(kept) == b"123456"


def test_adapters_do_not_share(tmp_path: Path) -> None:
    """A prefix computed with an adapter is no other model's, and stays out of the folder."""
    shelf = Shelf(KEY, tmp_path)
    shelf.put([1, 2], "a", b"x")
    assert shelf.longest([1, 2], "") == (None, 0)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_nothing_costs_nothing(tmp_path: Path) -> None:
    """A file stands where the folder should be: the prefix is kept in memory only."""
    (tmp_path / "file").write_text("x")
    shelf = Shelf(KEY, tmp_path / "file")
    shelf.put([1, 2], "", b"x")
    assert shelf.longest([1, 2], "")[1] == 2
