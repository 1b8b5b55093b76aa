"""A document's result from what became of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptops.errors import PromptopsError
from promptops.plans.ask import STOPPING, Partial
from promptops.plans.halves import Outcome
from promptops.plans.results import LOST, DocumentResult, Node


def stopping(outcomes: Sequence[Outcome]) -> PromptopsError | None:
    """What kept further calls from being sent, where something did."""
    return next((outcome.result for outcome in outcomes if isinstance(outcome.result, STOPPING)), None)


def stopped(failure: object) -> str | None:
    """The code of ``failure`` where it keeps calls from being sent."""
    return failure.code if isinstance(failure, STOPPING) else None


def answered(outcomes: Sequence[Outcome]) -> list[Partial]:
    """The answers that there are, in order."""
    return [outcome.result for outcome in outcomes if isinstance(outcome.result, Partial)]


def result(
    source: str, outcomes: Sequence[Outcome], chunks: int, *, truncated: bool = False, **found: Any
) -> DocumentResult:
    """The document's result where there is an answer: ``found`` are its text, data, citations and tree."""
    coverage = tuple(outcome.span() for outcome in outcomes)
    failed = [span for span in coverage if span.status in LOST]
    cut = truncated or failed or any(span.status == "truncated" for span in coverage)
    error = f"{len(failed)} of {len(coverage)} parts failed: {failed[0].reason}" if failed else None
    return DocumentResult(source, "truncated" if cut else "ok", chunks=chunks, coverage=coverage, error=error, **found)


def failure(source: str, outcomes: Sequence[Outcome], chunks: int, why: PromptopsError | None = None) -> DocumentResult:
    """The document's result where there is none, because of ``why`` or of what became of its parts."""
    coverage = tuple(outcome.span() for outcome in outcomes)
    reasons = (span.reason for span in coverage if span.status in LOST)
    return DocumentResult(
        source,
        "failed",
        chunks=chunks,
        coverage=coverage,
        tree=leaves(outcomes),
        error=str(why) if why is not None else next(reasons, None),
        stopped=stopped(why),
    )


def leaves(outcomes: Sequence[Outcome]) -> tuple[Node, ...]:
    """The parts as nodes, those without an answer too."""
    return tuple(outcome.node() for outcome in outcomes)


def joined(root: Node | None, outcomes: Sequence[Outcome]) -> tuple[Node, ...]:
    """The tree of the answer, and beside it the parts that never reached it."""
    lost = tuple(outcome.node() for outcome in outcomes if not isinstance(outcome.result, Partial))
    return lost if root is None else (root, *lost)
