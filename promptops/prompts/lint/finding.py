"""What lint has to say, and how a file can ask it not to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from promptops.prompts.files import read
from promptops.prompts.front_matter import split

_IGNORE = re.compile(r"#\s*promptops:\s*ignore\[([\w\s,-]+)\]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One complaint: a code, a place and a mend; a ``hint`` says what could be cheaper, and fails nothing."""

    code: str
    path: str
    line: int
    text: str
    hint: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.code}{' (hint)' if self.hint else ''}: {self.text}"


class Ignored:
    """The codes that files silence."""

    def __init__(self) -> None:
        self._files: dict[str, dict[int, set[str]]] = {}

    def __contains__(self, finding: Finding) -> bool:
        lines = self._lines(finding.path)
        return any(finding.code in lines.get(line, ()) for line in (0, finding.line - 1, finding.line))

    def _lines(self, path: str) -> dict[int, set[str]]:
        """By line; 0 is the whole file."""
        if path not in self._files:
            text = read(Path(path))
            head = split(text)[0].count("\n") + 1 if split(text)[0] else 0
            found: dict[int, set[str]] = {}
            for number, line in enumerate(text.splitlines(), 1):
                if asked := _IGNORE.search(line):
                    codes = {code.strip() for code in asked[1].split(",")}
                    found.setdefault(0 if number <= head else number, set()).update(codes)
            self._files[path] = found
        return self._files[path]
