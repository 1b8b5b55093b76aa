"""Template files: their ending, whether one is there, and its text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from promptops.errors import NotFoundError, TemplateError

SUFFIX = ".j2"

Folders = str | PathLike[str] | Sequence[str | PathLike[str]] | None


def folders(given: Folders) -> tuple[Path, ...]:
    """Folders of templates, one or several; raises ``NotFoundError`` for one that is not there."""
    paths = tuple(map(Path, [given] if isinstance(given, (str, PathLike)) else given or ()))
    for path in paths:
        if not path.is_dir():
            raise NotFoundError(f"templates folder {str(path)!r} is not there; check the path")
    return paths


def is_file(path: str | Path) -> bool:
    """Whether there is such a file; a name that no file can have is none, rather than an error."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name that is too long


def read(path: Path) -> str:
    """A template file's text; raises ``TemplateError`` where it is no UTF-8 text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise TemplateError(f"{path}: cannot be read as UTF-8 text: {failure}") from None
