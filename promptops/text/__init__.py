"""Text below the token: spans, sentences, blocks and words, in any script. No NumPy, no models, no data files."""

from promptops.text.blocks import blocks, guess
from promptops.text.markup import plain_text
from promptops.text.scanner import Block
from promptops.text.sentences import sentences
from promptops.text.spans import Span
from promptops.text.words import count_words, words

__all__ = ["Block", "Span", "blocks", "count_words", "guess", "plain_text", "sentences", "words"]
