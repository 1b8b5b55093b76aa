"""The option ``--diff``: what a run would send again, and why."""

from __future__ import annotations

from typing import Any

from promptops import api
from promptops.cli import printing
from promptops.drivers.difference import Changed, Difference
from promptops.plans.settings import Settings
from promptops.report import jsonable
from promptops.report.encoding import printable
from promptops.report.words import plain, plural, spent


def show(
    chain: str, paths: list[str], model: str, known: dict[str, Any], settings: dict[str, Any], *, as_json: bool
) -> int:
    """Print it; returns the exit status."""
    Settings().updated(settings)  # or one named like an option would be taken for it
    found = api.diff(chain, paths, model, **known, **settings)
    if as_json:
        printing.json(_as_json(found))
        return 0
    for part in found.changed:
        name = printable(part.source) if part.source else "overview"
        print(f"{plain(name)}: {'; '.join(part.reasons)}: {spent(part.totals)}")
    print(f"{plural(found.unchanged, 'document')} would cost nothing.")
    print(f"In all: {spent(found.totals)}")
    return 0


def _as_json(found: Difference) -> dict[str, Any]:
    return {
        "changed": [_changed(part) for part in found.changed],
        "unchanged": found.unchanged,
        "usage": jsonable.usage(found.totals),
    }


def _changed(part: Changed) -> dict[str, Any]:
    return {"source": part.source or None, "reasons": list(part.reasons), "usage": jsonable.usage(part.totals)}
