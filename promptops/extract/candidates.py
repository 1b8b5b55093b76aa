"""The sentences a summary may be made of, each with what the page's structure says about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from promptops.extract.roles import APPARATUS, PLAIN, section_role
from promptops.text import Block, blocks, count_words, plain_text, sentences

LONGEST = 1_200  # characters; what goes on for longer without an end isn't a sentence to quote
_FEWEST_WORDS = 3
_SHORT = 600  # characters of a text so short that its every sentence counts
_FEWEST_UNENDED = 5
_FEWEST_BEFORE_COLON = 8  # what leads up to a list or code in fewer words says nothing without it
_LEAST_LETTERS = 0.6
_OPEN_ENDED = re.compile(
    r"\b(?:are|is|was|were|be|as|by|to|of|for|and|or|with|that|like|than|from|in|on|at|if|follows?|following|includ\w+|below|"
    r"using|will|can|must|should|may|says?|such)\s*:+\Z|(?:다음|아래|같이|면|때|예|등|은|는|이|가|을|를|의|로|와|과)\s*[:：]\Z"
    r"|(?:다음|아래)[과와] 같\w*\s*[:：]\Z",
    re.IGNORECASE,
)
_CLAUSE_NUMBER = re.compile(r"\A\d{1,3}(?:\.\d{1,3})+\.?\s+")
_NUMBERED_LINE = re.compile(r"^[ \t]*\d{1,3}(?:\.\d{1,3})+\.?[ \t]+[^\W\d]", re.MULTILINE)
_FEWEST_NUMBERED = 4  # so many lines that start with ``4.2`` are clauses, and not one that starts with a figure
_ONLY_A_LINK = re.compile(
    r"[\s>*+-]*(?:[:\w-]{0,20}`[^`]{1,300}`_{0,2}|\[[^\]\n]{0,300}\]\([^()\n]{0,500}\)|<?https?://\S+)\W*\Z"
)
_TITLE_FIELD = re.compile(r"^title[ \t]*:[ \t]*(\S[^\n]*)", re.IGNORECASE | re.MULTILINE)
_UNDERLINE = "=-~^*#+\"'`.:_ \n"
_LETTER = re.compile(r"[^\W\d_]")
_END = re.compile(r"[.!?…。！？।॥؟۔።။។：:]+[\"'”’»)\]」』】`*]*\Z")
_PROSE = {"paragraph": 1.0, "quote": 0.6, "item": 0.4}
_NOT_PROSE = re.compile(
    r"https?://|(?:.*[{};=]|.*(?<=\)):)\s*\Z|(?:def|class|import|from|return|#include|public|var|let|const|if|for)\b.*[({;=]\s*\Z",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sentence of a text: where it stands, how it reads without markup, and what surrounds it.

    ``start`` and ``end`` are offsets into the part's own text; ``part`` counts the parts of the material from 0.
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
    ended: bool
    part: int = 0


@dataclass(slots=True)
class Page:
    """A text taken apart: its candidates in order, its title and its headings."""

    title: str = ""
    headings: list[str] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)


def read(texts: Sequence[str], format: str = "markdown", title: str = "") -> Page:
    """Take a text apart, or the parts of one, given in order.

    What stands under references, licences and the like is left out, unless that is all there is. Where there is neither
    prose nor list, headings stand in, and at last table rows and lines. A sentence's own number (``4.2``) is left out.
    """
    page = Page(title)
    readers = [_Reader(text, format, page, part) for part, text in enumerate(texts)]
    for take in (_Reader.prose, _Reader.scraps, _Reader.titles, _Reader.lines):
        for reader in readers:
            page.candidates.extend(take(reader))
        if page.candidates:
            break
    telling = [candidate for candidate in page.candidates if candidate.role != APPARATUS]
    page.candidates = telling or page.candidates
    return page


def _title_field(text: str, found: list[Block]) -> str:
    if not found or found[0].kind != "fields":
        return ""
    match = _TITLE_FIELD.search(found[0].of(text))
    return match[1].strip().strip("\"'") if match else ""


class _Reader:
    """Walks the blocks of one part and remembers which section it is in."""

    def __init__(self, text: str, format: str, page: Page, part: int) -> None:
        self.text, self.format, self.page, self.part = text, format, page, part
        self.blocks = blocks(text, format)
        self.roles: list[tuple[int, float]] = []
        self.role = PLAIN
        self.in_section = 0
        self.fewest = 1
        self.least = 1 if len(text) < _SHORT else _FEWEST_WORDS
        self.begun = False
        self.numbered = len(_NUMBERED_LINE.findall(text)) >= _FEWEST_NUMBERED
        page.title = page.title or _title_field(text, self.blocks)

    def prose(self, fewest: int = _FEWEST_UNENDED) -> Iterator[Candidate]:
        """Sentences of paragraphs, quotations and list items; those without a final mark from so many words on."""
        self.fewest = fewest
        for block in self.blocks:
            if block.kind == "heading":
                self.enter(block)
            elif (weight := _PROSE.get(block.kind)) is not None:
                yield from self.sentences(block, weight)

    def scraps(self) -> Iterator[Candidate]:
        """The same for a text of nothing but short items: of any length."""
        return self.prose(fewest=1)

    def titles(self) -> Iterator[Candidate]:
        """Headings and the heads of definitions, for a text of nothing else."""
        for block in self.blocks:
            if block.kind in ("heading", "term"):
                yield from self.sentences(block, 0.3)

    def lines(self) -> Iterator[Candidate]:
        """Lines of whatever the text is, as a last resort: code, or table rows with commas between their cells."""
        start = 0
        for line in self.text.split("\n"):
            cells = (plain_text(cell, self.format) for cell in line[:LONGEST].split("|"))
            plain = ", ".join(cell for cell in cells if cell)
            if _LETTER.search(plain):
                yield self.candidate(start, start + len(line), plain, words=count_words(plain), weight=0.2)
            start += len(line) + 1

    def enter(self, block: Block) -> None:
        """A heading: what lies beneath it takes its role, unless it says nothing and its parent did."""
        heading = heading_text(block.of(self.text), self.format)
        self.in_section = 0
        self.page.headings.append(heading)
        if not self.page.title and len(self.page.headings) == 1 and not self.begun:
            self.page.title = heading
            return
        while self.roles and self.roles[-1][0] >= block.level:
            self.roles.pop()
        own, parent = section_role(heading), self.roles[-1][1] if self.roles else PLAIN
        self.role = parent if own == PLAIN or parent < own else own
        self.roles.append((block.level, self.role))

    def sentences(self, block: Block, weight: float) -> Iterator[Candidate]:
        """The sentences of one block that may stand in a summary."""
        source = block.of(self.text)
        if block.kind == "heading":
            source = source.strip().rstrip(_UNDERLINE)
        for number, span in enumerate(sentences(source)):
            raw = span.of(source)
            plain = plain_text(raw, self.format) if len(raw) <= LONGEST and not _ONLY_A_LINK.match(raw) else ""
            if self.numbered and not number:
                plain = _CLAUSE_NUMBER.sub("", plain)
            words = count_words(plain)
            if _is_readable(plain, words, self.fewest, self.least):
                start, end = block.start + span.start, block.start + span.end
                yield self.candidate(start, end, plain, words=words, weight=weight, number=number)
                self.in_section += 1
                self.begun = True

    def candidate(self, start: int, end: int, plain: str, *, words: int, weight: float, number: int = 0) -> Candidate:
        """One candidate with what is known of where it stands."""
        return Candidate(
            start,
            end,
            plain,
            words=words,
            prose=weight,
            role=self.role,
            in_block=number,
            in_section=self.in_section,
            section=len(self.page.headings),
            ended=_END.search(plain) is not None,
            part=self.part,
        )


def heading_text(source: str, format: str) -> str:
    """A heading's words, without its underline."""
    lines = [line for line in source.strip().split("\n") if _LETTER.search(line) or any(c.isdigit() for c in line)]
    return plain_text(lines[0], format) if lines else ""


def _is_readable(plain: str, words: int, fewest: int, least: int) -> bool:
    """``least`` words, ``fewest`` without a final mark, more before a colon; never words that need what follows."""
    if _NOT_PROSE.match(plain) or words < min(fewest, least):
        return False
    if plain[-1:] in ":：":
        return words >= _FEWEST_BEFORE_COLON and not _OPEN_ENDED.search(plain)
    if words < fewest and not _END.search(plain):
        return False
    return sum(map(str.isalpha, plain)) >= _LEAST_LETTERS * (len(plain) - plain.count(" ")) or not plain.isascii()
