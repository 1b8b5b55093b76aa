"""The lines of a text and the blocks found in them so far: what the grammars of the formats read and write."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["heading", "paragraph", "item", "quote", "term", "code", "table", "fields", "directive", "rule"]


class Block(NamedTuple):
    """A piece of a text's structure: ``text[start:end]``, blank lines after it included.

    ``level`` is a heading's depth from 1; elsewhere how far the block is indented, in characters. ``term`` is the head
    of a definition; ``fields`` are header lines and front matter; ``directive`` is markup that isn't to be read, such
    as comments, link targets, images and HTML tags.
    """

    kind: Kind
    start: int
    end: int
    level: int = 0

    def of(self, text: str) -> str:
        """The characters of ``text`` it covers."""
        return text[self.start : self.end]


class Line(NamedTuple):
    """One line: where it starts, how far it is indented, and its text without white space at either end."""

    start: int
    indent: int
    bare: str


class Scanner:
    """Reads lines, collects blocks. A grammar's step looks at ``line``, then calls ``emit`` for one line or more."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = _lines(text)
        self.position = 0
        self.adornments: list[str] = []
        self.missing: set[str] = set()
        self._found: list[tuple[Kind, int, int]] = []

    @property
    def line(self) -> Line:
        """The line to look at."""
        return self.lines[self.position]

    @property
    def last_kind(self) -> Kind | None:
        """The kind of the block before this line."""
        return self._found[-1][0] if self._found else None

    def peek(self, ahead: int = 1) -> Line:
        """The line ``ahead`` of this one; a blank one past the end."""
        index = self.position + ahead
        return self.lines[index] if index < len(self.lines) else Line(len(self.text), 0, "")

    def emit(self, kind: Kind, count: int = 1, level: int = 0) -> None:
        """Make the next ``count`` lines a block and go on after them."""
        self._found.append((kind, self.line.start, level))
        self.position += count

    def skip_blank(self) -> bool:
        """Go to the next line that isn't blank; False at the end."""
        while self.position < len(self.lines) and not self.lines[self.position].bare:
            self.position += 1
        return self.position < len(self.lines)

    def emit_indented(self, kind: Kind, indent: int, level: int = 0) -> None:
        """Make this line and all deeper ones after it, blank ones between them included, a block."""
        count = end = 1
        while self.position + count < len(self.lines):
            line = self.peek(count)
            if line.bare and line.indent <= indent:
                break
            count += 1
            if line.bare:
                end = count
        self.emit(kind, end, level)

    def blocks(self) -> list[Block]:
        """The blocks, stretched so that they tile the text."""
        if not self._found:
            return [Block("paragraph", 0, len(self.text))] if self.text else []
        starts = [0, *(start for _, start, _ in self._found[1:]), len(self.text)]
        return [Block(kind, starts[i], starts[i + 1], level) for i, (kind, _, level) in enumerate(self._found)]


def _lines(text: str) -> list[Line]:
    lines = []
    start = 0
    for raw in text.split("\n"):
        bare = raw.strip()
        indent = len(raw) - len(raw.lstrip()) if bare else 0
        lines.append(Line(start, indent, bare))
        start += len(raw) + 1
    return lines
