"""What cutting costs at each kind of border, in one unit: the scale on which a plan weighs them."""

from __future__ import annotations

SECTION = 0
PARAGRAPH = 1
ITEM = 2
ENDED = 3
"""A line break after a sentence end."""
SENTENCE = 4
LINE = 6
ENDING = 8
"""A sentence end that no mark shows: a Korean verb's final ending, a space in a script that has none between words."""
ROW = 10
CLAUSE = 14
BROKEN_CLAUSE = 16
"""A full stop that ends no sentence."""
BEFORE_BREAK = 25
ORPHAN = 28
"""Between a heading and its text."""
WORD = 38
WRAP = 38
"""A line break that only wraps a line."""
INSIDE = 60
"""Inside a word."""
GAP = 70
"""A grapheme border inside a token."""

BETWEEN_BREAKS = 3
"""Added between line breaks that stand side by side."""
ROW_TORN = 20
"""Added inside a row of a table."""
LONG_TORN = 10
"""Added inside a code fence that cannot fit."""
TORN = 1000
"""Added inside one that fits: more than any other border costs, so that it is cut only where nothing else goes."""
FORBIDDEN = 1 << 20
"""No cut here: beyond any sum of other costs that a plan could weigh it against."""
