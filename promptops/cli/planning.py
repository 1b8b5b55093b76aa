"""The command ``plan``."""

from __future__ import annotations

from typing import Any

from promptops import api
from promptops.budget import Amount, Budget
from promptops.cli import printing
from promptops.cli.printing import note, without_answer
from promptops.drivers.estimate import Estimate
from promptops.plans.settings import Settings
from promptops.prices import dollars
from promptops.report import jsonable
from promptops.report.words import plural
from promptops.types import Totals

INCOMPLETE = 3
_COLUMNS = tuple(name for name in printing.FIGURES if name != "cached")


def plan(
    chain: str,
    paths: list[str],
    model: str,
    known: dict[str, Any],
    settings: dict[str, Any],
    cap: Budget,
    *,
    as_json: bool,
) -> int:
    """Print an estimate; 3 where a run is expected to stop at its cap."""
    Settings().updated(settings)  # or one named like an option would be taken for it
    estimate = api.plan(chain, paths, model, **known, **settings)
    for found in estimate.unreadable:
        note(without_answer(found))
    if as_json:
        printing.json(jsonable.estimate(estimate))
    else:
        _show(estimate)
    return _held_against(cap, estimate)


def _held_against(cap: Budget, estimate: Estimate) -> int:
    """Say where the cap would stop the run."""
    expected, most = (Amount(part.tokens, part.usd) for part in (estimate.expected, estimate.most))
    if not cap.holds(expected):
        note("more is expected than the cap allows; a run would stop at it, and the same command would go on")
        return INCOMPLETE
    if not cap.holds(most):
        note("the cap holds what is expected, but not the most that a run can take")
    return 0


def _show(estimate: Estimate) -> None:
    print(f"{estimate.chain} · {estimate.model} · {plural(estimate.documents, 'document')}")
    print()
    expected = [level for level in estimate.levels if level.expected.calls]  # others are only in the bound
    rows = [(f"{level.step}, level {level.level}", level.expected) for level in expected]
    rows += [("expected", estimate.expected), ("at most", estimate.most)]
    printing.table(("", *_COLUMNS), [(name, *_planned(totals)) for name, totals in rows])
    if estimate.at_once is not None:
        known = "At the batch price" if estimate.expected.usd is not None else "No batch price of this model is known"
        print(f"\n{known}; without --batch, {dollars(estimate.at_once)} would be expected.")
    if estimate.stored:
        print(f"\nBeside these, {plural(estimate.stored, 'reply')} from the store cost nothing.")
    if not estimate.exact:
        print("\nTokens are estimates that err high: no tokenizer of this model is known.")


def _planned(totals: Totals) -> tuple[str, ...]:
    calls, given, _, output, usd = printing.figures(totals)
    return calls, given, output, usd
