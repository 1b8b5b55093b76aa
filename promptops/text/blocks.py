"""What a text is made of: headings, paragraphs, list items, code, tables and the rest, as blocks that tile it."""

from __future__ import annotations

import re
from collections.abc import Callable

from promptops.text import markdown, plain, rst
from promptops.text.scanner import Block, Scanner

_STEPS: dict[str, Callable[[Scanner], None]] = {
    "markdown": markdown.step,
    "html": markdown.step,
    "rst": rst.step,
    "text": plain.step,
}
_LOOK = 20_000
_RST = re.compile(
    r"^\.\. [\w-]+::|^\.\. _[^\n:]+:|::[ \t]*\n[ \t]*\n[ \t]+\S|^[^\s#>|*-][^\n]*\n([=~^*-])\1{3,}[ \t]*\n"
    r"|\w`_|:[a-z]+:`",
    re.MULTILINE,
)
_MARKDOWN = re.compile(r"^#{1,6} \S|^```|^~~~|\]\([^)\s]+\)|^\|[ :-]*-[ :|-]*\|[ \t]*$|\A---\n", re.MULTILINE)


def blocks(text: str, format: str = "markdown") -> list[Block]:
    """The blocks of ``text``, in order, covering it without a gap; any text has some reading, so nothing is raised.

    ``format`` is ``markdown``, ``rst``, ``html``, ``text`` or ``code``; another name is read as plain text. Linear in
    the length of the text.
    """
    if format == "code":
        return [Block("code", 0, len(text))] if text else []
    scan = Scanner(text)
    step = _STEPS.get(format, plain.step)
    while scan.skip_blank():
        step(scan)
    return scan.blocks()


def guess(text: str) -> str:
    """``markdown``, ``rst`` or ``text``: what the first 20,000 characters look like, for a text that comes unnamed."""
    head = text[:_LOOK]
    marks = {"rst": len(_RST.findall(head)), "markdown": len(_MARKDOWN.findall(head))}
    best = max(marks, key=lambda name: marks[name])
    return best if marks[best] else "text"
