"""Words of any script: how many there are, and which.

``count_words`` is the one definition of a word that limits and ratios use everywhere. Scripts that put spaces between
words count what stands between spaces; Han and Kana count two characters a word, Thai, Lao, Burmese, Khmer and Tibetan
four, which is near what dictionaries and word processors give for running text.
"""

from __future__ import annotations

import re

import regex

_HAN = (
    "\u3005-\u3007\u3021-\u3029\u3041-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_DENSE = "\u0e01-\u0e4e\u0e81-\u0ece\u0f40-\u0fbc\u1000-\u103f\u1050-\u109f\u1780-\u17d3"

# The look-behind keeps a search from starting inside a run, so that 200,000 dashes cost one pass and not one each.
_SPACED = re.compile(rf"(?<![^\s{_HAN}{_DENSE}])[^\w\s]*+[^\W{_HAN}{_DENSE}]")
_ASCII = re.compile(r"(?<!\S)[^\w\s]*+\w")
_HAN_CHARACTER = re.compile(rf"[{_HAN}]")
_DENSE_CHARACTER = re.compile(rf"[{_DENSE}]")
_UNSPACED = re.compile(rf"[{_HAN}{_DENSE}]")

_SIMPLE_TERM = re.compile(r"\w+(?:['’]\w+)?")
# Other scripts need more than ``re`` knows: it takes vowel signs for the ends of words.
_NOT_SIMPLE = re.compile("[^\\x00-\u02ff\u0370-\u0482\u048a-\u0556\u2000-\u2bff]")
_TERM = regex.compile(
    rf"[{_HAN}]+|[{_DENSE}]+|\p{{Hangul}}+|[\w&&[^{_HAN}{_DENSE}\p{{Hangul}}]]+(?:['’]\w+)?", regex.V1
)
_HANGUL_FIRST = "\uac00"
_HANGUL_LAST = "\ud7a3"

HAN_PER_WORD = 2
DENSE_PER_WORD = 4


def count_words(text: str) -> int:
    """How many words ``text`` has, in any script; marks alone, such as a dash between spaces, are not words."""
    if text.isascii():
        return len(_ASCII.findall(text))
    spaced = len(_SPACED.findall(text))
    if not _UNSPACED.search(text):
        return spaced
    han, dense = len(_HAN_CHARACTER.findall(text)), len(_DENSE_CHARACTER.findall(text))
    return spaced - (-han // HAN_PER_WORD) - (-dense // DENSE_PER_WORD)


def words(text: str) -> list[str]:
    """The terms of ``text``, lowercased, in order, for comparing texts with one another.

    Scripts without spaces, and Korean, whose words end in particles, give overlapping pairs of characters: ``형태소를``
    shares ``형태`` and ``태소`` with ``형태소가``. Other scripts give their words.
    """
    lowered = text.lower()
    if lowered.isascii() or not _NOT_SIMPLE.search(lowered):
        return _SIMPLE_TERM.findall(lowered)
    found: list[str] = []
    for term in _TERM.findall(lowered):
        if _is_paired(term[0]):
            found.extend(_pairs(term))
        else:
            found.append(term)
    return found


def _is_paired(character: str) -> bool:
    return _HANGUL_FIRST <= character <= _HANGUL_LAST or _UNSPACED.match(character) is not None


def _pairs(term: str) -> list[str]:
    return [term[i : i + 2] for i in range(len(term) - 1)] or [term]
