"""What the tests of the page share: runs made by hand over sources in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from promptops.drivers.run import Result
from promptops.plans.results import Citation, CorpusResult, DocumentResult, Flag, Place
from promptops.report import html
from promptops.types import Source, Totals

Written = Callable[..., Path]


def place(source: str, text: str, words: str) -> Place:
    """Where ``words`` stand in ``text``."""
    start = text.index(words)
    return Place(source, start, start + len(words), words)


def sentence(answer: str, words: str, *places: Place, flag: Flag | None = None) -> Citation:
    """A sentence of ``answer`` that rests on ``places``."""
    start = answer.index(words)
    return Citation(start, start + len(words), places, flag)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a page of these documents, whose sources are these texts unless ``sources`` are given."""

    def write(
        *documents: DocumentResult,
        texts: Sequence[str] = (),
        sources: Sequence[Source] = (),
        corpus: CorpusResult | None = None,
        model: str = "some:model",
        reason: str | None = None,
    ) -> Path:
        named = zip(documents, texts, strict=False)
        given = sources or [Source(document.source, text=text) for document, text in named]
        result = Result("r1", "summarize", model, "ok", documents, corpus, Totals(), reason=reason)
        path = tmp_path / "page.html"
        html.write(result, path, given)
        return path

    return write
