"""The command ``plan``."""

from __future__ import annotations

from typing import Any

from promptops import api
from promptops.cli import printing
from promptops.cli.printing import note, without_answer
from promptops.plans.settings import Settings
from promptops.report import jsonable
from promptops.report.words import plural
from promptops.types import Totals

_COLUMNS = tuple(name for name in printing.FIGURES if name != "cached")


def plan(
    chain: str, paths: list[str], model: str, known: dict[str, Any], settings: dict[str, Any], *, as_json: bool
) -> None:
    """Print an estimate."""
    Settings().updated(settings)  # or one named like an option would be taken for it
    estimate = api.plan(chain, paths, model, **known, **settings)
    for found in estimate.unreadable:
        note(without_answer(found))
    if as_json:
        printing.json(jsonable.estimate(estimate))
        return
    print(f"{estimate.chain} · {estimate.model} · {plural(estimate.documents, 'document')}")
    print()
    rows = [(f"{level.step}, level {level.level}", level.expected) for level in estimate.levels]
    rows += [("expected", estimate.expected), ("at most", estimate.most)]
    printing.table(("", *_COLUMNS), [(name, *_planned(totals)) for name, totals in rows])
    if estimate.stored:
        print(f"\nBeside these, {plural(estimate.stored, 'reply')} from the store cost nothing.")
    if not estimate.exact:
        print("\nTokens are estimates that err high: no tokenizer of this model is known.")


def _planned(totals: Totals) -> tuple[str, ...]:
    calls, given, _, output, usd = printing.figures(totals)
    return calls, given, output, usd
