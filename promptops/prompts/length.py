"""How long an answer may be, in the unit people ask for, and what that is in tokens of a language."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from promptops.text import count_words, sentences
from promptops.tokens.graphemes import grapheme_ends
from promptops.types import Counter

Unit = Literal["words", "sentences", "characters"]

_HEADROOM = 1.4
"""How far over its asked length an answer may go before it is cut."""
_LEAST = 16
_TOLERANCE = 0.15
"""The share by which an answer may pass its asked length before it is worth another call."""
_LEAST_OVER = 2
_SAMPLE = 4_000
"""Characters of a text that stand for its language."""
_WORDS_PER_SENTENCE = 25


@dataclass(frozen=True, slots=True)
class Length:
    """At most ``number`` words, sentences or characters.

    Characters are what people take for one, spaces between words included (공백 포함), those at the ends not.
    """

    number: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.number:,} {self.unit}"

    def of(self, text: str) -> int:
        """How long a text is in this unit."""
        match self.unit:
            case "words":
                return count_words(text)
            case "sentences":
                return sum(1 for span in sentences(text) if any(map(str.isalnum, text[span.start : span.end])))
            case "characters":
                return len(grapheme_ends(text.strip()))

    def passed(self, text: str) -> int:
        """How long ``text`` is where that is more than a little over this length; else 0."""
        size = self.of(text)
        return size if size > self.number + max(self.number * _TOLERANCE, _LEAST_OVER) else 0

    def tokens(self, counter: Counter, like: str) -> int:
        """The limit in tokens for an answer of this length in the language of ``like``, with some headroom."""
        sample = like[:_SAMPLE]
        size = len(sample) if self.unit == "characters" else count_words(sample)
        words = _WORDS_PER_SENTENCE if self.unit == "sentences" else 1
        return ceil(self.number * words * _HEADROOM * counter.count(sample) / max(size, 1)) + _LEAST
