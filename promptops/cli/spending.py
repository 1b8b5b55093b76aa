"""The command ``ledger``."""

from __future__ import annotations

from pathlib import Path

from promptops.cli import printing
from promptops.errors import NotFoundError
from promptops.report import jsonable
from promptops.report.words import packed, plural
from promptops.store import Database, Ledger, Packings, Row, grouping
from promptops.types import Totals


def ledger(by: str, run: str | None, store: str, *, as_json: bool) -> None:
    """Print what was spent."""
    key = grouping(by)
    if not Path(store).exists():
        raise NotFoundError(f"no store at {store!r} yet; a run makes one, --store FILE names another")
    database = Database(store)
    rows = Ledger(database).rows(key, run)
    packing = Packings(database).total(run)
    given_up = Ledger(database).given_up(run)
    database.close()
    if run is not None and not rows:
        raise NotFoundError(f"no run {run!r} in {store}; see them with: promptops ledger")
    if as_json:
        printing.json([jsonable.ledger(row) for row in rows])
        return
    lines = [(_key(row, by), *printing.figures(row.totals)) for row in rows]
    known = [row.totals for row in rows if not row.possibly_billed]
    lines.append(("in all", *printing.figures(Totals.sum(known))))
    printing.table((by, *printing.FIGURES), lines)
    if packing.prompts:
        print(f"\n{packed(packing)}.")
    if given_up:
        print(f"\nLeft out so that prompts fit: {'; '.join(map(str, given_up))}.")
    failed = sum(row.failed for row in rows)
    if failed:
        print(f"\n{plural(failed, 'attempt')} failed and cost nothing.")


def _key(row: Row, by: str) -> str:
    name = row.key or ("(all documents)" if by == "document" else "(none)")
    if row.possibly_billed:
        return f"{name}, possibly billed, at most"
    return f"{name} (partly estimates)" if row.estimated else name
