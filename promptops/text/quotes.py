"""Where words quoted from a text stand in it."""

from __future__ import annotations

import re


def find(quote: str, text: str, start: int = 0) -> tuple[int, int] | None:
    """The characters of ``text`` where ``quote`` first stands, from ``start`` on; only blanks may differ.

    ``None`` where it does not, or says nothing.
    """
    words = quote.split()
    if not words:
        return None
    found = re.compile(r"\s+".join(map(re.escape, words))).search(text, start)
    return found.span() if found else None
