"""How much each sentence tells of the whole text.

A weighted sum, after Edmundson (1969): what the sentence is about (its centrality among all sentences, LexRank's: Erkan &
Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text Summarization", 2004, section 3.3, continuous) and where
and how it is said (position, section, title and heading words, cue phrases, length, form).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from promptops.extract.candidates import Candidate, Page
from promptops.extract.roles import cues
from promptops.extract.terms import Floats, Vectors

_ROUNDS = 12
_DAMPING = 0.85
_FULL_WORDS = 25
_LONG_WORDS = 45
_ADDRESS = re.compile(r"\b(?:you|your|i|my|me|let's|please)\b", re.IGNORECASE)
_CODE = re.compile(r"[_(){}=<>\[\]/\\@$#|]")


@dataclass(frozen=True, slots=True)
class Weights:
    """What each sign is worth, where the most central sentence's centrality is worth ``centrality``."""

    centrality: float = 1.0
    frequency: float = 0.0
    title: float = 0.6
    headings: float = 0.2
    focus: float = 3.0
    early: float = 0.6
    section_start: float = 0.2
    block_start: float = 0.1
    role: float = 0.5
    prose: float = 0.4
    length: float = 0.5
    announces: float = 0.6
    concludes: float = 0.1
    leans: float = -0.2
    points: float = -0.2
    asks: float = -0.4
    introduces: float = -0.6
    unended: float = -0.3
    deep: float = 0.0
    address: float = -0.2
    code: float = -0.2


def score(page: Page, vectors: Vectors, focus: str = "", weights: Weights | None = None) -> Floats:
    """A score for each candidate of ``page``, whose ``vectors`` these are; higher is better."""
    weights = weights or Weights()
    total = features(page, vectors, focus) @ np.array([getattr(weights, name) for name in FEATURES])
    return np.asarray(total)


FEATURES = tuple(Weights.__dataclass_fields__)


def features(page: Page, vectors: Vectors, focus: str = "") -> Floats:
    """One row a candidate, one column a sign, in the order of ``Weights``; most lie between 0 and 1."""
    found = page.candidates
    size = len(found)
    columns: dict[str, Floats] = {
        "centrality": _scaled(centrality(vectors)),
        "frequency": _scaled(vectors.times(_frequent(vectors))),
        "title": np.sqrt(vectors.times(vectors.vector(page.title))),
        "headings": _scaled(vectors.times(vectors.vector(" ".join(page.headings[1:])))),
        "focus": vectors.times(vectors.vector(focus)),
        "early": np.exp(-np.arange(size) / max(4.0, size / 12)),
    }
    rows = np.array([_signs(candidate) for candidate in found], dtype=np.float64).reshape(size, -1)
    return np.column_stack([*columns.values(), rows])


def _signs(candidate: Candidate) -> tuple[float, ...]:
    """What can be told of a sentence by itself, in the order of ``Weights`` from ``section_start`` on."""
    text = candidate.text
    announces, concludes, leans, points = cues(text)
    return (
        1 / (1 + candidate.in_section),
        1 / (1 + candidate.in_block),
        candidate.role,
        candidate.prose,
        _length(candidate.words),
        announces,
        concludes,
        leans,
        points,
        float(text.rstrip("\"'”’)»」』").endswith(("?", "？", "؟"))),
        float(text.endswith((":", "：", "::"))),
        float(not candidate.ended),
        min(candidate.depth, 4) / 4,
        float(_ADDRESS.search(text) is not None),
        min(1.0, 8 * len(_CODE.findall(text)) / max(1, len(text))),
    )


def _length(words: int) -> float:
    """Rises to 1 at some 25 words and falls slowly above 45."""
    return min(1.0, words / _FULL_WORDS) - max(0.0, min(1.0, (words - _LONG_WORDS) / _LONG_WORDS))


def centrality(vectors: Vectors) -> Floats:
    """LexRank over the cosine of every two sentences, by power iteration that never forms their matrix."""
    size = vectors.height
    degree = np.maximum(vectors.times(vectors.gather(np.ones(size))), 1e-9)
    rank = np.full(size, 1.0)
    for _ in range(_ROUNDS):
        rank = (1 - _DAMPING) + _DAMPING * vectors.times(vectors.gather(rank / degree))
    return rank


def _frequent(vectors: Vectors) -> Floats:
    weights = np.log1p(vectors.total) * vectors.idf
    return np.asarray(weights / max(1e-9, float(np.sqrt(weights @ weights))))


def _scaled(values: Floats) -> Floats:
    top = float(values.max(initial=0.0))
    return values / top if top > 0 else values
