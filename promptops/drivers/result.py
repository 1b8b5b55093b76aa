"""What a run came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from promptops.drivers.estimate import Estimate
from promptops.plans.results import CorpusResult, DocumentResult
from promptops.store import Packing
from promptops.types import DocumentStatus, RunStatus, Totals


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to.

    ``status`` is ``ok``; ``failed`` where documents failed and none has an answer, or less is covered than must be; or
    ``incomplete`` where some have none or had to be cut short, or a cap or quota ran out. ``coverage`` is the share of
    the documents' characters that answers rest on, 0 to 1. ``usage`` is what this run sent; replies from the store are
    no calls. ``documents`` is empty where a ``sink`` took them.
    """

    run: str
    chain: str
    model: str
    status: RunStatus
    documents: tuple[DocumentResult, ...]
    corpus: CorpusResult | None
    usage: Totals
    coverage: float = 1.0
    estimate: Estimate | None = None
    stopped: frozenset[str] = frozenset()
    """What kept calls from being sent: ``budget``, ``quota``, ``access``, ``store``."""
    reason: str | None = None
    """What stopped the sending, or else the first failure, in one line; without any, how many answers were cut."""
    counts: Mapping[DocumentStatus, int] = field(default_factory=dict)
    """Documents by their status."""
    lacking: int = 0
    """Documents with no answer, or with one that rests on a part of the text only, for want of another answer."""
    seconds: float = 0.0
    packing: Packing = field(default_factory=Packing)
    """What prompt packing saved."""

    @property
    def again(self) -> bool:
        """Whether running again can change something: not where answers were only cut, or this run could send nothing.

        A full disk stays full, and where not one call was within the cap, or let in, none will be; and too few answers
        to compare stay too few.
        """
        if "store" in self.stopped:
            return False
        if self.stopped:
            return "quota" in self.stopped or self.usage.calls > 0
        return bool(self.lacking) or (
            self.corpus is not None and self.corpus.status == "failed" and self.corpus.documents > 0
        )

    @property
    def text(self) -> str:
        """The answer over all documents, or that of the only one."""
        if self.corpus is not None and self.corpus.text:
            return self.corpus.text
        return "\n\n".join(document.text for document in self.documents if document.text)
