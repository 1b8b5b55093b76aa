"""``promptops inspect``: a model file, and what of it fits this machine."""

from __future__ import annotations

import sys

from promptops.cli import printing
from promptops.local.inspect import CACHES, Fit, Inspected, inspect
from promptops.report.words import plain
from promptops.text.sizes import size


def show(path: str, context: int | None, sequences: int | None, cache: str | None, *, as_json: bool) -> None:
    """Print what the header tells: JSON, a coloured table on a terminal, plain columns otherwise."""
    found = inspect(path, context=context, sequences=sequences, cache=cache)
    if as_json:
        printing.json(found.as_dict())
        return
    printing.table(None, [(what, plain(said)) for what, said in found.lines()], right=0)
    if found.others:
        print()
        _table(found)


def _table(found: Inspected) -> None:
    head = ("context", "sequences", *(f"cache in {cache}" for cache in CACHES))
    rows = [
        (f"{context:,}", str(sequences), *(_of(found, context, sequences, cache) for cache in CACHES))
        for context, sequences in dict.fromkeys((fit.context, fit.sequences) for fit in found.others)
    ]
    if not sys.stdout.isatty():
        printing.table(head, [tuple(_plain(cell) for cell in row) for row in rows], right=len(head))
        return
    _coloured(head, rows)


def _of(found: Inspected, context: int, sequences: int, cache: str) -> str | Fit:
    return next(f for f in found.others if (f.context, f.sequences, f.cache) == (context, sequences, cache))


def _plain(cell: str | Fit) -> str:
    if isinstance(cell, str):
        return cell
    return f"{size(cell.bytes)} {'fits' if cell.fits else 'no'}" if cell.possible else "–"


def _coloured(head: tuple[str, ...], rows: list[tuple[str | Fit, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.justify = "right"
    for row in rows:
        table.add_row(
            *(
                Text(cell) if isinstance(cell, str) else Text(_plain(cell), style="green" if cell.fits else "red")
                for cell in row
            )
        )
    Console().print(table)
