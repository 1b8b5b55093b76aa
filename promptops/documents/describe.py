"""What a document is, from its name and its first lines: its format and its title."""

from __future__ import annotations

import os
import re
from itertools import pairwise

FORMATS = {
    ".md": "markdown", ".markdown": "markdown", ".mdown": "markdown", ".mkd": "markdown", ".rst": "rst",
    ".html": "html", ".htm": "html", ".xhtml": "html", ".pdf": "pdf", ".docx": "docx",
    **dict.fromkeys(
        (".py", ".pyi", ".js", ".mjs", ".ts", ".tsx", ".jsx", ".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".java", ".kt",
         ".go", ".rs", ".rb", ".php", ".swift", ".scala", ".sh", ".sql", ".r", ".lua", ".pl", ".css"), "code"),
}  # fmt: skip
"""File format by ending; anything else is text. HTML, PDF and Word files become Markdown or text when loaded."""

TITLE_WITHIN = 20_000
"""Characters at the start of a document in which its title is looked for."""
MAX_TITLE = 200

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_YAML_TITLE = re.compile(r"""^title:[ \t]*(["']?)(.+?)\1[ \t]*$""", re.MULTILINE | re.IGNORECASE)
_FIELD = re.compile(r":?[A-Za-z][\w-]*:(?:[ \t]|$)")
_FIELD_TITLE = re.compile(r"^:?title:[ \t]+(.+(?:\n[ \t]+\S.*)*)", re.MULTILINE | re.IGNORECASE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(?:=+|-{2,})[ \t]*$")
_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[ \t]*$")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_MARKUP = re.compile(r"\*\*|__|`+|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")


def format_of(name: str) -> str:
    """The file format by the ending of ``name``: one of the values of ``FORMATS``, or ``text``."""
    return FORMATS.get(os.path.splitext(name)[1].lower(), "text")  # noqa: PTH122 -- pathlib doubles the import time


def title_of(text: str, format_: str) -> str:
    """The title a document gives itself: front matter, a ``Title:`` field, its first heading; empty for none.

    A file's name is no title: a document that is renamed stays the same document.
    """
    head = text[:TITLE_WITHIN]
    found = ""
    if format_ == "markdown":
        found = _front_matter(head) or _markdown_heading(head)
    elif format_ == "rst":
        found = _title_field(head) or _rst_heading(head)
    elif format_ == "text":
        found = _title_field(head)
    return tidy(found)


def tidy(title: str) -> str:
    """A title in one line, without the markup of Markdown."""
    plain = _MARKUP.sub("", _LINK.sub(r"\1", " ".join(title.split()))).strip()
    return plain if len(plain) <= MAX_TITLE else plain[: MAX_TITLE - 1] + "…"


def _front_matter(head: str) -> str:
    match = _FRONT_MATTER.match(head)
    title = _YAML_TITLE.search(match[1]) if match else None
    return title[2] if title else ""


def _title_field(head: str) -> str:
    """The field ``Title:`` of a header block, as PEPs have: fields from the first line on, up to a blank line."""
    block = head.lstrip("\n").split("\n\n", 1)[0]
    match = _FIELD_TITLE.search(block) if _FIELD.match(block) else None
    return match[1] if match else ""


def _markdown_heading(head: str) -> str:
    match = _FRONT_MATTER.match(head)
    lines = head[match.end() if match else 0 :].split("\n")
    fence = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence:
            heading = _ATX.match(line)
            if heading and heading[1]:
                return heading[1]
            if line.strip() and _SETEXT.match(following) and line[0] not in "|>-*":
                return line
    return ""


def _rst_heading(head: str) -> str:
    for line, following in pairwise(head.split("\n")):
        text = line.strip()
        if text and not _ADORNMENT.match(line) and _ADORNMENT.match(following) and len(following.strip()) >= len(text):
            return text
    return ""
