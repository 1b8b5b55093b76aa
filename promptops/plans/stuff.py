"""The plan of ``stuff``: one question about the whole document, or an error that says by how much it does not fit."""

from __future__ import annotations

import json
from collections.abc import Iterable

from promptops.errors import WindowError
from promptops.plans import summing
from promptops.plans.ask import STOPPING, Partial
from promptops.plans.citations import of_part
from promptops.plans.halves import Outcome, Part, outcome
from promptops.plans.kind import Kind
from promptops.plans.map_reduce import cited
from promptops.plans.plan import Plan
from promptops.plans.question import Question
from promptops.plans.reading import each, excess, fitting
from promptops.plans.results import CorpusResult, DocumentResult
from promptops.plans.spec import TAKES, Spec
from promptops.types import Document, Source


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every document by itself."""
    spec.check(0)
    yield from each(sources, spec, over)
    return None


def over(source: Source, read: Document, spec: Spec) -> Plan[DocumentResult]:
    """One document's answer; whatever goes wrong with it is in the result. A plan of yours may be around this one."""
    title, room = fitting(read, spec, 0)
    ratio = spec.ratio(read.text)

    def question(part: Part) -> Question:
        marked = of_part(part.text, source.name, 0) if spec.cites else None
        text, places = (marked.texts[0], marked.places) if marked else (part.text, None)
        inputs = {"text": text, "title": title, "format": read.format, "partial": False}
        like = spec.models["map"].counter.count(part.text) if spec.alike("map") else None
        whole = spec.whole("map")
        about = (source.name, room, ratio)
        return Question("map", inputs, *about, like=like, whole=whole, final=True, places=places)

    part = Part(0, len(read.text), read.text)
    beyond = excess(spec, question(part))
    room = min(room, 4 * (_longest(spec, question(part)) - beyond))  # a fourth of it is what an asking again may take
    found = Outcome(part, _too_long(beyond, spec), spec.steps["map"].name)
    if beyond <= 0:
        found = yield from outcome(spec, part, question, range(TAKES))
    return _result(source.name, found, spec)


def _result(source: str, found: Outcome, spec: Spec) -> DocumentResult:
    if not isinstance(found.result, Partial):
        return summing.failure(source, [found], 1, found.result if isinstance(found.result, STOPPING) else None)
    text, citations, _ = cited(found.result, spec)
    data = json.loads(text) if spec.readable("map") else None
    tree = summing.leaves([found])
    return summing.result(
        source, [found], 1, text=text, data=data, citations=citations, tree=tree, notes=found.result.notes
    )


def _longest(spec: Spec, question: Question) -> int:
    """The tokens of the longest answer to ``question``."""
    return spec.most(question, spec.call(question, spec.prompt(question), 0))


def _too_long(tokens: int, spec: Spec) -> WindowError:
    return WindowError(
        f"the document, its instructions and an answer pass the window of {spec.models['map'].window:,} tokens by "
        f"{tokens:,}: use a chain that reads part after part (summarize, refine), or a model with a larger window"
    )


KIND = Kind("stuff", folder, {"map": ("text", "title", "format", "partial")}, ("words",), cutting=())
