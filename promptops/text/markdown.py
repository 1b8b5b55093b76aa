"""The blocks of Markdown: CommonMark's, with tables, front matter, footnotes and ``:::`` containers."""

from __future__ import annotations

import re

from promptops.text.grammar import (
    BULLET,
    FENCE,
    paragraph_kind,
    take_doctest,
    take_fence,
    take_header_fields,
    take_item,
    take_ruled_table,
)
from promptops.text.scanner import Kind, Scanner

_ATX = re.compile(r"#{1,6}(?:\s|\Z)")
_SETEXT = re.compile(r"(?:={2,}|-{2,})\Z")
_RULE = re.compile(r"(?:\*[ \t]*){3,}\Z|(?:-[ \t]*){3,}\Z|(?:_[ \t]*){3,}\Z")
_TABLE_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)*\Z")
_DEFINITION = re.compile(r"\[[^\]\n]{1,200}\]:(?:\s|\Z)")
_RAW = re.compile(r"<(script|style|pre|svg|textarea|template|math)\b", re.IGNORECASE)
_TAGS_ONLY = re.compile(r"(?:</?[A-Za-z][^<>]*>\s*)+\Z")
_OPEN_TAG = re.compile(r"</?[A-Za-z][\w.-]*(?:\s[^<>]*)?\Z")
_CODE_INDENT = 4
_STARTERS = frozenset("#>`~<:*-+_=")


def step(scan: Scanner) -> None:
    """Emit the block that starts at this line, which isn't blank."""
    if not scan.position and (_take_front_matter(scan) or take_header_fields(scan)):
        return
    first = scan.line.bare[0]
    if first in "`~" and take_fence(scan):
        return
    if scan.line.indent >= _CODE_INDENT and scan.last_kind not in ("item", "paragraph", "code"):
        scan.emit_indented("code", _CODE_INDENT - 1, scan.line.indent)
        return
    if not any(take(scan) for take in _TAKES.get(first, ())) and not take_item(scan) and not _take_table(scan):
        _take_paragraph(scan)


def _take_front_matter(scan: Scanner) -> bool:
    if scan.line.bare != "---":
        return False
    for count in range(1, len(scan.lines)):
        if scan.peek(count).bare in ("---", "..."):
            scan.emit("fields", count + 1)
            return True
    return False


def _take_atx(scan: Scanner) -> bool:
    found = _ATX.match(scan.line.bare)
    if found:
        scan.emit("heading", 1, found[0].count("#"))
    return found is not None


def _take_rule(scan: Scanner) -> bool:
    if not _RULE.match(scan.line.bare):
        return False
    scan.emit("rule")
    return True


def _take_quote(scan: Scanner) -> bool:
    count = 1
    while scan.peek(count).bare.startswith(">"):
        count += 1
    scan.emit("quote", count, scan.line.indent)
    return True


def _take_table(scan: Scanner) -> bool:
    if "|" not in scan.line.bare or "|" not in scan.peek().bare or not _TABLE_RULE.match(scan.peek().bare):
        return False
    count = 2
    while "|" in scan.peek(count).bare:
        count += 1
    scan.emit("table", count)
    return True


def _take_html(scan: Scanner) -> bool:
    bare = scan.line.bare
    raw = _RAW.match(bare)
    if raw:
        _take_to(scan, "code", f"</{raw[1].lower()}>")
    elif bare.startswith("<!--"):
        _take_to(scan, "directive", "-->")
    elif _TAGS_ONLY.match(bare):
        scan.emit("directive")
    elif _OPEN_TAG.match(bare):
        _take_to(scan, "directive", ">")
    else:
        return False
    return True


def _take_to(scan: Scanner, kind: Kind, closing: str) -> None:
    """Up to the line that holds ``closing``; without one, this line alone, and it isn't looked for again."""
    for count in () if closing in scan.missing else range(len(scan.lines) - scan.position):
        if closing in scan.peek(count).bare.lower():
            scan.emit(kind, count + 1)
            return
    scan.missing.add(closing)
    scan.emit("directive")


def _take_container(scan: Scanner) -> bool:
    if not scan.line.bare.startswith(":::"):
        return False
    scan.emit("directive")
    return True


def _take_definition(scan: Scanner) -> bool:
    if not _DEFINITION.match(scan.line.bare):
        return False
    scan.emit("directive")
    return True


def _take_paragraph(scan: Scanner) -> None:
    count, level = 1, scan.line.indent
    while (line := scan.peek(count)).bare and not _interrupts(line.bare):
        count += 1
    if _SETEXT.match(line.bare) and count == 1 and not level:
        scan.emit("heading", 2, 1 if line.bare[0] == "=" else 2)
    else:
        scan.emit(paragraph_kind(scan, count), count, level)


def _interrupts(bare: str) -> bool:
    if bare[0] not in _STARTERS:
        return False
    return bool(
        _ATX.match(bare)
        or _SETEXT.match(bare)
        or _RULE.match(bare)
        or FENCE.match(bare)
        or bare.startswith((">", ":::"))
        or _TAGS_ONLY.match(bare)
        or (bare[0] in "-*+" and BULLET.match(bare))
    )


_TAKES = {
    "#": (_take_atx,),
    "*": (_take_rule,),
    "-": (_take_rule,),
    "_": (_take_rule,),
    ">": (take_doctest, _take_quote),
    "<": (_take_html,),
    ":": (_take_container,),
    "[": (_take_definition,),
    "+": (take_ruled_table,),
}
