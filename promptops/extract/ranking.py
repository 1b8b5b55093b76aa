"""How much each sentence tells of the whole text.

A weighted sum, after Edmundson, "New Methods in Automatic Extracting" (1969). One half is what the sentence is about:
its centrality among all sentences (Erkan & Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text
Summarization", 2004, section 3.3, continuous). The other is where and how it is said: position, section, title and
heading words, cue phrases, length, form. The weights were chosen on half of a corpus of proposals and of two handbooks,
one of them Korean; see ``benchmarks/extractive.py``.
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
_BIAS = 10.0  # how much likelier the walk restarts at a sentence that is the title than at one that shares no word
_SHORT_WORDS = 5
_FULL_WORDS = 25
_LONG_WORDS = 45
_CODE = re.compile(r"[_(){}=<>\[\]/\\@$#|]")


@dataclass(frozen=True, slots=True)
class Weights:
    """What each sign is worth, where the most central sentence's centrality is worth ``centrality``."""

    centrality: float = 1.4
    title: float = 0.4
    headings: float = 0.3
    focus: float = 3.0
    early: float = 0.35
    section_start: float = 0.3
    block_start: float = 0.1
    role: float = 1.1
    prose: float = 0.4
    length: float = 0.25
    short: float = -0.4
    announces: float = 0.4
    leans: float = -0.25
    points: float = -0.25
    asks: float = -0.5
    introduces: float = -0.6
    lower: float = -0.3
    unended: float = -0.3
    code: float = -0.4


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
    title = np.sqrt(vectors.times(vectors.vector(page.title)))
    columns: dict[str, Floats] = {
        "centrality": _scaled(centrality(vectors, 1 + _BIAS * title)),
        "title": title,
        "headings": _scaled(vectors.times(vectors.vector(" ".join(page.headings)))),
        "focus": vectors.times(vectors.vector(focus)),
        "early": np.exp(-np.arange(size) / max(4.0, size / 12)),
    }
    rows = np.array([_signs(candidate) for candidate in found], dtype=np.float64).reshape(size, -1)
    return np.column_stack([*columns.values(), rows])


def _signs(candidate: Candidate) -> tuple[float, ...]:
    """What can be told of a sentence by itself, in the order of ``Weights`` from ``section_start`` on."""
    text = candidate.text
    announces, leans, points = cues(text)
    return (
        1 / (1 + candidate.in_section),
        1 / (1 + candidate.in_block),
        candidate.role,
        candidate.prose,
        _length(candidate.words),
        float(candidate.words < _SHORT_WORDS),
        announces,
        leans,
        points,
        float(text.rstrip("\"'”’)»」』").endswith(("?", "？", "؟"))),
        float(text.endswith((":", "：", "::"))),
        float(text[:1].islower()),
        float(not candidate.ended),
        min(1.0, 8 * len(_CODE.findall(text)) / max(1, len(text))),
    )


def _length(words: int) -> float:
    """Rises to 1 at some 25 words and falls slowly above 45."""
    return min(1.0, words / _FULL_WORDS) - max(0.0, min(1.0, (words - _LONG_WORDS) / _LONG_WORDS))


def centrality(vectors: Vectors, prior: Floats) -> Floats:
    """LexRank over the cosine of every two sentences, by power iteration that never forms their matrix.

    The walk restarts at sentences by their ``prior``, as in Otterbacher, Erkan & Radev, "Using Random Walks for
    Question-focused Sentence Retrieval" (2005), with the title in the place of the question.
    """
    restart = (1 - _DAMPING) * prior / prior.mean()
    degree = np.maximum(vectors.times(vectors.gather(np.ones(vectors.height))), 1e-9)
    rank: Floats = restart
    for _ in range(_ROUNDS):
        rank = restart + _DAMPING * vectors.times(vectors.gather(rank / degree))
    return np.asarray(rank)


def _scaled(values: Floats) -> Floats:
    top = float(values.max(initial=0.0))
    return np.asarray(values / top) if top > 0 else values
