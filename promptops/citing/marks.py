"""Marks: numbers in brackets, read in the forms that models write them in, and written in one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count

UNKNOWN = "[?]"
"""What stands in an answer for a mark that names no passage."""

_WIDEST = "[9999]"
_MARK = re.compile(r"\[(\d{1,4})\]")
_GROUP = re.compile(r"[\[【]\s*(\d{1,4}(?:\s*[,;、–-]\s*\d{1,4})*)\s*[\]】]")
_MARK_AND_BLANK = re.compile(r"(?:(?<=\S) )?\[(\d{1,4})\](?: |$)?", re.MULTILINE)
_MOST = 50
"""Passages that one range may name; longer ones are no marks."""


def found(text: str) -> list[int]:
    """The numbers of the marks in ``text``, in order."""
    return [int(number) for number in _MARK.findall(text)]


def free(taken: Iterable[int]) -> Iterator[int]:
    """Numbers from 1 that are not ``taken``."""
    used = set(taken)
    return (number for number in count(1) if number not in used)


def checked(text: str, known: Collection[int], given: Iterable[str] = ()) -> str:
    """``text`` with its marks one by one, ``[2, 3]`` as ``[2][3]``, and ``[?]`` for those that are not ``known``.

    Numbers in brackets that stand in a text that was ``given`` are words of its own, and stay.
    """
    words: set[int] | None = None

    def one(match: re.Match[str]) -> str:
        nonlocal words
        numbers = list(_listed(match[1]))
        if not any(number in known for number in numbers):
            if words is None:
                words = {number for text in given for number in found(text)} - set(known)
            if all(number in words for number in numbers):
                return match[0]
        return "".join(f"[{number}]" if number in known else UNKNOWN for number in dict.fromkeys(numbers))

    return _GROUP.sub(one, text)


def _listed(inside: str) -> Iterator[int]:
    """The numbers in ``2``, ``2, 3`` and ``2-5``."""
    for part in re.split(r"[,;、]", inside):
        ends = [int(end) for end in re.split(r"[–-]", part) if end.strip()]
        if len(ends) == 2 and ends[0] <= ends[1] < ends[0] + _MOST:
            yield from range(ends[0], ends[1] + 1)
        else:
            yield from ends


def unmarked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """``text`` without its marks and the blanks that they brought; and where in it each number stood, in order."""
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    length = end = 0
    for match in _MARK_AND_BLANK.finditer(text):
        begins = match.start() == 0 or text[match.start() - 1].isspace()
        cut = match.end() if begins else match.end(1) + 1
        pieces.append(text[end : match.start()])
        length += match.start() - end
        places.append((length, int(match[1])))
        end = cut
    return "".join([*pieces, text[end:]]), places


def renumbered(text: str, numbers: Mapping[int, int]) -> str:
    """``text`` with each mark of ``numbers`` as the number that it has there; others stay."""
    return _MARK.sub(lambda match: f"[{numbers[int(match[1])]}]" if int(match[1]) in numbers else match[0], text)


def widened(text: str) -> str:
    """``text`` with marks as long as they can become when they are numbered anew."""
    return _MARK.sub(_WIDEST, text)
