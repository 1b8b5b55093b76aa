"""How much of the text of a run's documents its answers rest on."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from promptops.errors import UsageError
from promptops.plans.results import DocumentResult
from promptops.types import Source


@dataclass(slots=True)
class Covered:
    """How much of the documents' text the answers rest on; ``share`` has to be ``least`` at least."""

    least: float
    characters: int = 0
    whole: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise UsageError(f"--min-coverage must be a share from 0 to 1 such as 0.95, not {self.least}")

    def add(self, result: DocumentResult, source: Source) -> None:
        """Count one document; one that could not be read counts with the bytes it has."""
        covered, whole = result.covered
        if result.status == "failed" and not result.coverage:
            whole = max(source.size, len(source.text or ""), 1)
        self.characters += covered
        self.whole += whole

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.characters / self.whole if self.whole else 1.0

    def lacking(self, failure: str | None = None) -> str | None:
        """What is wrong where it is too little, in one line that ends with the first ``failure``."""
        if self.share >= self.least:
            return None
        said = f"the answers rest on {percent(self.share)} of the text, under --min-coverage {self.least:g}"
        return f"{said}; {failure}" if failure else said


def percent(share: float) -> str:
    """Never more than there is: ``94.99 %``."""
    return f"{floor(share * 10_000) / 100:g} %"
