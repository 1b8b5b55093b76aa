"""Chunks: spans of a document, each within a token budget, that tile it without losing or altering a character."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.chunking.split import cores, split, stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptops.types import Chunk

__all__ = ["cores", "heading_paths", "split", "stream"]


def heading_paths(text: str, chunks: Sequence[Chunk], format: str) -> list[tuple[str, ...]]:
    """For each chunk, the titles of the headings that its core begins under, outermost first; ``()`` under none."""
    from promptops.chunking.headings import heading_paths as run

    return run(text, chunks, format)
