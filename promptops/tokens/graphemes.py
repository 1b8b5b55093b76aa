"""Grapheme clusters: what people take for one character, which is never cut in two."""

from __future__ import annotations

_PIECE = 64


def grapheme_ends(text: str, start: int = 0, end: int | None = None) -> list[int]:
    """Where the graphemes of ``text[start:end]`` end; ``start`` must be a grapheme border.

    The text is matched in short pieces, each from a border on: in a long run of flags, the library would look back to
    the start of the run for every one.
    """
    import regex

    cluster = regex.compile(r"\X", regex.DOTALL)
    stop = len(text) if end is None else end
    ends: list[int] = []
    size = _PIECE
    while start < stop:
        piece = text[start : min(stop, start + size)]
        found = [start + match.end() for match in cluster.finditer(piece)]
        if start + size < stop:
            found.pop()  # the last one may go on
        size = _PIECE if found else 2 * size
        ends += found
        start = found[-1] if found else start
    return ends
