"""Fences: the lines that mark text from a document as data, whatever stands in it."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029"<>]+')


def fence(text: str, tag: str = "document", **attributes: object) -> str:
    """``text`` between ``<tag>`` and ``</tag>`` lines.

    Where the text itself holds such a tag, ours gets the first number that it lacks (``<document-1>``), so no text can
    close its own fence. The number depends on the text alone: equal calls stay equal for the store.
    """
    text = str(text)  # an undefined variable says its name here
    name = _free(text, tag)
    given = "".join(f' {key}="{_UNSAFE.sub(" ", str(value))}"' for key, value in attributes.items() if value)
    return f"<{name}{given}>\n{text}\n</{name}>"


def _free(text: str, tag: str) -> str:
    taken = {found.lower() for found in re.findall(rf"<\s*+/?\s*+({re.escape(tag)}(?:-\d+)?)\b", text, re.IGNORECASE)}
    name, number = tag, 0
    while name in taken:
        number += 1
        name = f"{tag}-{number}"
    return name
