"""How much of a prompt is already computed somewhere, and which source to take it from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many leading tokens two sequences of the same kind share; by halving, so that comparing is done in C."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class Source:
    """A sequence in the cache: the tokens that it holds, and those that it is about to (equal where it is idle).

    ``whole`` is how many of the first held ones attended to all before them: fewer than all after a shift.
    """

    index: int
    held: Sequence[int]
    coming: Sequence[int]
    whole: int

    def now(self, prompt: Sequence[int]) -> int:
        """Leading tokens of ``prompt`` that can be had from here at once."""
        return min(common(self.held, prompt), self.whole, len(prompt) - 1)

    def later(self, prompt: Sequence[int]) -> int:
        """The same, once all that is coming is computed."""
        if self.whole < len(self.held):
            return self.now(prompt)
        return min(common(self.coming, prompt), len(prompt) - 1)


def best(prompt: Sequence[int], sources: Iterable[Source], own: int) -> tuple[int, int]:
    """The source with the longest part of ``prompt``, and its length; of equals, ``own``, which needs no copy."""
    found = [(source.now(prompt), source.index == own, source.index) for source in sources]
    length, _, index = max(found, default=(0, True, own))
    return index, length


def promised(prompt: Sequence[int], sources: Iterable[Source]) -> int:
    """The longest part of ``prompt`` that some source has or is about to have."""
    return max((source.later(prompt) for source in sources), default=0)


def shared(prompt: Sequence[int], others: Iterable[Sequence[int]]) -> int:
    """The longest part of ``prompt`` that one of ``others`` begins with too, leaving a token to compute."""
    return max((min(common(prompt, other), len(prompt) - 1) for other in others), default=0)
