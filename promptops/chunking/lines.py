"""The cost of cutting after a line break: which breaks end a paragraph, an item, a block, and which only wrap a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from promptops.chunking import characters as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECTION = 0.0
PARAGRAPH = 1.0
ITEM = 2.0
ENDED = 3.0
LINE = 6.0
ROW = 10.0
ORPHAN = 28.0
WRAP = 30.0
INSIDE_BREAKS = 3.0

_WRAP_MIN, _WRAP_MAX = 30, 160
_INDENT_MAX = 24
_UNDERLINES = tuple(map(ord, "=-~^\"'`*+#.:_"))


class Breaks:
    """The line breaks among the borders of a text, with what stands around each."""

    def __init__(self, points: NDArray[np.uint32], offsets: NDArray[np.int64], places: NDArray[np.intp]) -> None:
        self.ends = ends = offsets[places]
        previous = c.classes(points.take(np.maximum(ends - 2, 0)))
        earlier = c.classes(points.take(np.maximum(ends - 3, 0)))
        paired = (previous == c.RETURN) & (points.take(ends - 1) == ord("\n"))
        self.blank = np.where(paired, earlier == c.NEWLINE, (previous == c.NEWLINE) | (previous == c.RETURN))
        self.text_end = ends - 1 - paired
        self.text_end -= c.classes(points.take(np.maximum(self.text_end - 1, 0))) == c.SPACE
        self.length = np.diff(ends, prepend=0)
        self.points = points

    def indents(self, following: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """How many spaces follow each break, up to a limit, and the class of what comes after them."""
        width = np.zeros(len(self.ends), np.int64)
        first = following.copy()
        for step in range(1, _INDENT_MAX + 1):
            spaced = (first == c.SPACE).nonzero()[0]
            if not len(spaced):
                break
            width[spaced] = step
            first[spaced] = c.classes(self.points.take(self.ends[spaced] + step, mode="clip"))
        return width, first


def grade_lines(  # noqa: PLR0913 - the parts of one pass over one text
    points: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    places: NDArray[np.intp],
    after: NDArray[np.uint8],
    cost: NDArray[np.float32],
    style: str,
) -> None:
    """Set the costs of the borders at ``places``, all of which follow a line break."""
    if not len(places):
        return
    breaks = Breaks(points, offsets, places)
    following = after[places]
    if style == "code":
        graded = _code(breaks, following)
    else:
        graded = _prose(breaks, following)
    if style == "markdown":
        _headings(breaks, following, graded)
    elif style == "rst":
        _underlined(breaks, graded)
    graded += np.where((following == c.NEWLINE) | (following == c.RETURN), np.float32(INSIDE_BREAKS), np.float32(0))
    fits = np.isfinite(cost[places])
    cost[places] = np.where(fits, graded, cost[places])


def _prose(breaks: Breaks, following: NDArray[np.uint8]) -> NDArray[np.float32]:
    stopped = c.ended(breaks.points, np.maximum(breaks.text_end, 1))
    graded = np.where(stopped, np.float32(ENDED), np.float32(LINE))
    opens = (following >= c.OPENER) & (following <= c.DIGIT) & (following != c.CLAUSE) & (following != c.WIDE_CLAUSE)
    running = opens & ~breaks.blank
    if _wrapped(breaks, following, running, stopped):
        _, first = breaks.indents(following)
        graded[~breaks.blank & ~stopped & (first >= c.OPENER) & (first <= c.DIGIT)] = WRAP
    graded[following == c.BULLET] = ITEM
    graded[breaks.blank] = PARAGRAPH
    return graded


def _wrapped(
    breaks: Breaks, following: NDArray[np.uint8], running: NDArray[np.bool_], stopped: NDArray[np.bool_]
) -> bool:
    """Whether lines break where the page was full: most end without a stop, alike in length, and go on in small letters."""
    lengths = breaks.length[running]
    if len(lengths) < 4 or stopped[running].mean() > 0.5:  # noqa: PLR2004 - too few lines to tell, or whole sentences
        return False
    middle = float(np.median(lengths))
    kinds = following[running]
    cased = (kinds == c.LOWER) | (kinds == c.UPPER)
    if cased.mean() > 0.5:  # noqa: PLR2004 - most lines
        alike = (kinds == c.LOWER).mean() > 0.35  # noqa: PLR2004 - log lines start alike, sentences go on anyhow
    else:  # scripts without case; records that begin with a figure do not go on
        alike = (kinds == c.DIGIT).mean() < 0.5 and bool(lengths.std() < 0.25 * lengths.mean())  # noqa: PLR2004
    return bool(alike and _WRAP_MIN / 2 <= middle <= _WRAP_MAX)


def _code(breaks: Breaks, following: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The less a line is indented the better a block starts there, best after a blank line; a closing bracket goes on."""
    indent, first = breaks.indents(following)
    graded = (np.where(breaks.blank, PARAGRAPH, LINE) + indent * 0.5).astype(np.float32)
    graded[first == c.CLOSER] += ORPHAN
    return graded


def _headings(breaks: Breaks, following: NDArray[np.uint8], graded: NDArray[np.float32]) -> None:
    """A Markdown heading begins a section, and stays with what it heads; rows of a table stay together."""
    marks = breaks.points.take(breaks.ends, mode="clip")
    starts = (marks == ord("#")) & (following == c.BULLET)
    graded[starts] = SECTION
    _keep_next(breaks, starts, graded)
    rows = marks == ord("|")
    graded[rows & ~breaks.blank] = ROW


def _underlined(breaks: Breaks, graded: NDArray[np.float32]) -> None:
    """A reStructuredText title is a line with a line of one punctuation mark under it."""
    first, second, third = (breaks.points.take(breaks.ends + ahead, mode="clip") for ahead in range(3))
    rules = (first == second) & (second == third) & np.isin(first, _UNDERLINES)
    graded[rules] = ORPHAN
    titles = np.zeros_like(rules)
    titles[:-1] = rules[1:]
    graded[titles & ~rules] = SECTION
    _keep_next(breaks, rules, graded)


def _keep_next(breaks: Breaks, starts: NDArray[np.bool_], graded: NDArray[np.float32]) -> None:
    """No cut between the line that begins at a break and the text after it, blank lines included."""
    heads = np.flatnonzero(starts)
    for step in (1, 2, 3):
        following = heads + step
        following = following[following < len(graded)]
        if step > 1:
            following = following[breaks.length[following] <= 2]  # noqa: PLR2004 - an empty line, also with a return
        graded[following] = ORPHAN
