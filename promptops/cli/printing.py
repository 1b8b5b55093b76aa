"""What commands print: notes, JSON, and aligned columns that fit any script."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from promptops.prices import dollars
from promptops.report.encoding import dumps, printable
from promptops.report.words import plain
from promptops.types import Totals

if TYPE_CHECKING:
    from promptops.plans.results import DocumentResult

FIGURES = ("calls", "tokens in", "cached", "tokens out", "US dollars")


def note(text: str, command: str = "") -> None:
    """One line on stderr; ``command`` is to be copied, so it stays as it is."""
    print(f"promptops: {plain(text)}{command}", file=sys.stderr, flush=True)


def without_answer(result: DocumentResult) -> str:
    """What kept a document from a full answer; its name once, since errors of reading begin with it."""
    name, error = printable(result.source), result.error or ""
    return f"{result.status}: {error}" if error.startswith(name) else f"{result.status}: {name}: {error}"


def json(value: Any) -> None:
    """Print one JSON value, escaped as far as the encoding of standard output needs."""
    print(dumps(value, sys.stdout))


def figures(totals: Totals) -> tuple[str, ...]:
    """The columns of ``FIGURES``."""
    tokens = (totals.calls, totals.input_tokens, totals.cached_input_tokens, totals.output_tokens)
    return (*(f"{number:,}" for number in tokens), dollars(totals.usd))


def table(head: Sequence[str] | None, rows: Sequence[Sequence[str]], *, right: int | None = None) -> None:
    """Print columns; figures to the right. ``right`` is how many columns from the left are figures (default: all but
    the first).
    """
    lines = [*([head] if head else []), *rows]
    if not lines:
        return
    widths = [max(_width(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = [
            _padded(cell, widths[column], to_right=column >= 1 if right is None else column < right)
            for column, cell in enumerate(line)
        ]
        print("  ".join(cells).rstrip())


def _padded(cell: str, width: int, *, to_right: bool) -> str:
    space = " " * (width - _width(cell))
    return space + cell if to_right else cell + space


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
