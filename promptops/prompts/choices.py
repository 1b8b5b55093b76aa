"""An answer that is one of given choices, however a model spells it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_AROUND = " \t\r\n\"'`*_“”‘’「」『』<>[]().,:;!-–—。"


def choice(text: str, choices: Iterable[str]) -> str | None:
    """That one of ``choices`` which ``text`` is, case, width, blanks, quotes and end marks aside; or ``None``."""
    said = folded(text).strip(_AROUND)
    exact = {folded(one): one for one in choices}
    return exact.get(folded(text)) or {name.strip(_AROUND): one for name, one in exact.items()}.get(said)


def folded(text: str) -> str:
    """``text`` in the form in which two texts that say the same are equal: NFKC, case and runs of blanks aside."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())
