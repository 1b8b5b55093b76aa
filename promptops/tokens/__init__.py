"""Tokens: exact counts, offline, for every model that tiktoken can name and for any vocabulary in a file."""

from __future__ import annotations

from promptops.tokens.registry import NAMES, counter, encoding_of, vocabulary
from promptops.tokens.truncate import truncate
from promptops.tokens.vocabulary import Vocabulary

TYPE_CHECKING = False  # a type checker knows better; importing typing would take as long as all of this package
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NAMES", "Vocabulary", "counter", "encoding_of", "export", "truncate", "vocabulary"]


def export(name: str, directory: str | Path | None = None) -> list[Path]:
    """Fill tiktoken's cache with one encoding: see ``promptops.tokens.export``."""
    from promptops.tokens.caches import export as run

    return run(name, directory)
