"""What a run finds out while its documents come to their ends, and what that makes of the run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from promptops.drivers.covered import Covered
from promptops.plans.results import LOST, CorpusResult, DocumentResult
from promptops.types import DocumentStatus, RunStatus, Source


@dataclass(slots=True)
class Found:
    """Documents by status, how many of them lack an answer, what stopped the sending, and the first failure."""

    covered: Covered
    counts: Counter[DocumentStatus] = field(default_factory=Counter)
    lacking: int = 0
    stopped: set[str] = field(default_factory=set)
    reason: str | None = None
    """The first failure that stopped the sending, or else the first of all."""

    def add(self, result: DocumentResult, source: Source) -> None:
        """One document is done."""
        self.counts[result.status] += 1
        self.covered.add(result, source)
        self.lacking += result.status == "failed" or any(span.status in LOST for span in result.coverage)
        if result.error and result.status != "empty" and (not self.reason or (result.stopped and not self.stopped)):
            self.reason = f"{result.source}: {result.error}"
        if result.stopped:
            self.stopped.add(result.stopped)

    def add_corpus(self, corpus: CorpusResult) -> None:
        """So is the answer over all of them; that there is nothing to answer from is no failure."""
        if corpus.status != "empty" and (not self.reason or (corpus.stopped and not self.stopped)):
            self.reason = corpus.error
        if corpus.stopped:
            self.stopped.add(corpus.stopped)

    def status(self, corpus: CorpusResult | None) -> RunStatus:
        """What the run came to."""
        if self.stopped & {"budget", "quota"}:
            return "incomplete"
        if self.covered.lacking():
            return "failed"
        if self.counts["failed"] and not self.counts["ok"] + self.counts["truncated"]:
            return "failed"
        broken = self.counts["failed"] + self.counts["truncated"]
        halfway = corpus is not None and corpus.status not in ("ok", "empty")
        return "incomplete" if broken or halfway else "ok"

    def failure(self, corpus: CorpusResult | None) -> str | None:
        """What is wrong, in one line: too little covered, the first failure, or else how many answers were cut."""
        return self.covered.lacking(self.reason) or self.reason or self._cut(corpus)

    def _cut(self, corpus: CorpusResult | None) -> str | None:
        documents = self.counts["truncated"]
        parts = [f"{documents:,} document{'s' if documents > 1 else ''}"] if documents else []
        parts += ["the overview"] if corpus is not None and corpus.status == "truncated" else []
        if not parts:
            return None
        room = "allow more words (--set words=N), or ask about smaller parts (--set chunk_tokens=N)"
        return f"answers were cut at their limit, of {' and of '.join(parts)}: {room}"
