"""Tokens: exact counts, offline, for every model that tiktoken can name and for any vocabulary in a file."""

from promptops.tokens.registry import NAMES, counter, encoding_of, vocabulary
from promptops.tokens.vocabulary import Vocabulary

__all__ = ["NAMES", "Vocabulary", "counter", "encoding_of", "vocabulary"]
