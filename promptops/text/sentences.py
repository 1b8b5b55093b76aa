"""Where sentences end, in any script: spans that cover the text without a gap, each with the white space after it.

A candidate end is a terminator of any script (Unicode's Sentence_Terminal) with the closing quotes and brackets after
it, a blank line, or a Korean final ending without a mark. A full stop is then looked at again, since it also ends
abbreviations, initials and enumerators; the test of the word after it follows Kiss & Strunk, "Unsupervised Multilingual
Sentence Boundary Detection" (2006), section 4.3, with a fixed list of openers in place of a trained one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from promptops.text.spans import Span, tile

_CLOSERS = "\"'\u2019\u201d\u00bb\u203a)\\]}\u300d\u300f\u3011\u300b\u3009\uff09*_`"
_WIDE = "\u3002\uff01\uff1f\uff61\uff0e"
# Sentence terminators that want white space after them, so that 3.14, x.y and ?a= don't end a sentence.
_SPACED = (
    ".!?\u2026\u203c\u203d\u2047-\u2049\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0964\u0965\u104a\u104b\u1362\u1367\u1368"
    "\u166e\u17d4\u17d5\u1803\u1809\u1b5a\u1b5b\u1c3b\u1c3c\u0f0d\u0f0e\ua4ff\uabeb"
)
_THAI = "\u0e01-\u0e4e\u0e81-\u0ece"
# Polite and formal final endings: what stands before white space and more text is a sentence although unmarked.
_POLITE = "니다|니까|[어아해예에세네군지대래까려워와]요"
# Plain ones and those of notes end a sentence only at the end of a line; 보다, 포함, 책임 and 다음 are words.
_PLAIN = "(?<=[가-힣])(?<![보마])다|(?<=[가-힣])죠|(?<=[가-힣 ])(?:됨|듦|(?<!포)함|(?<![책모])임|(?<![다처마])음)"

_CANDIDATE = re.compile(
    rf"[{_WIDE}]+(?![」』][\u3041-\u309f])[{_CLOSERS}]*+[ \t\u3000]*+\n?"
    rf"|(?P<mark>[{_SPACED}]+[{_CLOSERS}]*+)(?:\s++|\Z)"
    rf"|\n[ \t\r\f\v]*+\n\s*+"
    rf"|(?<=[가-힣])(?:{_POLITE})[ \t]*+(?:\n\s*+|(?<=[ \t])(?=[가-힣]))"
    rf"|(?:{_PLAIN})[ \t]*+\n\s*+"
    rf"|(?<=[{_THAI}])(?P<thai>[ \t]++)(?=[{_THAI}])"
)
_THAI_LEAST = 40  # a Thai space may also part clauses: nothing shorter than this many characters is a sentence

# Before a full stop these never end a sentence; the titles, for one, are always followed by a name.
_NEVER = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "mt",
        "gen",
        "col",
        "sgt",
        "capt",
        "lt",
        "rev",
        "hon",
        "messrs",
        "mme",
        "mlle",
        "fr",
        "sra",
        "srta",
        "dna",
        "hr",
        "e.g",
        "i.e",
        "eg",
        "ie",
        "cf",
        "vs",
        "viz",
        "al",
        "fig",
        "figs",
        "eq",
        "eqs",
        "sec",
        "sect",
        "ch",
        "chap",
        "vol",
        "vols",
        "nos",
        "pp",
        "ed",
        "eds",
        "resp",
        "approx",
        "ca",
        "z.b",
        "d.h",
        "bzw",
        "usw",
        "u.a",
        "ggf",
        "vgl",
        "nr",
        "str",
        "bd",
        "art",
        "par",
        "ex",
        "env",
        "аб",
        "рис",
        "стр",
        "см",
        "т.е",
        "т.д",
    ]
)
# These do where a capital follows.
_PERHAPS = frozenset(
    [
        "etc",
        "inc",
        "ltd",
        "co",
        "corp",
        "jr",
        "sr",
        "bros",
        "dept",
        "est",
        "a.m",
        "p.m",
        "no",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
    ]
)
_OPENERS = frozenset(
    [
        "the",
        "a",
        "an",
        "this",
        "that",
        "these",
        "those",
        "it",
        "its",
        "he",
        "she",
        "we",
        "they",
        "you",
        "i",
        "in",
        "on",
        "at",
        "for",
        "if",
        "when",
        "while",
        "as",
        "but",
        "and",
        "so",
        "there",
        "here",
        "what",
        "how",
        "why",
        "who",
        "where",
        "is",
        "are",
        "was",
        "were",
        "do",
        "does",
        "did",
        "to",
        "from",
        "by",
        "with",
        "however",
        "then",
        "thus",
        "also",
        "after",
        "before",
        "since",
        "all",
        "some",
        "many",
        "most",
        "no",
        "not",
        "one",
        "our",
        "my",
        "his",
        "her",
        "their",
    ]
)
_LAST_WORD = re.compile(r"[^\s(\[{\"'\u2018\u201c*_`]*\Z")
_NEXT_WORD = re.compile(r"[\"'\u2018\u201c\u00ab(\[{*_`]*(?P<word>\w+)")
_LOOK_BACK = 24
_LOOK_AHEAD = 24
_LONGEST_ENUMERATOR = 3


def sentences(text: str) -> list[Span]:
    """The sentences of ``text`` as spans that tile it; each holds the white space after it. Linear in its length."""
    return list(tile(_ends(text), len(text)))


def _ends(text: str) -> Iterator[int]:
    start = 0
    for match in _CANDIDATE.finditer(text):
        if _is_end(text, start, match):
            start = match.end()
            yield start


def _is_end(text: str, start: int, match: re.Match[str]) -> bool:
    if match["thai"] is not None:
        return match.start() - start >= _THAI_LEAST
    mark = match["mark"]
    if mark is None:
        return match.start() > start or not text[start : match.end()].isspace()
    return _is_marked_end(text, start, match, mark)


def _is_marked_end(text: str, start: int, match: re.Match[str], mark: str) -> bool:
    gap = text[match.end("mark") : match.end()]
    if gap.count("\n") > 1:
        return True
    opening = _NEXT_WORD.match(text, match.end(), match.end() + _LOOK_AHEAD)
    following = opening["word"] if opening else ""
    if following[:1].islower() and (mark[0] in ".\u2026" or len(mark) > 1):
        return False
    if mark[0] != "." or mark.startswith(".."):
        return True
    return _full_stop_ends(text, start, match.start(), following)


def _full_stop_ends(text: str, start: int, stop: int, following: str) -> bool:
    found = _LAST_WORD.search(text, max(start, stop - _LOOK_BACK), stop)
    last = found[0] if found else ""
    lowered = last.lower()
    if lowered in _NEVER or (lowered == "no" and following.isdigit()):
        return False
    if lowered in _PERHAPS:
        return not following or not following[0].isdigit()
    if _is_enumerator(text, start, stop, last):
        return False
    if _is_initial(last):
        return following.lower() in _OPENERS or not following
    return True


def _is_enumerator(text: str, start: int, stop: int, last: str) -> bool:
    """``1.`` or ``b.`` or ``iv.`` at the start of a sentence numbers it; it doesn't end one."""
    if not last or len(last) > _LONGEST_ENUMERATOR or text[start:stop].strip() != last:
        return False
    return last.isdigit() or len(last) == 1 or not last.lower().strip("ivx")


def _is_initial(last: str) -> bool:
    """``J.`` and ``U.S.``: letters each with a stop."""
    return all(len(part) == 1 and part.isalpha() and part.isupper() for part in last.split("."))
