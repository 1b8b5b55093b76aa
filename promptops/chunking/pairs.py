"""Tables over pairs of character classes: what a cut between the two costs, and where pre-tokenizers split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promptops.chunking.costs import (
    BEFORE_BREAK,
    CLAUSE,
    ENDING,
    FORBIDDEN,
    INSIDE,
    LINE,
    SENTENCE,
    WORD,
)
from promptops.tokens import characters as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_LINE, AT_STOP, AT_CLOSER, AT_KOREAN, AT_UNKNOWN = 1, 2, 3, 4, 5
"""The closer looks that a pair may need."""
LOOK = 1 << 24
"""Where in a cost of the table the closer look stands, beyond every cost."""


def _cost_table() -> NDArray[np.int32]:
    cost = np.full((c.KINDS, c.KINDS), INSIDE - 10, np.int32)
    special = np.zeros((c.KINDS, c.KINDS), np.int32)
    letters = list(c.LETTERS)
    cost[np.ix_([*letters, c.MARK, c.LINKER], letters)] = INSIDE
    cost[c.DIGIT, c.DIGIT] = INSIDE
    cost[np.ix_([c.CJK, c.HANGUL, c.HANGUL_END], [c.CJK])] = INSIDE - 15
    cost[[c.STOP, c.BANG, c.SLASH, c.APOSTROPHE]] = INSIDE - 5
    cost[:, [c.STOP, c.BANG, c.WIDE_STOP, c.CLAUSE, c.WIDE_CLAUSE, c.CLOSER, c.APOSTROPHE]] = INSIDE + 5
    cost[c.OPENER] = INSIDE + 5
    _clauses_and_words(cost)
    _sentences(cost, special)
    _breaks(cost, special)
    _clusters(cost)
    special[c.UNKNOWN], special[:, c.UNKNOWN] = AT_UNKNOWN, AT_UNKNOWN
    special[c.UNKNOWN, c.ODD] = 0
    return (cost + special * LOOK).ravel()


def _clauses_and_words(cost: NDArray[np.int32]) -> None:
    cost[:, c.OPENER] = np.minimum(cost[:, c.OPENER], WORD + 10)
    cost[:, c.SPACE] = WORD
    cost[c.SEA, c.SPACE] = ENDING
    cost[c.CLAUSE, c.SPACE] = CLAUSE
    cost[c.SPACE] = WORD + 4
    for first in (*c.LETTERS, c.DIGIT, c.OPENER, c.SPACE):
        cost[c.WIDE_CLAUSE, first] = CLAUSE


def _sentences(cost: NDArray[np.int32], special: NDArray[np.int32]) -> None:
    starts = [*c.LETTERS, c.DIGIT, c.OPENER, c.SPACE, c.SYMBOL, c.BULLET]
    cost[c.WIDE_STOP, starts] = SENTENCE
    cost[c.BANG, [c.SPACE, c.CJK, c.HANGUL, c.HANGUL_END]] = SENTENCE
    cost[c.STOP, [c.CJK, c.HANGUL, c.HANGUL_END]] = CLAUSE
    special[c.STOP, c.SPACE] = AT_STOP
    special[np.ix_([c.CLOSER, c.APOSTROPHE], [c.SPACE, c.CJK, c.HANGUL, c.HANGUL_END, c.OPENER])] = AT_CLOSER
    special[c.HANGUL_END, c.SPACE] = AT_KOREAN


def _breaks(cost: NDArray[np.int32], special: NDArray[np.int32]) -> None:
    cost[:, [c.NEWLINE, c.RETURN]] = BEFORE_BREAK
    cost[[c.NEWLINE, c.RETURN]] = LINE
    special[[c.NEWLINE, c.RETURN]] = AT_LINE


def _clusters(cost: NDArray[np.int32]) -> None:
    """Annex 29's rules on two neighbours, and more than them where it takes a longer look."""
    cost[:, [c.MARK, c.LINKER, c.JOINER, c.JAMO_TAIL, c.ODD]] = FORBIDDEN
    cost[[c.JOINER, c.PREPEND, c.ODD]] = FORBIDDEN
    cost[c.RETURN, c.NEWLINE] = FORBIDDEN
    cost[c.FLAG, c.FLAG] = FORBIDDEN
    cost[c.JAMO_LEAD, [c.JAMO_LEAD, c.HANGUL, c.HANGUL_END]] = FORBIDDEN
    cost[c.LINKER, [c.LETTER, c.SEA]] = FORBIDDEN


def _safe_table(*, line_split: bool) -> NDArray[np.bool_]:
    table = np.zeros((c.KINDS, c.KINDS), bool)
    blank = [c.SPACE, c.NEWLINE, c.RETURN]
    solid = [kind for kind in range(1, c.KINDS) if kind not in blank]
    table[solid, c.SPACE] = True
    punctuation = [c.STOP, c.BANG, c.WIDE_STOP, c.CLOSER, c.OPENER, c.CLAUSE, c.WIDE_CLAUSE]
    table[np.ix_(c.LETTERS, punctuation)] = True
    table[c.DIGIT, [*punctuation, *c.LETTERS]] = True
    if not line_split:
        return table.ravel()
    opening = [kind for kind in solid if kind not in (c.SLASH, c.MARK, c.LINKER, c.JOINER, c.ODD)]
    table[np.ix_([c.NEWLINE, c.RETURN], opening)] = True
    return table.ravel()


COST = _cost_table()
"""What a pair costs, and which closer look it needs, times ``LOOK``."""
SAFE = _safe_table(line_split=True)
SAFE_IN_LINES = _safe_table(line_split=False)
"""Whether pre-tokenizers split between a pair: with and without GPT-2's, which joins line breaks at a text's end."""
