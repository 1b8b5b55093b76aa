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
    if over := _over(cap, estimate.expected):
        note(f"expected: {over}; a run would stop there, and the same command would go on")
        return INCOMPLETE
    if over := _over(cap, estimate.most):
        note(f"at most: {over}; what is expected is within the cap")
    return 0


def _over(cap: Budget, totals: Totals) -> str:
    """By which figures ``totals`` are over the cap, ``""`` where they are not."""
    amount = Amount(totals.tokens, totals.usd)
    if cap.holds(amount):
        return ""
    money, tokens = Budget(cap.max_usd), Budget(None, cap.max_tokens)
    parts = [] if money.holds(amount) else [f"{dollars(totals.usd)}, more than --max-usd {cap.max_usd:f} allows"]
    parts += (
        [] if tokens.holds(amount) else [f"{totals.tokens:,} tokens, more than --max-tokens {cap.max_tokens} allows"]
    )
    return ", and ".join(parts)


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
