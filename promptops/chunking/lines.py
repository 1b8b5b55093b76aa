"""The cost of cutting after a line break: which breaks end a paragraph, an item, a block, which only wrap a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promptops.chunking.costs import (
    BETWEEN_BREAKS,
    ENDED,
    FORBIDDEN,
    ITEM,
    LINE,
    ORPHAN,
    PARAGRAPH,
    ROW,
    ROW_TORN,
    SECTION,
    WRAP,
)
from promptops.tokens import characters as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from promptops.tokens.characters import Points

_WRAP_MIN, _WRAP_MAX = 30, 160
_INDENT_MAX = 24
_SAMPLE = 2000
_OPENING = np.isin(
    np.arange(c.KINDS), [kind for kind in range(c.OPENER, c.DIGIT + 1) if kind not in (c.CLAUSE, c.WIDE_CLAUSE)]
)
"""Classes that text goes on with on the next line."""
_UNDERLINES = tuple(map(ord, "=-~^\"'`*+#.:_"))


class Breaks:
    """The line breaks among the borders of a text, with what stands around each."""

    def __init__(self, points: Points, ends: NDArray[np.int32]) -> None:
        self.ends = ends
        before = c.classes(points.take(np.maximum(ends - 2, 0)))
        self.text_end = ends - 1
        returned = (before == c.RETURN).nonzero()[0]
        paired = returned[points.take(ends[returned] - 1) == ord("\n")]
        before[paired] = c.classes(points.take(np.maximum(ends[paired] - 3, 0)))
        self.text_end[paired] -= 1
        self.blank = (before == c.NEWLINE) | (before == c.RETURN)
        self.blank[paired] = before[paired] == c.NEWLINE
        self.text_end -= before == c.SPACE
        self.length = np.diff(ends, prepend=np.int32(0))
        self.points = points

    def indents(self, following: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """How many spaces follow each break, up to a limit, and the class of what comes after them."""
        width = np.zeros(len(self.ends), np.int32)
        first = following.copy()
        lines = (following == c.SPACE).nonzero()[0]
        at = self.ends[lines]
        for step in range(1, _INDENT_MAX + 1):
            if not len(lines):
                break
            at += 1
            kinds = c.classes(self.points.take(at, mode="clip"))
            spaced = kinds == c.SPACE
            solid = (~spaced).nonzero()[0]
            if len(solid):
                first[lines[solid]] = kinds[solid]
                width[lines[solid]] = step
                further = spaced.nonzero()[0]
                lines, at = lines[further], at[further]
        width[lines] = _INDENT_MAX
        return width, first


def grade_lines(
    points: Points,
    ends: NDArray[np.int32],
    places: NDArray[np.intp],
    following: NDArray[np.uint8],
    cost: NDArray[np.int32],
    style: str,
) -> None:
    """Set the costs of the borders at ``places``, all of which follow a line break; ``following`` it are classes."""
    if not len(places):
        return
    breaks = Breaks(points, ends[places])
    graded = _code(breaks, following) if style == "code" else _prose(breaks, following)
    if style == "markdown":
        _headings(breaks, following, graded)
        _rows(breaks, places, graded, cost)
    elif style == "rst":
        _underlined(breaks, graded)
    np.add(graded, BETWEEN_BREAKS, out=graded, where=(following == c.NEWLINE) | (following == c.RETURN))
    cost[places] = np.where(cost.take(places) < FORBIDDEN, graded, FORBIDDEN)


def _prose(breaks: Breaks, following: NDArray[np.uint8]) -> NDArray[np.int32]:
    stopped = c.ended(breaks.points, np.maximum(breaks.text_end, 1))
    graded = np.where(stopped, np.int32(ENDED), np.int32(LINE))
    running = _OPENING.take(following) & ~breaks.blank
    if _wrapped(breaks, following, running, stopped):
        _, first = breaks.indents(following)
        graded[~breaks.blank & ~stopped & (first >= c.OPENER) & (first <= c.DIGIT)] = WRAP
    graded[following == c.BULLET] = ITEM
    graded[breaks.blank] = PARAGRAPH
    return graded


def _wrapped(
    breaks: Breaks, following: NDArray[np.uint8], running: NDArray[np.bool_], stopped: NDArray[np.bool_]
) -> bool:
    """Whether lines break where the page was full: most end without a stop, alike in length, and go on small."""
    lines = np.count_nonzero(running)
    if lines < 4 or np.count_nonzero(stopped & running) > lines / 2:
        return False
    sample = running.nonzero()[0][:_SAMPLE]
    lengths, kinds = breaks.length[sample], following[sample]
    middle = float(np.median(lengths))
    cased = (kinds == c.LOWER) | (kinds == c.UPPER)
    if cased.mean() > 0.5:
        alike = (kinds == c.LOWER).mean() > 0.35
    else:  # scripts without case; records that begin with a figure do not go on
        alike = (kinds == c.DIGIT).mean() < 0.5 and bool(lengths.std() < 0.25 * lengths.mean())
    return bool(alike and _WRAP_MIN / 2 <= middle <= _WRAP_MAX)


def _code(breaks: Breaks, following: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The less a line is indented the better a block starts there, best after a blank line; a bracket closes."""
    indent, first = breaks.indents(following)
    graded: NDArray[np.int32] = np.where(breaks.blank, np.int32(PARAGRAPH), np.int32(LINE))
    graded += indent >> 1
    graded[first == c.CLOSER] += ORPHAN
    return graded


def _headings(breaks: Breaks, following: NDArray[np.uint8], graded: NDArray[np.int32]) -> None:
    """A Markdown heading begins a section, and stays with what it heads."""
    starts = (following == c.BULLET) & (breaks.points.take(breaks.ends, mode="clip") == ord("#"))
    graded[starts] = SECTION
    _keep_next(breaks, starts, graded)


def _rows(breaks: Breaks, places: NDArray[np.intp], graded: NDArray[np.int32], cost: NDArray[np.int32]) -> None:
    """The rows of a Markdown table stay together, and each stays whole."""
    rows = (breaks.points.take(breaks.ends, mode="clip") == ord("|")).nonzero()[0]
    graded[rows[~breaks.blank[rows]]] = ROW
    for row in rows[rows + 1 < len(places)].tolist():
        cost[places[row] + 1 : places[row + 1]] += ROW_TORN


def _underlined(breaks: Breaks, graded: NDArray[np.int32]) -> None:
    """A reStructuredText title is a line with a line of one punctuation mark under it."""
    first, second, third = (breaks.points.take(breaks.ends + ahead, mode="clip") for ahead in range(3))
    rules = (first == second) & (second == third) & np.isin(first, _UNDERLINES)
    graded[rules] = ORPHAN
    titles = np.zeros_like(rules)
    titles[:-1] = rules[1:]
    graded[titles & ~rules] = SECTION
    _keep_next(breaks, rules, graded)


def _keep_next(breaks: Breaks, starts: NDArray[np.bool_], graded: NDArray[np.int32]) -> None:
    """No cut between the line that begins at a break and the text after it, blank lines included."""
    heads = np.flatnonzero(starts)
    for step in (1, 2, 3):
        following = heads + step
        following = following[following < len(graded)]
        if step > 1:
            following = following[breaks.length[following] <= 2]
        graded[following] = ORPHAN
