"""Sentences of numbered material that keep the numbers of what they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptops.citing import unmarked
from promptops.extract.asking import Asked
from promptops.extract.candidates import Candidate
from promptops.extract.joining import finished, join

_SIGN = 8
"""Characters of a heading's or an item's sign, behind which its mark stands."""


class Numbered:
    """What was asked about, without its numbers; and the numbers, for the sentences that are picked."""

    def __init__(self, asked: Asked) -> None:
        bare = [unmarked(part) for part in asked.parts]
        self.asked = replace(asked, parts=tuple(text for text, _ in bare))
        self._marks = [marks if asked.cites == "after" else _rising(marks) for _, marks in bare]

    def join(self, chosen: Sequence[Candidate]) -> str:
        """The sentences as prose, each with the numbers that belong to it."""
        return join([self._with_marks(candidate) for candidate in chosen])

    def _with_marks(self, candidate: Candidate) -> Candidate:
        marks = "".join(f"[{number}]" for number in self._numbers(candidate))
        return replace(candidate, text=f"{finished(candidate)} {marks}" if marks else candidate.text, ended=True)

    def _numbers(self, candidate: Candidate) -> list[int]:
        marks, start, end = self._marks[candidate.part], candidate.start, candidate.end
        if self.asked.cites == "after":
            return list(dict.fromkeys(number for place, number in marks if start < place <= end))
        before = [number for place, number in marks if place <= start + _SIGN][-1:]
        return [*before, *(number for place, number in marks if start + _SIGN < place < end)]


def _rising(marks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The numbers that passages were given; others stood in the text."""
    given: list[tuple[int, int]] = []
    for place, number in marks:
        if not given or number > given[-1][1]:
            given.append((place, number))
    return given
