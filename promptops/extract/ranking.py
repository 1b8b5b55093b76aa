"""How much each sentence tells of the whole text.

A weighted sum, after Edmundson (1969): what the sentence is about (its centrality among all sentences, LexRank's: Erkan &
Radev, "LexRank: Graph-based Lexical Centrality as Salience in Text Summarization", 2004, section 3.3, continuous) and where
and how it is said (position, section, title and heading words, cue phrases, length, form).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promptops.extract.candidates import Candidate, Page
from promptops.extract.roles import cues
from promptops.extract.terms import Floats, Vectors

_ROUNDS = 12
_DAMPING = 0.85


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
