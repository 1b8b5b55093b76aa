"""Line patterns that several formats share."""

from __future__ import annotations

import re

from promptops.text.scanner import Kind, Scanner

BULLET = re.compile(r"(?:[-*+•◦‣·▪]|\(?(?:\d{1,4}|[A-Za-z]|[ivxIVX]{2,4}|#)[.)]|[①-⑳])\s+\S")
ADORNMENT = re.compile(r"([=\-~^*#+\"'`.:_<>!$%&,;?@/\\|])\1{2,}\Z")
GRID_TABLE = re.compile(r"\+[-=]{2,}(?:\+[-=]*)*\+?\Z")
SIMPLE_TABLE = re.compile(r"={2,}(?: +={2,})+\Z")
HEADER_FIELD = re.compile(r"[A-Z][A-Za-z-]{1,30}:(?=\s|\Z)")
FENCE = re.compile(r"(`{3,}|~{3,})")
_KEY = re.compile(r"(?:\*\*|__)?([^\W\d_][^\n:：.!?*]{0,24})(?:[:：](?:\*\*|__)?|(?:\*\*|__)[:：])\s+\S")
_HEAD_LINES = 30  # lines of a text in which a paragraph of keys and values is about the document
_KEYED = 0.6  # the share of such a paragraph's lines
_DOCTEST = (">>> ", "... ")
_LONGEST_TABLE = 2000
_FEWEST_FIELDS = 2


def take_header_fields(scan: Scanner) -> bool:
    """``Key: value`` lines at the very start of a text, each key once, as in mail; indented lines continue them."""
    if scan.position or not HEADER_FIELD.match(scan.line.bare):
        return False
    keys: list[str] = []
    count = 0
    while (line := scan.peek(count)).bare and ((found := HEADER_FIELD.match(line.bare)) or (count and line.indent)):
        keys += [found[0]] if found and not line.indent else []
        count += 1
    if len(keys) < _FEWEST_FIELDS or len(set(keys)) < len(keys) or scan.peek(count).bare:
        return False
    scan.emit("fields", count)
    return True


def paragraph_kind(scan: Scanner, count: int) -> Kind:
    """``fields`` for ``key: value`` lines near the start, each key once, such as date, place and author; else prose."""
    if scan.position > _HEAD_LINES or count < _FEWEST_FIELDS:
        return "paragraph"
    keys = [found[1] for i in range(count) if (found := _KEY.match(scan.peek(i).bare))]
    keyed = len(keys) >= max(_FEWEST_FIELDS, _KEYED * count) and len(set(keys)) == len(keys)
    return "fields" if keyed else "paragraph"


def take_adorned_heading(scan: Scanner) -> bool:
    """A title underlined, or over- and underlined, with one mark; its depth is that of its marks' first use."""
    first, second, third = scan.line, scan.peek(1), scan.peek(2)
    if ADORNMENT.match(first.bare) and second.bare and third.bare[:1] == first.bare[0] and ADORNMENT.match(third.bare):
        scan.emit("heading", 3, _depth(scan, first.bare[0] * 2))
        return True
    if first.indent or second.indent or not ADORNMENT.match(second.bare) or ADORNMENT.match(first.bare):
        return False
    scan.emit("heading", 2, _depth(scan, second.bare[0]))
    return True


def _depth(scan: Scanner, adornment: str) -> int:
    if adornment not in scan.adornments:
        scan.adornments.append(adornment)
    return scan.adornments.index(adornment) + 1


def take_fence(scan: Scanner) -> bool:
    """A fenced code block, to its closing fence or to the end of the text."""
    opening = FENCE.match(scan.line.bare)
    if not opening or (opening[0][0] == "`" and "`" in scan.line.bare[opening.end() :]):
        return False
    count, left = 1, len(scan.lines) - scan.position
    while count < left and not _closes(scan.peek(count).bare, opening[0]):
        count += 1
    scan.emit("code", min(count + 1, left), scan.line.indent)
    return True


def _closes(bare: str, fence: str) -> bool:
    return bare.startswith(fence) and not bare.strip(fence[0])


def take_ruled_table(scan: Scanner) -> bool:
    """A table drawn with ``+---+`` or with ``=== ===`` rules."""
    if GRID_TABLE.match(scan.line.bare):
        scan.emit("table", count_until_blank(scan))
        return True
    if not SIMPLE_TABLE.match(scan.line.bare):
        return False
    count = 1
    while count < min(_LONGEST_TABLE, len(scan.lines) - scan.position):
        if scan.peek(count)[2][:2] == "==" and not scan.peek(count + 1).bare:
            break
        count += 1
    scan.emit("table", count + 1 if count > 1 else 1)
    return True


def take_doctest(scan: Scanner) -> bool:
    """An interactive session, up to a blank line."""
    if not scan.line.bare.startswith(_DOCTEST[0]):
        return False
    scan.emit("code", count_until_blank(scan), scan.line.indent)
    return True


def take_item(scan: Scanner) -> bool:
    """One list item, up to a blank line, another item, or a code fence."""
    if not BULLET.match(scan.line.bare):
        return False
    count = 1
    while (line := scan.peek(count)).bare and not BULLET.match(line.bare) and not FENCE.match(line.bare):
        count += 1
    scan.emit("item", count, scan.line.indent)
    return True


def count_until_blank(scan: Scanner) -> int:
    """How many lines from this one to the next blank one."""
    count = 1
    while scan.peek(count).bare:
        count += 1
    return count
