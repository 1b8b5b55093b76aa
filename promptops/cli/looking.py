"""The commands that send nothing: ``plan``, ``count``, ``ledger`` and ``inspect``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from promptops import documents
from promptops.cli import tables
from promptops.cli.progress import note
from promptops.cli.spool import spooled
from promptops.errors import DocumentError, NotFoundError, UsageError
from promptops.report import jsonable
from promptops.report.words import dollars, plural
from promptops.store import GROUPINGS, Database, Ledger, Row
from promptops.types import Totals

_PLANNED = ("calls", "tokens in", "tokens out", "US dollars")
_FIGURES = ("calls", "tokens in", "cached", "tokens out", "US dollars")


def plan(
    chain: str, paths: list[str], model: str, known: dict[str, Any], settings: dict[str, Any], *, as_json: bool
) -> None:
    """Print an estimate."""
    from promptops import api
    from promptops.plans.settings import Settings

    Settings().updated(settings)  # or one named like an option would be taken for it
    with spooled(paths) as given:
        estimate = api.plan(chain, given.paths, model, **known, **settings)
        estimate = replace(estimate, unreadable=tuple(given.result(found) for found in estimate.unreadable))
    for found in estimate.unreadable:
        note(f"{jsonable.printable(found.source)}: {found.status}: {found.error}")
    if as_json:
        tables.json(jsonable.estimate(estimate))
        return
    print(f"{estimate.chain} · {estimate.model} · {plural(estimate.documents, 'document')}")
    print()
    rows = [(f"{level.step}, level {level.level}", level.expected) for level in estimate.levels]
    rows += [("expected", estimate.expected), ("at most", estimate.most)]
    tables.show(("", *_PLANNED), [(name, *_planned(totals)) for name, totals in rows])
    if estimate.stored:
        print(f"\nBeside these, {plural(estimate.stored, 'reply')} from the store cost nothing.")
    if not estimate.exact:
        print("\nTokens are estimates that err high: no tokenizer of this model is known.")


def count(paths: list[str], model: str | None, tokenizer: str | None, *, estimate: bool, as_json: bool) -> int:
    """Print tokens per file and in all; 3 where some could not be read, 1 where none could."""
    from promptops.tokens import counter

    by = counter(model, tokenizer=tokenizer or (None if model else "o200k_base"), estimate=estimate)
    found = documents.find(paths)
    counted: list[tuple[str, int]] = []
    for source in found:
        try:
            counted.append((jsonable.printable(source.name), by.count(documents.load(source).text)))
        except DocumentError as failure:
            note(str(failure))
    if not counted:
        return 1
    total = sum(tokens for _, tokens in counted)
    if as_json:
        files = [{"source": name, "tokens": tokens} for name, tokens in counted]
        tables.json({"tokenizer": by.name, "exact": by.exact, "files": files, "tokens": total})
    else:
        mark = "" if by.exact else " (estimate)"
        rows = [(f"{tokens:,}", name) for name, tokens in counted]
        if len(rows) > 1:
            rows.append((f"{total:,}", f"all, by {by.name}{mark}"))
        else:
            rows = [(tokens, f"{name}, by {by.name}{mark}") for tokens, name in rows]
        tables.show(None, rows, right=1)
    return 3 if len(counted) < len(found) else 0


def ledger(by: str, run: str | None, store: str, *, as_json: bool) -> None:
    """Print what was spent."""
    if by not in GROUPINGS:
        raise UsageError(f"--by {by!r}: choose one of {', '.join(GROUPINGS)}")
    if not os.path.exists(store):
        raise NotFoundError(f"no store at {store!r} yet; a run makes one, --store FILE names another")
    database = Database(store)
    rows = Ledger(database).rows(by, run)
    database.close()
    if run is not None and not rows:
        raise NotFoundError(f"no run {run!r} in {store}; see them with: promptops ledger")
    if as_json:
        tables.json([jsonable.ledger(row) for row in rows])
        return
    lines = [(_key(row, by), *_figures(row.totals)) for row in rows]
    known = [row.totals for row in rows if not row.possibly_billed]
    lines.append(("in all", *_figures(Totals.sum(known))))
    tables.show((by, *_FIGURES), lines)
    failed = sum(row.failed for row in rows)
    if failed:
        print(f"\n{plural(failed, 'attempt')} failed and cost nothing.")


def inspect(path: str, context: int | None, parallel: int, *, as_json: bool) -> None:
    """Print what a GGUF file is."""
    from promptops.local.inspect import inspect as look

    found = look(path, context=context, parallel=parallel)
    if as_json:
        tables.json(found.as_dict())
    else:
        tables.show(None, list(found.lines()), right=0)


def _planned(totals: Totals) -> Sequence[str]:
    calls, given, _, output, usd = _figures(totals)
    return calls, given, output, usd


def _figures(totals: Totals) -> Sequence[str]:
    return (
        f"{totals.calls:,}",
        f"{totals.input_tokens:,}",
        f"{totals.cached_input_tokens:,}",
        f"{totals.output_tokens:,}",
        dollars(totals.usd),
    )


def _key(row: Row, by: str) -> str:
    name = row.key or ("(all documents)" if by == "document" else "(none)")
    if row.possibly_billed:
        return f"{name}, possibly billed, at most"
    return f"{name} (partly estimates)" if row.estimated else name
