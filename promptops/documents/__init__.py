"""Documents: which files a run reads, and their text.

``find`` walks the disk and opens no file; ``load`` opens one file and is safe in threads, so that a driver can read
many at once. A file that cannot be read never ends a run: ``find`` names it, and ``load`` says what is wrong with it.
"""

from promptops.documents.listing import Listing
from promptops.documents.load import load
from promptops.documents.walk import ENDINGS, find

__all__ = ["ENDINGS", "Listing", "find", "load"]
