"""Fences: the lines that mark text from a document as data, whatever stands in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029"<>]+')


_HYPHENS = re.compile(r"^-+$", re.MULTILINE)


def fence(text: str | Sequence[str], tag: str = "document", **attributes: object) -> str:
    """``text`` between ``<tag>`` and ``</tag>`` lines; of several texts with a line of hyphens between two.

    That line is longer than any of the texts' own, and the tag says how many ``parts`` there are.
    Where the text itself holds such a tag, ours gets the first number that it lacks (``<document-1>``), so no text can
    close its own fence. The number depends on the text alone: equal calls stay equal for the store.
    """
    if isinstance(text, (list, tuple)):
        attributes, text = {**attributes, "parts": len(text) if len(text) > 1 else ""}, border(text).join(text)
    text = str(text)  # an undefined variable says its name here
    name = _free(text, tag)
    given = "".join(f' {key}="{_UNSAFE.sub(" ", str(value))}"' for key, value in attributes.items() if value)
    return f"<{name}{given}>\n{text}\n</{name}>"


def border(texts: Sequence[str]) -> str:
    """What stands between these texts where one fence holds them."""
    longest = max((len(line) for text in texts for line in _HYPHENS.findall(text)), default=0)
    return f"\n{'-' * max(longest + 1, 3)}\n"


def apart(text: str, parts: int) -> list[str]:
    """The texts in the fenced ``text``, of which there are so many."""
    longest = max(_HYPHENS.findall(text), default="") if parts > 1 else ""
    return text.split(f"\n{longest}\n") if longest else [text]


def _free(text: str, tag: str) -> str:
    taken = {found.lower() for found in re.findall(rf"<\s*+/?\s*+({re.escape(tag)}(?:-\d+)?)\b", text, re.IGNORECASE)}
    name, number = tag, 0
    while name in taken:
        number += 1
        name = f"{tag}-{number}"
    return name
