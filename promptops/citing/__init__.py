"""Marks that lead from the sentences of an answer back to the text that they rest on, and the checking of quotes.

A passage of a document gets a number in brackets, ``[3]``. A model puts the numbers of what a sentence rests on behind
it. Numbers that stand in brackets in the text anyway are never given to a passage, so nothing can be taken for a mark
that is none.
"""

from promptops.citing.answers import Cited, cited
from promptops.citing.marks import UNKNOWN, checked, found, free, renumbered, unmarked, widened
from promptops.citing.passages import numbered
from promptops.citing.quotes import locate, misquoted

__all__ = [
    "UNKNOWN",
    "Cited",
    "checked",
    "cited",
    "found",
    "free",
    "locate",
    "misquoted",
    "numbered",
    "renumbered",
    "unmarked",
    "widened",
]
