"""What a command line that sends has asked for, and the one that goes on from it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """What one command line asked for."""

    chain: str
    paths: list[str]
    model: str
    settings: dict[str, Any]
    connection: dict[str, Any]
    out: Path | None
    json: bool
    min_coverage: float = 0.0
    models: dict[str, Any] = field(default_factory=dict)
    templates: list[str] | None = None
    html: Path | None = None

    @property
    def written(self) -> list[Path]:
        """What the run writes itself, which is no document of it and no change to watch for."""
        return [path for path in (self.out, self.html) if path is not None]


def command(asked: Asked) -> str:
    """The command line that goes on: as it was given, but that ``--fresh`` goes on from when it was said."""
    words, age = list(sys.argv[1:]), asked.connection.get("max_age")
    end = words.index("--") if "--" in words else len(words)
    if "--fresh" in words[:end] and isinstance(age, datetime):
        said = f"--max-age={age.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
        before = (word for word in words[:end] if word != "--fresh")
        words = [*_without_age(before), said, *words[end:]]
    return shlex.join(["promptops", *words])


def _without_age(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        if word == "--max-age":
            next(words, None)
        elif not word.startswith("--max-age="):
            yield word
