"""Template files: their ending, whether one is there, and its text."""

from __future__ import annotations

import os
from pathlib import Path

from promptops.errors import TemplateError

SUFFIX = ".j2"


def is_file(path: str | Path) -> bool:
    """Whether there is such a file; a name that no file can have is none, rather than an error."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name that is too long


def read(path: Path) -> str:
    """A template file's text; raises ``TemplateError`` where it is no UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise TemplateError(f"{path}: cannot be read as UTF-8 text: {failure}") from None
