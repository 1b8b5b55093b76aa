"""A span of a text: two offsets in characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """``text[start:end]``. A tuple and not a dataclass, since a long document makes tens of thousands of them."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """The characters of ``text`` it covers."""
        return text[self.start : self.end]


def tile(cuts: Iterable[int], length: int) -> Iterator[Span]:
    """Spans between rising ``cuts`` that cover ``0..length`` without a gap; cuts at either end are left out."""
    start = 0
    for cut in cuts:
        if start < cut < length:
            yield Span(start, cut)
            start = cut
    if start < length:
        yield Span(start, length)
