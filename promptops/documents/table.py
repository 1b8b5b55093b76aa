"""Blocks of Markdown, and tables made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SPACE = re.compile("[ \t\n\r\f\xa0]+")
_BREAK = re.compile(" *\v *")
_STRUCTURE = re.compile(r"(?:^|\n)\s*(?:#{1,6} |```|\|.*\|$)", re.MULTILINE)

MAX_COLUMNS = 200
"""Above it, a table is not laid out as one: its rows are lines."""


@dataclass(slots=True)
class Blocks:
    """Blocks in order, each with the blank lines it wants before it."""

    parts: list[str] = field(default_factory=list)
    _tight: bool = False

    def add(self, text: str, *, tight: bool = False) -> None:
        """Add a block; a tight one follows a tight one without a blank line, as items of a list do."""
        if self.parts:
            self.parts.append("\n" if tight and self._tight else "\n\n")
        self.parts.append(text)
        self._tight = tight

    def loosen(self) -> None:
        """Let the next block stand off: a list has ended."""
        self._tight = False

    def texts(self) -> list[str]:
        """The blocks without what separates them."""
        return self.parts[::2]


_EMPTY = Blocks()


def join(blocks: Blocks) -> str:
    """The blocks as one text."""
    return "".join(blocks.parts)


def one_line(text: str) -> str:
    """White space collapsed as a browser does; a vertical tab is a line break."""
    text = _SPACE.sub(" ", text.replace("\xad", "")).strip(" ")
    return _BREAK.sub("\n", text).strip("\n") if "\v" in text else text


@dataclass(slots=True)
class Table:
    """The cells of one table, and the lists and quotations around it that go on after it."""

    lists: list[int | None]
    quotes: int
    caption: Blocks = field(default_factory=Blocks)
    _rows: list[list[Blocks]] = field(default_factory=list)

    def row(self) -> None:
        """Begin a row."""
        self._rows.append([])

    def cell(self, span: str) -> Blocks:
        """Begin a cell, and the empty ones that it spans; what it holds goes to the blocks returned."""
        if not self._rows:
            self.row()
        cell, row = Blocks(), self._rows[-1]
        width = int(span) if span.isdecimal() and len(span) < 4 else 1
        row.append(cell)
        row += [_EMPTY] * (min(width, MAX_COLUMNS - len(row) + 1) - 1)
        return cell

    def layout(self) -> list[str]:
        """The table as blocks: a Markdown table, or one block after another where it only arranged the page."""
        rows = [row for row in self._rows if any(cell.parts for cell in row)]
        cells = [cell for row in rows for cell in row if cell.parts]
        width = max(map(len, rows), default=0)
        arranges = width < 2 or any(len(c.parts) > 20 or _STRUCTURE.search(join(c)) for c in cells)
        if arranges:
            body = [text for cell in cells for text in [join(cell)] if text]
        elif width > MAX_COLUMNS:
            body = ["\n".join(" ".join(map(_flat, row)) for row in rows)]
        else:
            body = ["\n".join(_lines(rows, width))] if rows else []
        return [*self.caption.texts(), *body]


def _lines(rows: list[list[Blocks]], width: int) -> list[str]:
    lines = [_line([*map(_flat, row), *[""] * (width - len(row))]) for row in rows]
    return [lines[0], _line(["---"] * width), *lines[1:]]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _flat(cell: Blocks) -> str:
    return " ".join(join(cell).split()).replace("|", "\\|")
