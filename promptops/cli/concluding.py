"""What is said when a run is over: what it came to, what is lacking, and how to go on."""

from __future__ import annotations

from promptops.cli.asking import Asked, command
from promptops.cli.printing import note
from promptops.drivers.result import Result
from promptops.plans.results import CorpusResult
from promptops.report.folder import INDEX
from promptops.report.words import duration, packed, plural, spent


def conclude(result: Result, asked: Asked) -> None:
    """Say it on standard error, a line each."""
    note(f"{result.status}: {result.model} · {spent(result.usage)} · {duration(result.seconds)}")
    if result.packing.prompts:
        note(packed(result.packing))
    counts = result.counts
    if counts and not set(counts) - {"empty"}:
        whole = sum(counts.values())
        note(f"there was nothing to read: {'the document is' if whole == 1 else f'all {whole:,} documents are'} empty")
    elif result.model == "extractive":
        note("sentences picked from the documents; no model was asked. --model openai:NAME asks one")
    for path in asked.written:
        note(f"written to {path / INDEX if path == asked.out else path}")
    cut = result.status == "incomplete" and not result.lacking
    if result.reason and (cut or result.stopped or "--min-coverage" in result.reason):
        note(f"{result.reason}{_others(result, asked)}")
    if result.corpus is not None:
        _of_all(result.corpus, result.reason)
    if (result.status == "incomplete" or result.stopped) and result.again:
        note("to go on, paying nothing twice: ", command(asked))


def _of_all(corpus: CorpusResult, reason: str | None) -> None:
    """What is to be said of the answer over all documents."""
    if corpus.error and corpus.error != reason:
        note(f"overview: {corpus.error}")
    for said in corpus.notes:
        note(f"overview: {said}")
    if corpus.left_out:
        note(f"overview: {plural(corpus.left_out, 'passage')} did not fit its prompt (--set reduce_tokens=N)")


def _others(result: Result, asked: Asked) -> str:
    """How many documents there are beside the first one that has no whole answer, and where they are named."""
    if result.lacking < 2:
        return ""
    where = f"see {asked.out / INDEX}" if asked.out is not None else "--out DIR or --json names them"
    return f" (and {plural(result.lacking - 1, 'more document')}{'' if asked.json else f': {where}'})"
