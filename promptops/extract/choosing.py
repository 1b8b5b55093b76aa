"""Which sentences go into so much room: the best first, each one's worth less what those already taken say.

Maximal marginal relevance: Carbonell & Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents
and Producing Summaries" (1998).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from promptops.extract.terms import Floats, Vectors

REDUNDANCY = 1.4  # what a sentence loses that is all said already
FOLLOW = 0.2  # what a sentence gains when the one before it in its paragraph is taken, since the two read on
BALANCE = 0.35  # what the sentences of a part lose each time one of them is taken
_LITTLE = 0.2  # the share of the room from which only better sentences than …
_FLOOR = 0.6  # … this share of all may fill it up: a gap reads better than a filler
_SAME = 0.95  # a likeness from which two sentences are one

Whole = npt.NDArray[np.int64]


def choose(scores: Floats, vectors: Vectors, *, costs: Whole, room: Whole, follows: Whole, parts: Whole) -> list[int]:
    """The numbers of the chosen sentences, best first.

    ``costs`` has a row for each unit (words, tokens …) and a column for each sentence; no row of the chosen adds up to
    more than its ``room``. ``follows`` is 1 where a sentence continues the one before it; ``parts`` says which part of
    the material each is from. Time is that of one pass over the terms for each sentence chosen.
    """
    scores = scores.copy()
    likeness = np.zeros(len(scores))
    several = bool((parts != parts[:1]).any())
    floor, little = np.quantile(scores, _FLOOR), room * _LITTLE
    fits = (costs <= room[:, None]).all(axis=0)
    chosen: list[int] = []
    while fits.any():
        best = int(np.where(fits, scores - REDUNDANCY * likeness, -np.inf).argmax())
        chosen.append(best)
        room = room - costs[:, best]
        likeness = np.maximum(likeness, vectors.times(vectors.row(best)))
        fits &= (costs <= room[:, None]).all(axis=0) & (likeness < _SAME)
        fits[best] = False
        if best + 1 < len(scores):
            scores[best + 1] += FOLLOW * follows[best + 1]
        if several:
            scores[parts == parts[best]] -= BALANCE
        if (room < little).any():
            fits &= scores >= floor
    return chosen
