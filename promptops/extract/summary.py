"""Summaries made of a text's own sentences, and the ranking they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from promptops.extract.candidates import Candidate, Page, read
from promptops.extract.choosing import choose
from promptops.extract.joining import cut, finished, join
from promptops.extract.ranking import score
from promptops.extract.terms import Floats, Vectors, asked_about
from promptops.text import count_words


@dataclass(frozen=True)
class Ranking:
    """The sentences of one text, or of several parts of one, and how much each tells of the whole."""

    page: Page
    focus: str = ""
    question: str = ""

    @property
    def candidates(self) -> list[Candidate]:
        """The sentences that a summary may be made of, in the order of the text."""
        return self.page.candidates

    @cached_property
    def vectors(self) -> Vectors:
        """Their TF-IDF vectors."""
        return Vectors([candidate.text for candidate in self.candidates])

    @cached_property
    def scores(self) -> Floats:
        """One number a candidate, comparable within this text only: its nearness to the question, if there is one."""
        if self.question:
            return self._nearness(self.question)
        return score(self.page, self.vectors, self.focus)

    def _nearness(self, wish: str) -> Floats:
        return self.vectors.times(self.vectors.vector(asked_about(wish)))

    def pick(self, room: int, costs: Sequence[int] | None = None) -> list[Candidate]:
        """The best sentences that fit, in the order of the text; each costs its words, or what ``costs`` says."""
        return self.pick_within([(room, costs)])

    def pick_within(self, limits: Sequence[tuple[int, Sequence[int] | None]]) -> list[Candidate]:
        """The same under several limits at once, each its room and its costs (words where ``None``)."""
        if not self.candidates:
            return []
        words = [candidate.words for candidate in self.candidates]
        chosen = choose(
            self.scores,
            self.vectors,
            costs=np.array([costs or words for _, costs in limits], dtype=np.int64),
            room=np.array([room for room, _ in limits], dtype=np.int64),
            follows=np.array([candidate.in_block > 0 for candidate in self.candidates], dtype=np.int64),
            parts=np.array([0 if self.question else one.part for one in self.candidates], dtype=np.int64),
        )
        return [self.candidates[i] for i in sorted(chosen)]

    def cut_best(self, fits: Callable[[str], bool]) -> str:
        """The beginning of the best sentence, as long as ``fits`` allows, for where no sentence fits whole."""
        return cut(finished(self.best_first()[0]), fits) if self.candidates else ""

    def about(self, wish: str) -> list[Candidate]:
        """Those that share a word with ``wish``, the nearest first."""
        near = self._nearness(wish)
        return [self.candidates[i] for i in np.argsort(-near, kind="stable") if near[i] > 0]

    def best_first(self) -> list[Candidate]:
        """All of them by score, for whoever shortens a text from its weakest end."""
        return [self.candidates[i] for i in np.argsort(-self.scores, kind="stable")]


def rank(
    text: str | Sequence[str],
    *,
    format: str = "markdown",
    title: str = "",
    focus: str = "",
    question: str = "",
) -> Ranking:
    """Rank the sentences of ``text``, or of several parts in order, each of which then gets its share of a summary.

    ``title`` is what the text is about, where it doesn't say so itself; sentences near ``focus`` come first. With a
    ``question`` nothing counts but how near they are to it, and parts have no shares.
    """
    return Ranking(read([text] if isinstance(text, str) else text, format, title), focus, question)


def likeness(texts: Sequence[str], wish: str) -> list[float]:
    """How near each of ``texts`` is to ``wish``, 0 to 1: the cosine of their TF-IDF vectors."""
    vectors = Vectors(texts)
    near: list[float] = vectors.times(vectors.vector(asked_about(wish))).tolist()
    return near


def summarize(
    text: str,
    *,
    words: int,
    format: str = "markdown",
    title: str = "",
    focus: str = "",
) -> str:
    """At most ``words`` words of ``text``: its most telling sentences, in its order, without markup.

    ``format`` is a document's format (``markdown``, ``rst``, ``html``, ``text`` or ``code``). Where not even one
    sentence fits, the best one's beginning with an ellipsis; empty only where the text has no letter or ``words`` is
    below 1.
    Time and memory grow with the length of the text, and time with the number of sentences taken.
    """
    ranking = rank(text, format=format, title=title, focus=focus)
    return join(ranking.pick(words)) or ranking.cut_best(lambda part: count_words(part) <= words)
