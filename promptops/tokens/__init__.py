"""Tokens: exact counts, offline, for every model that tiktoken can name and for any vocabulary in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.tokens.registry import NAMES, counter, encoding_of, vocabulary
from promptops.tokens.truncate import truncate
from promptops.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NAMES", "Vocabulary", "counter", "encoding_of", "export", "truncate", "vocabulary"]


def export(name: str, directory: str | Path | None = None) -> list[Path]:
    """Fill tiktoken's cache with one encoding: see ``promptops.tokens.export``."""
    from promptops.tokens.caches import export as run

    return run(name, directory)
