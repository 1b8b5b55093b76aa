"""A plan of your own in Python: two summaries of each document side by side, then a headline from both. No key needed.

A plan is a generator: it yields calls, or plans to go on side by side, and is sent what they came to. Stock plans nest
in it (``map_reduce.over``), and so do the estimate, the budget, the store and the ledger, which know nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import promptops as po
from promptops import chains
from promptops.plans import map_reduce, summing
from promptops.plans.ask import ask
from promptops.plans.kind import Kind
from promptops.plans.map_reduce import Answered
from promptops.plans.plan import Plan
from promptops.plans.question import Question
from promptops.plans.reading import each
from promptops.plans.results import CorpusResult, DocumentResult
from promptops.plans.spec import Spec
from promptops.types import Document

FOLDER = Path(__file__).parent / "documents"


def folder(sources: Iterable[po.Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every document by itself."""
    spec.check(least=0)
    yield from each(sources, spec, over)
    return None


def over(source: po.Source, read: Document, spec: Spec) -> Plan[DocumentResult]:
    """What was decided and what it costs, under a headline; what goes wrong with a part is in its own result."""
    views = [spec.within(map=step, reduce="reduce") for step in ("decided", "costs")]
    found: list[Answered] = yield [map_reduce.over(source, read, view) for view in views]
    decided, costs = (one.result for one in found)
    if not decided.text or not costs.text:
        return decided if not decided.text else costs
    both = f"{decided.text}\n\n{costs.text}"
    question = Question("headline", {"text": both}, source.name, spec.room("headline"), found[0].ratio, level=1)
    try:
        headline = yield from ask(spec, question)
    except po.PromptopsError as failure:
        stopped = summing.stopped(failure)  # a cap or a quota, which the run will name
        return replace(decided, text=both, status="truncated", error=str(failure), stopped=stopped)
    partial = decided if decided.status == "truncated" else costs
    return replace(partial, text=f"{headline.text}\n\n{both}", tree=(*decided.tree, *costs.tree))


KIND = Kind(
    "briefing",
    folder,
    {
        "decided": ("text", "title", "format", "partial"),
        "costs": ("text", "title", "format", "partial"),
        "reduce": ("texts", "title"),
        "headline": ("text",),
    },
    settings=("words", "chunk_tokens", "reduce_tokens", "language"),
    cutting=("decided", "costs"),
    joining=("reduce",),
)

BRIEFING = chains.parse(
    """
    name: briefing
    plan: briefing
    settings: {words: 40}
    steps:
      decided: {template: summarize/map, inputs: {focus: "what was decided, and when"}}
      costs: {template: summarize/map, inputs: {focus: "what it costs, in money or in time"}}
      reduce: {template: summarize/reduce}
      headline: {template: rewrite/shorter, words: 12}
    """,
    KIND,
)


def main() -> None:
    """The estimate, then the run; a model spec in place of ``extractive`` is all that a real model takes."""
    estimate = po.plan(BRIEFING, FOLDER)
    print(f"{estimate.expected.calls} calls expected, {estimate.most.calls} at most")
    result = po.run(BRIEFING, FOLDER, po.connect("extractive"))
    for answer in result.documents:
        print(f"\n{answer.source}: {answer.text}")


if __name__ == "__main__":
    main()
