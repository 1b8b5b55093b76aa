"""Chunks: spans of a document, each within a token budget, that tile it without losing or altering a character."""

from promptops.chunking.split import cores, split, stream

__all__ = ["cores", "split", "stream"]
