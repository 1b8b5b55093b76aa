"""Sentences of a text put together again: final marks where the source had none, and a cut where nothing fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import regex

from promptops.extract.candidates import Candidate

ELLIPSIS = "…"
_WIDE_END = re.compile(r"[\u3000-\u303f\u3041-\u30ff\u4e00-\u9fff\uff01-\uff60]")
_COLON = re.compile(r"\s*(?::{1,2}|：)\Z")
_CLAUSE = re.compile(r"[,;:、，；：—–](?=\s|\Z|[\u3041-\u30ff\u4e00-\u9fff])|[.!?。！？]\s")
_STEP = re.compile(r"\s+|(?<=[\u3041-\u30ff\u4e00-\u9fff\u0e01-\u0ece\u1000-\u109f\u1780-\u17d3])(?=\w)")
_GRAPHEME = regex.compile(r"\X")
_TRAILING = " \t\n,;:、，；：—–-([{\"'“‘「『"
_PARAGRAPH_FROM = 150  # words from which a summary is set in paragraphs, one for each stretch of the source …
_PARAGRAPH_LEAST = 60  # … of at least so many
_LEAST_CLAUSE = 0.6  # a clause end is worth giving up this share of the room at most


def join(chosen: Sequence[Candidate]) -> str:
    """The sentences as prose, in paragraphs when there are many."""
    in_paragraphs = sum(candidate.words for candidate in chosen) >= _PARAGRAPH_FROM
    pieces: list[str] = []
    words = 0
    for candidate, previous in zip(chosen, (None, *chosen), strict=False):
        text = finished(candidate)
        if previous is not None:
            new = in_paragraphs and words >= _PARAGRAPH_LEAST and _stretch(candidate) != _stretch(previous)
            pieces.append("\n\n" if new else _gap(pieces[-1], text))
            words = 0 if new else words
        pieces.append(text)
        words += candidate.words
    return "".join(pieces)


def _stretch(candidate: Candidate) -> tuple[int, int]:
    return candidate.part, candidate.section


def _gap(before: str, after: str) -> str:
    return "" if _WIDE_END.match(before[-1:]) and _WIDE_END.match(after[:1]) else " "


def finished(candidate: Candidate) -> str:
    """A sentence with a final mark: one that led up to a list or code ends where it stands."""
    text = _COLON.sub("", candidate.text)
    if candidate.ended and text == candidate.text:
        return text
    return text + ("。" if _WIDE_END.match(text[-1:]) else ".")


def cut(text: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning of ``text`` that ``fits`` with an ellipsis: to a clause end if one is near, else a word.

    Inside a word only where its first word alone is too long; empty where nothing fits. ``fits`` must hold for every
    beginning of what it holds for.
    """
    if fits(text):
        return text
    longest = _longest(text, [match.start() for match in _STEP.finditer(text)], fits)
    if not longest:
        return _ellipsis(_longest(text, [match.end() for match in _GRAPHEME.finditer(text)], fits))
    clauses = [match.start() for match in _CLAUSE.finditer(longest)]
    near = clauses and clauses[-1] >= _LEAST_CLAUSE * len(longest)
    return _ellipsis(longest[: clauses[-1]] if near else longest)


def _longest(text: str, ends: list[int], fits: Callable[[str], bool]) -> str:
    """The longest beginning that stops at one of ``ends`` and fits, by halving, so ``fits`` is asked a few times."""
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(_ellipsis(text[: ends[middle - 1]])):
            low = middle
        else:
            high = middle - 1
    return text[: ends[low - 1]] if low else ""


def _ellipsis(text: str) -> str:
    stripped = text.rstrip(_TRAILING)
    return stripped + ELLIPSIS if stripped else ""
