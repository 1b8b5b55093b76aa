"""The headings of a document, and the path of headings that a chunk stands under."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptops.chunking.structure import fences
from promptops.tokens.characters import code_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from promptops.types import Chunk

_MARKDOWN = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*\r?$", re.MULTILINE)
_UNDERLINED = re.compile(r"^(?P<title>\S[^\n]*)\r?\n(?P<line>([=\-~^\"'`*+#.:_])\3{2,})[ \t]*\r?$", re.MULTILINE)
_HTML = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Heading:
    """One heading: where its line starts, its level from 1, and its text."""

    start: int
    level: int
    title: str


def headings(text: str, format: str) -> list[Heading]:
    """The headings of a ``markdown``, ``rst`` or ``html`` document in order; other formats have none."""
    finders = {"markdown": _markdown, "rst": _underlined, "html": _html}
    finder = finders.get(format)
    return list(finder(text)) if finder else []


def heading_paths(text: str, chunks: Sequence[Chunk], format: str) -> list[tuple[str, ...]]:
    """For each chunk, the titles of the headings that its core begins under, outermost first.

    A heading that stands at the very start of a core counts, so that a chunk always knows the section it opens.
    """
    found = iter([*headings(text, format), None])
    ahead = next(found)
    open_ones: list[Heading] = []
    paths = []
    end = 0
    for chunk in chunks:
        start = max(chunk.start, end)
        while ahead is not None and ahead.start <= start + _leading_space(text, start):
            open_ones = [*(one for one in open_ones if one.level < ahead.level), ahead]
            ahead = next(found)
        paths.append(tuple(one.title for one in open_ones))
        end = chunk.end
    return paths


def _leading_space(text: str, start: int) -> int:
    piece = text[start : start + 80]
    return len(piece) - len(piece.lstrip())


def _markdown(text: str) -> Iterator[Heading]:
    blocks = list(fences(text, code_points(text)))
    found = [Heading(match.start(), len(match[1]), match[2]) for match in _MARKDOWN.finditer(text)]
    levels = {"=": 1, "-": 2}
    found += [
        Heading(match.start(), levels[match["line"][0]], match["title"].strip())
        for match in _UNDERLINED.finditer(text)
        if match["line"][0] in levels and not match["title"].lstrip().startswith(("|", "-", ">", "#"))
    ]
    return _outside(sorted(found, key=lambda heading: heading.start), blocks)


def _outside(found: Iterable[Heading], blocks: list[tuple[int, int]]) -> Iterator[Heading]:
    """Those that stand in none of the blocks; both come in order."""
    at = 0
    for heading in found:
        while at < len(blocks) and blocks[at][1] <= heading.start:
            at += 1
        if at == len(blocks) or heading.start < blocks[at][0]:
            yield heading


def _underlined(text: str) -> Iterator[Heading]:
    """The levels of reStructuredText underlines are the order in which a document first uses them."""
    order: list[str] = []
    for match in _UNDERLINED.finditer(text):
        title, mark = match["title"].strip(), match["line"][0]
        if len(match["line"]) >= len(title) and set(title) != {mark}:
            if mark not in order:
                order.append(mark)
            yield Heading(match.start(), order.index(mark) + 1, title)


def _html(text: str) -> Iterator[Heading]:
    for match in _HTML.finditer(text):
        title = " ".join(html.unescape(_TAG.sub("", match[2])).split())
        yield Heading(match.start(), int(match[1]), title)
