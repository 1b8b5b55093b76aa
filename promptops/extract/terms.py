"""Sentences as TF-IDF vectors, sparse.

No matrix of every sentence against every other is ever formed: what needs one goes through the terms and back, so
memory grows with the text and never with the square of its sentences.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from promptops.text import words

Floats = npt.NDArray[np.float64]

_ENGLISH = (
    "a about above after again all also although am an and any are as at be because been before being below between "
    "both but by can cannot could did do does doing done down during each either else etc even ever every few for "
    "from further get gets had has have having he her here hers him his how however i if in into is it it's its "
    "itself just let like may me might more most much must my neither no nor not now of off on once only or other our "
    "out over own per rather same shall she should since so some such than that that's the their them then there "
    "these they this those though through thus to too under until up upon us use used using very was we were what "
    "when where whether which while who whom whose why will with within without would yes yet you your don't doesn't "
    "isn't can't one two "
)
_KOREAN = """
는 은 이 가 을 를 의 에 와 과 도 로 수 것 때 으로 니다 습니 합니 입니 하는 있습 있는 하고 됩니
하여 에서 니까 세요
"""
STOP = frozenset(_ENGLISH.split()) | frozenset(_KOREAN.split())
_ASKING = re.compile(r"얼마나|얼마|무엇\w?|무슨|누가|누구\w?|언제|어디\w?|어떻게|어떤|왜|몇")
_STEM = 6  # letters; words that share them are taken for one, which serves inflected languages without a stemmer each


def terms(text: str) -> list[str]:
    """The words of ``text`` that carry meaning, shortened to their stems."""
    return [word[:_STEM] for word in words(text) if word not in STOP]


def asked_about(question: str) -> str:
    """``question`` without the Korean words that only ask; the English ones carry no meaning here anyway."""
    return _ASKING.sub(" ", question)


class Vectors:
    """The rows of a sparse matrix: one unit vector of TF-IDF weights a sentence."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.index: dict[str, int] = {}
        rows: list[int] = []
        columns: list[int] = []
        counts: list[int] = []
        for row, text in enumerate(texts):
            found = Counter(terms(text))
            rows.extend([row] * len(found))
            columns.extend([self.index.setdefault(term, len(self.index)) for term in found])
            counts.extend(found.values())
        self.height, self.width = len(texts), max(1, len(self.index))
        self.rows = np.array(rows, dtype=np.intp)
        self.columns = np.array(columns, dtype=np.intp)
        spread = np.bincount(self.columns, minlength=self.width)
        self.idf: Floats = np.log((1 + self.height) / (1 + spread)) + 1
        weights: Floats = np.array(counts, dtype=np.float64) * self.idf[self.columns]
        norms = np.sqrt(_sums(self.rows, weights * weights, self.height))
        self.values: Floats = weights / norms[self.rows] if rows else weights

    def times(self, vector: Floats) -> Floats:
        """The matrix times a column: each sentence's likeness to a vector of terms."""
        return _sums(self.rows, self.values * vector[self.columns], self.height)

    def gather(self, weights: Floats) -> Floats:
        """The transposed matrix times a column: the terms of all sentences, each sentence by its weight."""
        return _sums(self.columns, self.values * weights[self.rows], self.width)

    def row(self, number: int) -> Floats:
        """One sentence's vector."""
        low, high = np.searchsorted(self.rows, (number, number + 1))
        vector = np.zeros(self.width)
        vector[self.columns[low:high]] = self.values[low:high]
        return vector

    def vector(self, text: str) -> Floats:
        """Any text's unit vector over these sentences' terms; zero where it shares none."""
        vector = np.zeros(self.width)
        for term, count in Counter(terms(text)).items():
            if term in self.index:
                vector[self.index[term]] = count * self.idf[self.index[term]]
        norm = float(np.sqrt(vector @ vector))
        return vector / norm if norm else vector


def _sums(places: npt.NDArray[np.intp], weights: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(places, weights, size), np.float64)
