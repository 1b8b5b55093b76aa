"""The ledger: a row for every attempt, written before it is sent and completed when it is over.

A row that stays ``sent`` belongs to a call in flight or to a process that died with it; it may have been billed, as may
one whose connection was cut (``possibly_billed``). Such rows hold the most the attempt can have cost, marked as
estimates, and are summed apart, so that all other sums are what the provider counted. One that is ``waiting`` for its
batch to be sent has cost nothing yet, and is in no sum.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from promptops.errors import CallError, UsageError
from promptops.store.database import Database
from promptops.types import GivenUp, Tags, Totals, Usage

Grouping = Literal["run", "chain", "step", "template", "document", "model", "day"]
GROUPINGS: tuple[Grouping, ...] = ("run", "chain", "step", "template", "document", "model", "day")

attempt: ContextVar[int] = ContextVar("attempt", default=0)
"""The row of the attempt that the running task makes; 0 where none was written."""

_PICO = Decimal(10) ** 12
_SUMS = (
    "a.status IN ('sent', 'possibly_billed'), sum(a.calls), sum(a.input), sum(a.cached), sum(a.output),"
    " sum(a.reasoning), sum(a.picodollars), sum(a.picodollars IS NULL), sum(a.calls = 0), max(a.estimated)"
)
_ORDER = "GROUP BY 1, 2 ORDER BY 8 DESC, 4 DESC, 1"


@dataclass(frozen=True, slots=True)
class Row:
    """What one run, model, day … took. ``possibly_billed`` rows are the most that unanswered attempts may have cost."""

    key: str
    totals: Totals
    possibly_billed: bool = False
    failed: int = 0
    """Attempts that cost nothing because the server refused or failed them."""
    estimated: bool = False


class Ledger:
    """Writes and sums attempts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sent(self, tags: Tags, model: str, most: Usage, usd: Decimal | None, given_up: Sequence[GivenUp] = ()) -> int:
        """Record an attempt that is about to be sent, at the most it can cost; returns its row.

        ``given_up`` is what was left out of its prompt.
        """
        with self._database.together():
            row = self._sent(tags, model, most, usd)
            for part in given_up:
                values = (row, self._database.name(part.name), part.before, part.after)
                self._database.execute("INSERT INTO given_up VALUES (?, ?, ?, ?)", values)
            return row

    def given_up(self, run: str | None = None) -> list[GivenUp]:
        """What was left out of prompts so that they fit, by the name of the section, over all attempts or a run's."""
        where = "WHERE a.run = (SELECT id FROM names WHERE name = ?)" if run is not None else ""
        joined = f"given_up g JOIN names n ON n.id = g.name JOIN attempts a ON a.id = g.attempt {where}"
        statement = f"SELECT n.name, sum(g.before), sum(g.after) FROM {joined} GROUP BY 1 ORDER BY 1"  # noqa: S608 - ours
        rows = self._database.query(statement, () if run is None else (run,))
        return [GivenUp(name, before, after) for name, before, after in rows]

    def _sent(self, tags: Tags, model: str, most: Usage, usd: Decimal | None) -> int:
        name = self._database.name
        return self._database.execute(
            "INSERT INTO attempts (at, run, chain, step, template, document, model, status, calls, input, cached,"
            " output, reasoning, picodollars, estimated) VALUES (?, ?, ?, ?, ?, ?, ?, 'sent', 1, ?, ?, ?, ?, ?, 1)",
            (
                time.time(),
                *(name(text) for text in (tags.run, tags.chain, tags.step, tags.template, tags.document, model)),
                *_tokens(most),
                _pico(usd),
            ),
        )

    def answered(self, row: int, usage: Usage, usd: Decimal | None, seconds: float, request: str | None) -> None:
        """Complete an attempt whose usage is known."""
        self._complete(row, "ok", 1, usage, usd, seconds, request)

    def failed(self, row: int, error: CallError, usd: Decimal | None, seconds: float) -> None:
        """Complete an attempt without an answer: billed as the provider said, possibly billed, or free."""
        if error.usage is not None:
            self._complete(row, error.code, 1, error.usage, usd, seconds, error.request_id)
        elif error.billed:
            statement = "UPDATE attempts SET status = 'possibly_billed', seconds = ?, request = ? WHERE id = ?"
            self._database.execute(statement, (seconds, error.request_id, row))
        else:
            self._complete(row, error.code, 0, Usage(), Decimal(0), seconds, error.request_id)

    def rows(self, by: Grouping, run: str | None = None) -> list[Row]:
        """Sums by ``by``, the largest first; of one run where ``run`` is given."""
        by = grouping(by)
        key = "date(a.at, 'unixepoch', 'localtime')" if by == "day" else "n.name"
        join = "" if by == "day" else f"JOIN names n ON n.id = a.{by}"
        where = "AND a.run = (SELECT id FROM names WHERE name = ?)" if run is not None else ""
        statement = f"SELECT {key}, {_SUMS} FROM attempts a {join} WHERE a.status != 'waiting' {where} {_ORDER}"  # noqa: S608 - by is one of ours
        return [_row(values) for values in self._database.query(statement, () if run is None else (run,))]

    def _complete(
        self, row: int, status: str, calls: int, usage: Usage, usd: Decimal | None, seconds: float, request: str | None
    ) -> None:
        self._database.execute(
            "UPDATE attempts SET status = ?, calls = ?, input = ?, cached = ?, output = ?, reasoning = ?,"
            " picodollars = ?, estimated = ?, seconds = ?, request = ? WHERE id = ?",
            (status, calls, *_tokens(usage), _pico(usd), usage.estimated, seconds, request, row),
        )


def grouping(by: str) -> Grouping:
    """``by`` as a key of the ledger; raises ``UsageError`` where it is none."""
    found: Grouping | None = next((key for key in GROUPINGS if key == by), None)
    if found is None:
        raise UsageError(f"the ledger is not summed by {by!r}: choose one of {', '.join(GROUPINGS)}")
    return found


def _tokens(usage: Usage) -> Sequence[int]:
    return usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens


def _pico(usd: Decimal | None) -> int | None:
    return None if usd is None else int((usd * _PICO).to_integral_value())


def _row(values: tuple[Any, ...]) -> Row:
    key, unknown, calls, given, cached, output, reasoning, pico, unpriced, failed, estimated = values
    usd = None if unpriced else Decimal(pico or 0) / _PICO
    totals = Totals(calls, given, cached, output, reasoning, usd)
    return Row(key, totals, bool(unknown), failed, bool(estimated))
