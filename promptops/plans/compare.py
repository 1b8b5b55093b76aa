"""The plan of ``compare``: an answer about each document, as ``map_reduce`` finds it, then one over all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, islice

from promptops.errors import UsageError
from promptops.plans import map_reduce
from promptops.plans.kind import Kind
from promptops.plans.map_reduce import Answered, Corpus
from promptops.plans.plan import Plan
from promptops.plans.reading import in_order
from promptops.plans.results import CorpusResult
from promptops.plans.spec import Spec
from promptops.types import Source

_NAME = 80
"""Characters of a document's name, its last ones, that stand before its answer."""
_AT_LEAST = 2


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every document, in order, a bounded number under way at once; then the comparison.

    Where the answers do not fit one prompt, some are compared and the comparisons joined. Raises ``UsageError`` where
    there are not two documents.
    """
    given = iter(sources)
    first = list(islice(given, _AT_LEAST))
    if len(first) < _AT_LEAST:
        raise UsageError(f"a comparison needs at least two documents; {len(first)} was given")
    spec.check(map_reduce.least(spec))
    corpus = Corpus(spec)
    yield from in_order(
        chain(first, given),
        spec,
        lambda source: map_reduce.document(source, spec),
        lambda done: done.result,
        lambda done: corpus.take(_named(done, spec)),
    )
    lacking = "a comparison needs at least two documents with an answer"
    missing = f"documents still missing: {corpus.missing}" if corpus.missing else lacking
    return (yield from corpus.finish()) or CorpusResult("failed", error=missing)


def _named(answered: Answered, spec: Spec) -> Answered:
    """The answer under the document's name, where a small window has room for it."""
    result = answered.result
    name = f"Document: {' '.join(result.source.split())[-_NAME:]}\n"
    if not result.text or 8 * (spec.wrapping("corpus") + spec.count(name)) > spec.least_room():
        return answered
    return replace(answered, result=replace(result, text=name + result.text))


KIND = Kind(
    "compare",
    folder,
    {
        "map": ("text", "title", "format", "partial"),
        "reduce": ("texts", "title", "partial"),
        "corpus": ("texts", "partial"),
    },
    ("words", "chunk_tokens", "overlap_tokens", "reduce_tokens", "focus", "language"),
    joining=("reduce", "corpus"),
)
