"""Reading a prompt the way a model would: what the material is, how long the answer may be, and what to look for.

Only text outside the fences is read for wishes: a document that says "in 3 words" changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptops.prompts.fence import apart
from promptops.types import Message

_OPEN = re.compile(
    r"^<(?P<name>(?:document|title|summary)(?:-\d+)?)(?P<attributes>(?:[ \t]+[\w-]+=\"[^\"\n]*\")*)[ \t]*>[ \t]*$",
    re.MULTILINE,
)
_ATTRIBUTE = re.compile(r"([\w-]+)=\"([^\"\n]*)\"")
_CITE = re.compile(r"^Cite: [^\n]*? (before|after) ", re.MULTILINE)
_QUESTION = re.compile(r"^[ \t]*the question[ \t]*:[ \t]*(\S[^\n]*)$", re.IGNORECASE | re.MULTILINE)
_QUOTES = re.compile(r"\banswer with the single word ([A-Z]+)\.")
_FOCUS = re.compile(r"^[ \t]*(?:focus|초점)[ \t]*[:：][ \t]*(\S[^\n]*)$", re.IGNORECASE | re.MULTILINE)

_NUMBERS = {
    **{
        word: n
        for n, word in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1)
    },
    **{word: n for n, word in enumerate(["한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉", "열"], 1)},
}
_NUMBER = rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,9}}|(?<!\w)(?:{'|'.join(_NUMBERS)}))"
_UNITS = {
    "words": r"words?\b|단어|낱말",
    "characters": r"characters?\b|글자|자(?=\s*(?:이내|이하|내외|내로|안팎|미만|까지|정도|로|를|의|[).,]|$))|文字|字",
    "sentences": r"sentences?\b|문장",
}
_LENGTHS = {
    unit: re.compile(
        rf"(?<![\w.])(?:{_NUMBER}\s*(?:-|–|~|to|or|에서|또는)\s*)?({_NUMBER})(?:\s+|-)?(?:{names})",
        re.IGNORECASE | re.MULTILINE,
    )
    for unit, names in _UNITS.items()
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a prompt asks of a summarizer. Lengths are ``None`` where it doesn't say; ``format`` is empty likewise."""

    parts: tuple[str, ...]
    title: str = ""
    format: str = ""
    focus: str = ""
    question: str = ""
    words: int | None = None
    characters: int | None = None
    sentences: int | None = None
    nothing: str = ""
    """What to answer where nothing bears on the focus; empty where no passages are asked for, word for word."""
    cites: str = ""
    """``before`` where numbers stand before the passages of the documents, ``after`` where behind their sentences."""


@dataclass(frozen=True, slots=True)
class _Fence:
    name: str
    text: str
    attributes: dict[str, str]

    @property
    def texts(self) -> list[str]:
        """The texts in it, where it says that there are several."""
        return apart(self.text, self.name) if "parts" in self.attributes else [self.text]


def read_prompt(messages: Sequence[Message]) -> Asked:
    """The fenced documents of the last user message, or all of it where none is fenced, and the wishes around them.

    A fenced summary is a document too: what was said so far.
    """
    users = [number for number, message in enumerate(messages) if message.role == "user"]
    last = users[-1] if users else len(messages) - 1
    fences, outside = _fences(messages[last].content) if messages else ([], "")
    around = "\n".join([*(_fences(message.content)[1] for message in messages[:last]), outside])
    documents = [fence for fence in fences if not fence.name.startswith("title")]
    titles = [fence.text for fence in fences if fence.name.startswith("title")]
    titled = [fence.attributes["title"] for fence in documents if "title" in fence.attributes]
    titles += titled if sum(not fence.name.startswith("summary") for fence in documents) == 1 else []
    focus, question = _FOCUS.search(around), _QUESTION.search(around)
    cites, quotes = _CITE.search(around), _QUOTES.search(around)
    wishes = _QUESTION.sub("", _FOCUS.sub("", around))
    lengths = {unit: _length(pattern, wishes) for unit, pattern in _LENGTHS.items()}
    return Asked(
        tuple(text for fence in documents for text in fence.texts) or ((messages[last].content if messages else ""),),
        title=titles[0].strip() if titles else "",
        format=next((fence.attributes["format"] for fence in documents if "format" in fence.attributes), ""),
        focus=focus[1].strip() if focus else "",
        question=question[1].strip() if question else "",
        nothing=quotes[1] if quotes else "",
        cites=cites[1] if cites else "",
        **lengths,
    )


def _fences(text: str) -> tuple[list[_Fence], str]:
    """The fenced texts of a message, and what stands outside of them."""
    found: list[_Fence] = []
    outside: list[str] = []
    missing: set[str] = set()
    position = 0
    while (opening := _OPEN.search(text, position)) is not None:
        name = opening["name"]
        closing = None if name in missing else _closing(name).search(text, opening.end())
        outside.append(text[position : opening.start()])
        if closing is None:
            missing.add(name)
            outside.append(opening[0])
            position = opening.end()
            continue
        inside = text[opening.end() + 1 : max(opening.end() + 1, closing.start() - 1)]
        found.append(_Fence(name, inside, dict(_ATTRIBUTE.findall(opening["attributes"]))))
        position = closing.end()
    return found, "".join([*outside, text[position:]])


def _closing(name: str) -> re.Pattern[str]:
    return re.compile(rf"^</{re.escape(name)}>[ \t]*$", re.MULTILINE)


def _length(pattern: re.Pattern[str], wishes: str) -> int | None:
    """The last mention: templates say what they are first, and how long the answer is at their end."""
    found: Iterable[str] = pattern.findall(wishes)
    number = next(iter(reversed(list(found))), None)
    return None if number is None else _NUMBERS.get(number.lower()) or int(number.replace(",", ""))
