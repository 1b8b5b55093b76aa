"""How long an answer may be, in the unit people ask for, and what that is in tokens of a language."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal, get_args

from promptops.text import count_words, sentences
from promptops.tokens.graphemes import grapheme_ends
from promptops.types import Counter

Unit = Literal["words", "sentences", "characters"]
UNITS: tuple[Unit, ...] = get_args(Unit)

_HEADROOM = 1.4
"""How far over its asked length an answer may go before it is cut."""
_LEAST = 16
_TOLERANCE = 0.15
"""The share by which an answer may pass its asked length before it is worth another call."""
_LEAST_OVER = 2
_SAMPLE = 4_000
"""Characters of a text that stand for its language."""
_WORDS_PER_SENTENCE = 25
_CHARACTERS_PER_WORD = 3
"""Of Korean, which has the fewest, without the space after."""


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

    @property
    def words(self) -> int:
        """About how many words that is; of characters, more than most languages make of them."""
        match self.unit:
            case "words":
                return self.number
            case "sentences":
                return self.number * _WORDS_PER_SENTENCE
            case "characters":
                return ceil(self.number / _CHARACTERS_PER_WORD)

    def asked(self, counter: Counter, like: str, least: float = 0.0) -> int:
        """The tokens of an answer of just this length in the language of ``like``.

        ``least`` is the tokens per word below which not to go, where the answer may be in another language.
        """
        sample = like[:_SAMPLE]
        size = len(sample) if self.unit == "characters" else count_words(sample)
        number = self.number if self.unit == "characters" else self.words
        return ceil(max(number * counter.count(sample) / max(size, 1), self.words * least))

    def tokens(self, counter: Counter, like: str, least: float = 0.0) -> int:
        """The limit in tokens for such an answer, with some headroom."""
        return ceil(self.asked(counter, like, least) * _HEADROOM) + _LEAST
