"""A source text cut wherever something begins or ends, so that what overlaps can be marked without being nested.

Offsets are characters as Python counts them. The text is cut here, once: a browser counts in UTF-16 and would cut
elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from promptops.plans.results import Place, Span
from promptops.types import SpanStatus


@dataclass(frozen=True, slots=True)
class Cited:
    """A place that an answer rests on, and what the answer calls it, where it has a name for it."""

    place: Place
    label: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a source inside which nothing begins or ends.

    ``fate`` is the coverage span that begins with it. ``labels`` are what answers call the places that begin with it;
    ``cited`` says whether any of them rests on it at all.
    """

    start: int
    end: int
    text: str
    status: SpanStatus
    fate: Span | None
    cited: bool
    labels: tuple[str, ...]


def located(text: str, cited: Cited) -> bool:
    """Whether the words of a place stand where it says."""
    place = cited.place
    return 0 <= place.start < place.end and text[place.start : place.end] == place.text


def segments(text: str, coverage: Sequence[Span], cited: Sequence[Cited], borders: Iterable[int]) -> Iterator[Segment]:
    """``text`` in order and whole; ``coverage`` tiles it, ``cited`` are located in it."""
    spans = {span.start: span for span in coverage if span.end > span.start}
    labels: defaultdict[int, dict[str, None]] = defaultdict(dict)
    changes: defaultdict[int, int] = defaultdict(int)
    for found in cited:
        if found.label:
            labels[found.place.start][found.label] = None
        changes[found.place.start] += 1
        changes[found.place.end] -= 1
    inside = {border for border in borders if 0 < border < len(text)}
    cuts = sorted({0, len(text), *inside, *spans, *changes})
    depths = accumulate(changes[cut] for cut in cuts)
    status: SpanStatus = "ok"
    for (start, end), depth in zip(pairwise(cuts), depths, strict=False):
        fate = spans.get(start)
        status = fate.status if fate is not None else status
        yield Segment(start, end, text[start:end], status, fate, depth > 0, tuple(labels[start]))
