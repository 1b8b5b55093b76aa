"""The plan of ``refine`` and ``compress``: part after part, each with the answer so far.

A part without an answer leaves its span marked, and the answer so far goes on to the next. Since an answer takes a
quarter of the room at most (see ``spec``), a part, the answer so far and the next answer always fit one window.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from promptops.errors import PromptopsError
from promptops.plans import summing
from promptops.plans.ask import STOPPING, Partial
from promptops.plans.context import Around
from promptops.plans.halves import Outcome, Part, about_half, halved, outcome, says_something, to_be_divided
from promptops.plans.kind import Kind
from promptops.plans.plan import Plan
from promptops.plans.question import Question
from promptops.plans.reading import each, fitting, parts
from promptops.plans.results import CorpusResult, DocumentResult, Node
from promptops.plans.spec import TAKES, Spec
from promptops.types import Document, Source

_BORDERS = 8
_DEEPEST = 100
"""Nodes of a chain that hang below each other; a longer one comes in several pieces, which any JSON reader can read."""


def folder(sources: Iterable[Source], spec: Spec) -> Plan[CorpusResult | None]:
    """Every document by itself."""
    spec.check(_least(spec))
    yield from each(sources, spec, over)
    return None


def over(source: Source, read: Document, spec: Spec) -> Plan[DocumentResult]:
    """One document's answer; whatever goes wrong with it is in the result. A plan of yours may be around this one."""
    title, room = fitting(read, spec, _least(spec))
    budget = min(spec.chunk_tokens("refine"), room - room // 2 - _around(spec))
    overlap = min(spec.overlap_tokens("refine"), budget // 2)
    chunks = yield from parts(source, read, spec.models["refine"].counter, budget, overlap)
    if isinstance(chunks, DocumentResult):
        return chunks
    whole = Part.of(chunks)
    end = max((part.end for part in whole if says_something(part.text)), default=0)
    refined = _Refined(read, spec, title, room, spec.ratio(read.text), Around.of(read, chunks, spec, "refine"), end)
    outcomes: list[Outcome] = []
    for part in whole:
        outcomes += yield from refined.take(part)
    return refined.result(outcomes, len(chunks))


@dataclass(slots=True)
class _Refined:
    """The answer so far, the chain of questions that it came by, and what keeps further ones from being asked."""

    document: Document
    spec: Spec
    title: str
    room: int
    ratio: float
    around: Around
    end: int
    """Where the last part that is asked about ends."""
    text: str = ""
    chain: list[Node] = field(default_factory=list)
    """Its pieces, the last one growing."""
    depth: int = 0
    stopped: PromptopsError | None = None

    def take(self, part: Part) -> Plan[list[Outcome]]:
        """What became of the next part; of its halves, one after the other, where it had no answer whole."""
        if self.stopped is not None:
            return [Outcome(part, self.stopped, self.spec.steps["refine"].name)]
        whole = yield from outcome(self.spec, part, self._question, range(TAKES))
        counter = self.spec.models["refine"].counter
        halves = halved(part, counter) if to_be_divided(self.spec, whole.result) else []
        if not halves:
            return [self._heard(whole)]
        found, of_half = [], about_half(self.spec, part, self._question)
        for half in halves:
            one = yield from outcome(self.spec, half, of_half, (TAKES,))
            found.append(self._heard(one))
        return found

    def result(self, outcomes: Sequence[Outcome], chunks: int) -> DocumentResult:
        """The last answer, as that of the document."""
        source = self.document.source
        if self.stopped is not None or not self.text:
            return summing.failure(source, outcomes, chunks, self.stopped)
        data = json.loads(self.text) if self.spec.readable("refine") else None
        tree = (*self.chain, *summing.joined(None, outcomes))
        notes = summing.answered(outcomes)[-1].notes
        return summing.result(source, outcomes, chunks, text=self.text, data=data, tree=tree, notes=notes)

    def _question(self, part: Part) -> Question:
        last = part.end == self.end
        inputs = {
            "text": part.text,
            "summary": self.text,
            "title": self.title,
            "format": self.document.format,
            "partial": not last,
            **self.around.inputs(part),
        }
        whole = self.spec.steps["refine"].template.checked
        return Question("refine", inputs, self.document.source, self.room, self.ratio, whole=whole, final=last)

    def _heard(self, one: Outcome) -> Outcome:
        if isinstance(one.result, Partial):
            self.text = one.result.text
            self._link(one.node())
        elif isinstance(one.result, STOPPING):
            self.stopped = one.result
        return one

    def _link(self, node: Node) -> None:
        if self.chain and self.depth < _DEEPEST:
            self.chain[-1] = replace(node, children=(self.chain[-1],))
            self.depth += 1
        else:
            self.chain.append(node)
            self.depth = 1


def _around(spec: Spec) -> int:
    """The tokens that the answer so far takes beside itself."""
    bare = spec.room("refine")
    return bare - spec.room("refine", summary="x") + _BORDERS


def _least(spec: Spec) -> int:
    """The room that a part, the answer so far and the next answer take at least, in tokens."""
    return 8 * _around(spec)


KIND = Kind(
    "refine",
    folder,
    {"refine": ("text", "summary", "title", "format", "partial")},
    ("words", "chunk_tokens", "overlap_tokens"),
    cutting=("refine",),
)
