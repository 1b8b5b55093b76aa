"""A summary in so many words, made of a text's own sentences."""

from __future__ import annotations

from collections.abc import Sequence

from promptops.extract.candidates import Candidate, Page, read
from promptops.extract.choosing import choose
from promptops.extract.ranking import score
from promptops.extract.terms import Vectors


def summarize(text: str, *, words: int, format: str = "markdown", title: str = "", focus: str = "") -> str:  # noqa: A002
    page = read(text, format, title)
    if not page.candidates or words < 1:
        return ""
    vectors = Vectors([c.text for c in page.candidates])
    scores = score(page, vectors, focus)
    chosen = choose(scores, vectors, [c.words for c in page.candidates], words)
    return " ".join(page.candidates[i].text for i in sorted(chosen))
