"""Fences: the lines that mark text from a document as data, whatever stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Texts = str | Sequence[str] | Iterator[str]

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029"<>]+')
_HYPHENS = re.compile(r"^[^\S\n]*-{3,}[^\S\n]*$", re.MULTILINE)


def fence(text: Texts, tag: str = "document", **attributes: object) -> str:
    """``text`` between ``<tag>`` and ``</tag>`` lines; several texts with a border line between each two.

    Where the text itself holds such a tag, ours gets the first number that it lacks (``<document-1>``), so no text can
    close its own fence. Of several, the tag says how many ``parts`` there are, and the border is ``---``, or
    ``<document/>`` where one of them has a line like that. All of it depends on the texts alone: equal calls stay equal
    for the store.
    """
    # str: an undefined variable says its name here
    texts = list(map(str, text)) if isinstance(text, (list, tuple, Iterator)) else [str(text)]
    name = _free("\n".join(texts), tag)
    border = f"<{name}/>" if any(map(_HYPHENS.search, texts)) else "---"
    if len(texts) > 1:
        attributes["parts"] = len(texts)
    given = "".join(f' {key}="{_UNSAFE.sub(" ", str(value))}"' for key, value in attributes.items() if value)
    content = f"\n{border}\n".join(texts)
    return f"<{name}{given}>\n{content}\n</{name}>"


def apart(content: str, name: str) -> list[str]:
    """The texts in the fence ``name`` that holds several."""
    border = f"\n<{name}/>\n"
    return content.split(border if border in content else "\n---\n")


def _free(text: str, tag: str) -> str:
    taken = {found.lower() for found in re.findall(rf"<\s*+/?\s*+({re.escape(tag)}(?:-\d+)?)\b", text, re.IGNORECASE)}
    name, number = tag, 0
    while name in taken:
        number += 1
        name = f"{tag}-{number}"
    return name
