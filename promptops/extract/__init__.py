"""Choosing a text's own sentences: summaries without a model, and what to keep of a prompt that must shrink.

NumPy is imported with this room, so import it only where it is used.
"""

from promptops.extract.candidates import Candidate
from promptops.extract.cited import Numbered
from promptops.extract.joining import join
from promptops.extract.summary import Ranking, rank, summarize

__all__ = ["Candidate", "Numbered", "Ranking", "join", "rank", "summarize"]
