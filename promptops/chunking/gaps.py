"""Exact grapheme borders, for the few stretches of a text where the table over pairs allows too few cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promptops.tokens.graphemes import grapheme_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fill_gap(text: str, ends: NDArray[np.int32], first: int, last: int) -> NDArray[np.intp]:
    """Move the borders strictly between two allowed ones onto grapheme ends; returns which became allowed.

    Each takes the last grapheme end at or before its own place that no earlier border has taken.
    """
    inner = np.arange(first + 1, last)
    graphemes = np.array(grapheme_ends(text, int(ends[first]), int(ends[last])), np.int64)
    places = np.searchsorted(graphemes, ends[inner], side="right") - 1
    moved = np.where(places >= 0, graphemes[places], ends[first])
    fresh = np.diff(moved, prepend=ends[first]) > 0
    allowed: NDArray[np.intp] = inner[fresh & (moved < ends[last])]
    ends[inner] = moved
    return allowed
