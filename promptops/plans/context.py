"""What a part is told of what stands around it: the headings above it, and the edges of its neighbours.

Both are the document's own text. An edit near a border then also changes what its neighbours are asked, so a step has
to say that it wants them (``context: [headings, neighbours]``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from promptops.chunking import cores
from promptops.chunking.headings import heading_paths
from promptops.plans.halves import Part
from promptops.plans.question import SURROUNDING, Context
from promptops.plans.spec import Spec
from promptops.text import sentences
from promptops.tokens import truncate
from promptops.types import Chunk, Counter, Document

_SEEN = 600
"""Characters of a neighbour that are looked at for its last or first sentence."""
_BETWEEN = " / "


@dataclass(frozen=True, slots=True)
class Around:
    """The surroundings of a document's parts, as far as ``kinds`` asks for them."""

    text: str
    kinds: tuple[Context, ...]
    counter: Counter
    starts: list[int]
    paths: list[tuple[str, ...]]

    @classmethod
    def of(cls, document: Document, chunks: Sequence[Chunk], spec: Spec, step: str) -> Around:
        """Those of the parts that ``chunks`` make."""
        kinds = spec.steps[step].context
        paths = heading_paths(document.text, chunks, document.format) if "headings" in kinds else []
        return cls(document.text, kinds, spec.models[step].counter, [start for start, _ in cores(chunks)], paths)

    def inputs(self, part: Part) -> dict[str, str]:
        """What the template is given; each is empty where there is nothing."""
        given: dict[str, str] = {}
        if "headings" in self.kinds:
            path = self.paths[bisect_right(self.starts, part.start) - 1]
            given["section"] = truncate(_BETWEEN.join(path), SURROUNDING, counter=self.counter, keep="tail")
        if "neighbours" in self.kinds:
            given |= {"before": self._before(part.end - len(part.text)), "after": self._after(part.end)}
        return given

    def _before(self, end: int) -> str:
        """The last sentence in front of a part's text."""
        seen = self.text[max(end - _SEEN, 0) : end].rstrip()
        last = sentences(seen)[-1].of(seen) if seen else ""
        return truncate(last.strip(), SURROUNDING, counter=self.counter, keep="tail")

    def _after(self, start: int) -> str:
        """The first sentence behind it."""
        seen = self.text[start : start + _SEEN].lstrip()
        first = sentences(seen)[0].of(seen) if seen else ""
        return truncate(first.strip(), SURROUNDING, counter=self.counter)
