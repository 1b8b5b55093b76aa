"""What the page shows of a source: its text, with what the answers rest on and what became of every span."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from promptops.documents import load
from promptops.errors import DocumentError
from promptops.plans.results import DocumentResult, Node, Place, Span
from promptops.report.encoding import printable
from promptops.report.html.segments import Cited, Segment, located, segments
from promptops.types import Source

CHANGED = "It has changed since it was read for this run, so that its spans cannot be shown in it."


@dataclass(frozen=True, slots=True)
class Traced:
    """What has to be kept of a document until its source is written."""

    name: str
    share: float | None
    """The share of its characters that the answer rests on; ``None`` where there are none."""
    coverage: tuple[Span, ...]
    cited: tuple[Cited, ...]
    borders: tuple[int, ...]

    @classmethod
    def of(cls, result: DocumentResult, cited: Sequence[Cited]) -> Traced:
        """``cited`` are the places that are in this document."""
        covered, whole = result.covered
        share = covered / whole if whole else None
        return cls(printable(result.source), share, result.coverage, tuple(cited), tuple(sorted(_borders(result.tree))))

    def dumps(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, line: str) -> Traced:
        """The same, from its line."""
        value: dict[str, Any] = json.loads(line)
        return cls(
            value["name"],
            value["share"],
            tuple(Span(**span) for span in value["coverage"]),
            tuple(Cited(Place(**cited["place"]), cited["label"]) for cited in value["cited"]),
            tuple(value["borders"]),
        )


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring spans of one status, for the strip above a text."""

    start: int
    end: int
    status: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A source on the page. Where ``why`` says that its text is missing, ``excerpts`` are all that answers rest on."""

    number: int
    kept: Traced
    text: str = ""
    title: str = ""
    why: str = ""
    cited: tuple[Cited, ...] = ()
    excerpts: tuple[Cited, ...] = ()

    @property
    def segments(self) -> Iterator[Segment]:
        """The text, cut."""
        return segments(self.text, self.kept.coverage, self.cited, self.kept.borders)

    @property
    def runs(self) -> Iterator[Run]:
        """The coverage in as few stretches as there are."""
        for status, group in groupby(self.kept.coverage, lambda span: span.status):
            spans = list(group)
            yield Run(spans[0].start, spans[-1].end, status)

    @property
    def statuses(self) -> list[tuple[str, int]]:
        """How many spans became what."""
        return Counter[str](span.status for span in self.kept.coverage).most_common()


def shown(number: int, source: Source, kept: Traced, others: Sequence[Cited]) -> Shown:
    """A source read again; ``others`` are the places in it that other answers than its own rest on."""
    cited = [*kept.cited, *others]
    try:
        document = load(source)
    except DocumentError as failure:
        return Shown(number, kept, why=str(failure), excerpts=_once(cited))
    text = document.text
    end = kept.coverage[-1].end if kept.coverage else len(text)
    if end != len(text) or not all(located(text, one) for one in kept.cited):
        return Shown(number, kept, why=CHANGED, excerpts=_once(cited))
    found = tuple(one for one in cited if located(text, one))
    missing = _once(one for one in cited if not located(text, one))
    return Shown(number, kept, text, document.title, cited=found, excerpts=missing)


def _once(cited: Iterable[Cited]) -> tuple[Cited, ...]:
    """Each place once, in the order of the text."""
    places = {(one.place.start, one.place.end): one for one in cited}
    return tuple(one for _, one in sorted(places.items()))


def _borders(tree: Sequence[Node]) -> set[int]:
    borders: set[int] = set()
    waiting = list(tree)
    while waiting:
        node = waiting.pop()
        borders |= {node.start, node.end}
        waiting += node.children
    return borders
