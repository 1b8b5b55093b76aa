"""The blocks of reStructuredText."""

from __future__ import annotations

import re

from promptops.text.grammar import (
    ADORNMENT,
    BULLET,
    count_until_blank,
    take_adorned_heading,
    take_doctest,
    take_header_fields,
    take_item,
    take_ruled_table,
)
from promptops.text.scanner import Scanner

_FIELD = re.compile(r":[^:\s`][^:\n]{0,60}:(?:\s|\Z)")
_PROSE_DIRECTIVE = re.compile(
    r"\.\. (?:note|warning|important|tip|hint|caution|danger|attention|admonition|seealso|topic|epigraph|pull-quote|"
    r"versionadded|versionchanged|deprecated|abstract)::"
)


def step(scan: Scanner) -> None:
    """Emit the block that starts at this line, which isn't blank."""
    if take_header_fields(scan) or take_adorned_heading(scan) or take_ruled_table(scan):
        return
    if ADORNMENT.match(scan.line.bare):
        scan.emit("rule")
        return
    if not any(take(scan) for take in _TAKES.get(scan.line.bare[0], ())) and not take_item(scan):
        _take_paragraph(scan)


def _take_explicit(scan: Scanner) -> bool:
    """A directive, comment, target or footnote; of an admonition only its first line, since its body is prose."""
    bare = scan.line.bare
    if not bare.startswith(".. ") and bare not in ("..", "__"):
        return False
    if _PROSE_DIRECTIVE.match(bare):
        scan.emit("directive")
    else:
        scan.emit_indented("directive", scan.line.indent)
    return True


def _take_fields(scan: Scanner) -> bool:
    if not _FIELD.match(scan.line.bare):
        return False
    count = 1
    while (line := scan.peek(count)).bare and (line.indent > scan.line.indent or _FIELD.match(line.bare)):
        count += 1
    scan.emit("fields", count)
    return True


def _take_line_block(scan: Scanner) -> bool:
    if not scan.line.bare.startswith("| "):
        return False
    scan.emit("quote", count_until_blank(scan), scan.line.indent)
    return True


def _take_paragraph(scan: Scanner) -> None:
    line, following = scan.line, scan.peek()
    if following.bare and following.indent > line.indent and not line.bare.endswith("::"):
        scan.emit("term", 1, line.indent)
        return
    count = 1
    while scan.peek(count).bare and scan.peek(count).indent >= line.indent and not _starts_item(scan, count):
        count += 1
    last = scan.peek(count - 1).bare
    scan.emit("paragraph", count, line.indent)
    if last.endswith("::") and scan.skip_blank() and scan.line.indent > line.indent:
        scan.emit_indented("code", line.indent, scan.line.indent)


def _starts_item(scan: Scanner, count: int) -> bool:
    """A list wants a blank line before it, unless it is indented under the paragraph's last line."""
    line = scan.peek(count)
    return line.indent > scan.line.indent and BULLET.match(line.bare) is not None


_TAKES = {
    ".": (_take_explicit,),
    "_": (_take_explicit,),
    ":": (_take_fields,),
    "|": (_take_line_block,),
    ">": (take_doctest,),
}
