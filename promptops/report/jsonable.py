"""Results as plain JSON values, and one JSON object written piece by piece so that a large folder is never held."""

from __future__ import annotations

from dataclasses import asdict, replace
from decimal import Decimal
from typing import IO, Any

from promptops.drivers.estimate import Estimate
from promptops.drivers.result import Result
from promptops.plans.results import CorpusResult, DocumentResult, Node
from promptops.report.encoding import dumps, printable
from promptops.report.words import share
from promptops.store import Row
from promptops.types import Totals

_BEGIN = '{"documents": [\n'


def usage(totals: Totals) -> dict[str, Any]:
    """The six figures; ``usd`` is a number of US dollars or ``None`` where no price is known."""
    return {**asdict(totals), "usd": money(totals.usd)}


def sent(totals: Totals) -> dict[str, Any]:
    """What a whole run sent: the six figures, and the share of its input that came from the provider's cache."""
    return {**usage(totals), "cache_hit_rate": round(totals.cache_hit_rate, 4)}


def money(usd: Decimal | None) -> float | None:
    """US dollars as a JSON number."""
    return None if usd is None else float(usd)


def document(result: DocumentResult) -> dict[str, Any]:
    """One document's result."""
    return {**_answer(result), "source": printable(result.source)}


def _answer(result: DocumentResult | CorpusResult) -> dict[str, Any]:
    fields = asdict(replace(result, tree=()))
    del fields["stopped"]
    for citation in fields["citations"]:
        for place in citation["places"]:
            place["source"] = printable(place["source"])
    return {**fields, "tree": [node(root) for root in result.tree], "usage": usage(result.usage)}


def node(value: Node) -> dict[str, Any]:
    """One question of a tree and those below it, without the answers that they came to."""
    return {
        "step": value.step,
        "level": value.level,
        "start": value.start,
        "end": value.end,
        "status": value.status,
        "reason": value.reason,
        "usage": usage(value.usage),
        "children": [node(child) for child in value.children],
    }


def corpus(result: CorpusResult | None) -> dict[str, Any] | None:
    """The result over the folder."""
    return None if result is None else _answer(result)


def estimate(value: Estimate | None) -> dict[str, Any] | None:
    """An estimate: the expected figures, and the most a run can take under ``most``."""
    if value is None:
        return None
    return {
        "chain": value.chain,
        "model": value.model,
        "documents": value.documents,
        "unreadable": [
            {"source": printable(found.source), "status": found.status, "error": found.error}
            for found in value.unreadable
        ],
        **usage(value.expected),
        "most": usage(value.most),
        "levels": [
            {"step": level.step, "level": level.level, **usage(level.expected), "most": usage(level.most)}
            for level in value.levels
        ],
        "stored": value.stored,
        "usd_at_once": money(value.at_once),
        "window": value.window,
        "exact": value.exact,
    }


def ledger(row: Row) -> dict[str, Any]:
    """One row of the ledger."""
    return {
        "key": row.key,
        **usage(row.totals),
        "possibly_billed": row.possibly_billed,
        "failed_attempts": row.failed,
        "estimated": row.estimated,
    }


class ObjectWriter:
    """Writes ``{"documents": [...], ...}`` to a stream, document by document, as one valid object.

    Each piece ends its line, so that a terminal may show something else in between.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._any = False
        self._ended = False

    def add(self, result: DocumentResult) -> None:
        """Write one document."""
        self._stream.write(f"{',' if self._any else _BEGIN}{dumps(document(result), self._stream)}\n")
        self._any = True

    def close(self, rest: dict[str, Any]) -> None:
        """Write everything else and end the object, once."""
        if self._ended:
            return
        self._ended = True
        self._stream.write("]" if self._any else f"{_BEGIN}]")
        for name, value in rest.items():
            self._stream.write(f",\n{dumps(name)}: {dumps(value, self._stream)}")
        self._stream.write("}\n")
        self._stream.flush()


def rest(result: Result) -> dict[str, Any]:
    """What a run's object holds beside its documents."""
    return {
        "run": result.run,
        "chain": result.chain,
        "model": result.model,
        "status": result.status,
        "corpus": corpus(result.corpus),
        "coverage": share(result.coverage),
        "usage": sent(result.usage),
        "estimate": estimate(result.estimate),
    }
