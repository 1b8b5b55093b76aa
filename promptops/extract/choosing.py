"""Which sentences go into so many words: the best first, each one's worth less what those already taken say.

Maximal marginal relevance: Carbonell & Goldstein, "The Use of MMR, Diversity-Based Reranking" (1998).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from promptops.extract.terms import Floats, Vectors

REDUNDANCY = 0.8


def choose(scores: Floats, vectors: Vectors, lengths: Sequence[int], budget: int, redundancy: float = REDUNDANCY) -> list[int]:
    """The numbers of the chosen sentences, best first; their ``lengths`` never add up to more than ``budget``."""
    sizes = np.asarray(lengths)
    likeness = np.zeros(len(sizes))
    open_ = sizes <= budget
    chosen: list[int] = []
    while open_.any():
        worth = np.where(open_, scores - redundancy * likeness, -np.inf)
        best = int(worth.argmax())
        chosen.append(best)
        budget -= int(sizes[best])
        likeness = np.maximum(likeness, vectors.times(vectors.row(best)))
        open_ &= sizes <= budget
        open_[best] = False
    return chosen
