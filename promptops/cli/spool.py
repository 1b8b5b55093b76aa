"""Standard input as a file, since an estimate and the run after it both read every document."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from promptops.documents.walk import STDIN
from promptops.errors import UsageError
from promptops.plans.results import DocumentResult
from promptops.types import Source


@dataclass(frozen=True, slots=True)
class Spooled:
    """The paths to read, and where standard input is among them (``None``: it was not asked for)."""

    paths: list[str]
    file: str | None = None

    def source(self, found: Source) -> Source:
        """``found`` under the name that was asked for."""
        return replace(found, name=STDIN) if self.file and found.path == self.file else found

    def result(self, found: DocumentResult) -> DocumentResult:
        """The same for a result."""
        return replace(found, source=STDIN) if self.file and found.source == self.file else found


@contextmanager
def spooled(paths: Sequence[str]) -> Iterator[Spooled]:
    """``paths`` with a temporary copy of standard input for ``-``; raises ``UsageError`` where it is closed."""
    if STDIN not in paths:
        yield Spooled(list(paths))
        return
    if sys.stdin is None:
        raise UsageError("standard input is closed; name a file instead of -")
    with tempfile.TemporaryDirectory(prefix="promptops-") as folder:
        # Its name becomes the title, as that of any other file, so it has to be the one that was asked for.
        file = Path(folder, STDIN)
        with file.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        yield Spooled([str(file) if path == STDIN else path for path in paths], str(file))
