"""The blocks of plain text, by what people do in it: underlined or lone short titles, bullets, drawn tables, fences."""

from __future__ import annotations

import re

from promptops.text.grammar import (
    ADORNMENT,
    BULLET,
    FENCE,
    paragraph_kind,
    take_adorned_heading,
    take_doctest,
    take_fence,
    take_header_fields,
    take_item,
    take_ruled_table,
)
from promptops.text.scanner import Scanner

_ATX = re.compile(r"(#{1,6})\s+\S")
_ENDS = re.compile(r"[.!?…。！？।॥؟۔:;,،、][\"'”’」』)]*\Z|[다요죠까]\Z")
_NUMBER = re.compile(r"\d{1,3}[.)]\s")
_LONGEST_TITLE = 60
_TITLE_LINES = 3
_WRAP = 140  # a line longer than this isn't wrapped by hand: it is a paragraph of its own


def step(scan: Scanner) -> None:
    """Emit the block that starts at this line, which isn't blank."""
    if any(take(scan) for take in (take_header_fields, take_fence, take_adorned_heading, take_ruled_table)):
        return
    if ADORNMENT.match(scan.line.bare):
        scan.emit("rule")
    elif found := _ATX.match(scan.line.bare):
        scan.emit("heading", 1, len(found[1]))
    elif not (take_doctest(scan) or _take_numbered_title(scan) or take_item(scan) or _take_title(scan)):
        _take_paragraph(scan)


def _take_numbered_title(scan: Scanner) -> bool:
    """The same with a number before it, not one of several on lines that follow each other."""
    alone = not scan.position or not scan.peek(-1).bare
    return alone and _NUMBER.match(scan.line.bare) is not None and _take_title(scan)


def _take_title(scan: Scanner) -> bool:
    """A short line alone between blank ones that doesn't end as a sentence does; or several, all in capitals."""
    count, bare = 1, scan.line.bare
    while bare.isupper() and scan.peek(count).bare.isupper() and count < _TITLE_LINES:
        count += 1
    if scan.peek(count).bare or len(bare) > _LONGEST_TITLE or _ENDS.search(bare):
        return False
    if bare[0] in "\"'“‘「『(" or bare[0].islower():
        return False
    scan.emit("heading", count, 1)
    return True


def _take_paragraph(scan: Scanner) -> None:
    count = 1
    while (line := scan.peek(count)).bare and not BULLET.match(line.bare) and not FENCE.match(line.bare):
        if len(line.bare) > _WRAP or len(scan.peek(count - 1).bare) > _WRAP:
            break
        count += 1
    scan.emit(paragraph_kind(scan, count), count, scan.line.indent)
