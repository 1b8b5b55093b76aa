"""The sentences a summary may be made of, each with what the page's structure says about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from promptops.extract.roles import PLAIN, section_role
from promptops.text import Block, blocks, count_words, plain_text, sentences

LONGEST = 1_200  # characters; what goes on for longer without an end isn't a sentence to quote
_FEWEST_WORDS = 3
_LEAST_LETTERS = 0.6
_ONLY_A_LINK = re.compile(r"[\s>*+-]*(?:[:\w-]{0,20}`[^`]{1,300}`_{0,2}|\[[^\]\n]{0,300}\]\([^()\n]{0,500}\)|<?https?://\S+)\W*\Z")
_TITLE_FIELD = re.compile(r"^title[ \t]*:[ \t]*(\S[^\n]*)", re.IGNORECASE | re.MULTILINE)
_LETTER = re.compile(r"[^\W\d_]")
_END = re.compile(r"[.!?…。！？।॥؟۔።။។：:]+[\"'”’»)\]」』】`*]*\Z")
_PROSE = {"paragraph": 1.0, "quote": 0.6, "item": 0.4}
_SECOND = {"heading": 0.3, "term": 0.3}
_CODE_LINE = re.compile(r"[{};=]\s*\Z|\)\s*:?\s*\Z(?<=\):)|^\s*(?:def|class|import|from|return|#include|public|var|let|const)\b.*[({;=]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence of a text: where it stands, how it reads without markup, and what surrounds it.

    ``prose`` is 1 in a paragraph and less in a quotation or list; ``role`` is that of its section; ``in_block``,
    ``in_section`` and ``section`` count from 0; ``ended`` is False where the source has no final mark.
    """

    start: int
    end: int
    text: str
    words: int
    prose: float
    role: float
    in_block: int
    in_section: int
    section: int
    depth: int
    ended: bool


@dataclass(slots=True)
class Page:
    """A text taken apart: its candidates in order, its title and its headings."""

    title: str = ""
    headings: list[str] = field(default_factory=lambda: [""])
    candidates: list[Candidate] = field(default_factory=list)


def read(text: str, format: str = "markdown", title: str = "") -> Page:  # noqa: A002 - the word documents use
    """Take ``text`` apart. Where it has no prose, its list items, headings, table rows or, at last, lines stand in."""
    found = blocks(text, format)
    page = Page(title or _title_field(text, found))
    _Reader(text, format, page).read(found, _PROSE)
    if not page.candidates:
        _Reader(text, format, page).read(found, _SECOND)
    if not page.candidates:
        page.candidates.extend(_rows(text, format))
    return page


def _title_field(text: str, found: list[Block]) -> str:
    if not found or found[0].kind != "fields":
        return ""
    match = _TITLE_FIELD.search(found[0].of(text))
    return match[1].strip().strip("\"'") if match else ""


class _Reader:
    """Walks the blocks and remembers which section it is in."""

    def __init__(self, text: str, format: str, page: Page) -> None:  # noqa: A002
        self.text, self.format, self.page = text, format, page
        self.roles: list[tuple[int, float]] = []
        self.role = PLAIN
        self.depth = 0
        self.in_section = 0

    def read(self, found: list[Block], kinds: dict[str, float]) -> None:
        for block in found:
            if block.kind == "heading":
                self.enter(block)
            weight = kinds.get(block.kind)
            if weight is not None:
                self.page.candidates.extend(self.sentences(block, weight))

    def enter(self, block: Block) -> None:
        """A heading: what lies beneath it takes its role, unless it says nothing and its parent did."""
        heading = heading_text(block.of(self.text), self.format)
        if not self.page.title and len(self.page.headings) == 1 and not self.page.candidates:
            self.page.title = heading
        self.page.headings.append(heading)
        while self.roles and self.roles[-1][0] >= block.level:
            self.roles.pop()
        own = section_role(heading)
        parent = self.roles[-1][1] if self.roles else PLAIN
        self.role = parent if own == PLAIN or parent < own else own
        self.roles.append((block.level, self.role))
        self.depth, self.in_section = len(self.roles), 0

    def sentences(self, block: Block, weight: float) -> Iterator[Candidate]:
        """The sentences of one block that may stand in a summary."""
        source = block.of(self.text)
        for number, span in enumerate(sentences(source)):
            raw = span.of(source)
            plain = plain_text(raw, self.format) if len(raw) <= LONGEST else ""
            words = count_words(plain)
            if not _is_readable(plain, words) or _ONLY_A_LINK.match(raw):
                continue
            start, end = block.start + span.start, block.start + span.end
            yield Candidate(
                start, end, plain, words, weight, self.role, number, self.in_section, len(self.page.headings) - 1,
                self.depth, _END.search(plain) is not None,
            )
            self.in_section += 1


def heading_text(source: str, format: str) -> str:  # noqa: A002
    """A heading's words, without its underline."""
    lines = [line for line in source.strip().split("\n") if _LETTER.search(line) or any(c.isdigit() for c in line)]
    return plain_text(lines[0], format) if lines else ""


def _is_readable(plain: str, words: int) -> bool:
    if words < _FEWEST_WORDS or _CODE_LINE.search(plain):
        return False
    return sum(map(str.isalpha, plain)) >= _LEAST_LETTERS * (len(plain) - plain.count(" ")) or not plain.isascii()


def _rows(text: str, format: str) -> Iterator[Candidate]:  # noqa: A002
    """Lines of whatever the text is, as a last resort: cells of table rows with commas between them."""
    start = 0
    for number, line in enumerate(text.split("\n")):
        plain = ", ".join(cell for cell in (plain_text(part, format) for part in line[:LONGEST].split("|")) if cell)
        if _LETTER.search(plain):
            end = start + len(line)
            yield Candidate(start, end, plain, count_words(plain), 0.2, PLAIN, 0, number, 0, 0, ended=False)
        start += len(line) + 1
