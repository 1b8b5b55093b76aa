"""Text as markup: the templates of the page, and what of any text HTML can hold."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from promptops.prices import dollars
from promptops.report.words import percent, plural, spent
from promptops.types import Totals

_HERE = Path(__file__).parent
_NOWHERE = re.compile("[\0\ud800-\udfff]")
_LOOKED_AT = 4_000
_SCRIPTS = (
    ("ko", re.compile("[\u1100-\u11ff\uac00-\ud7a3]")),
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("zh", re.compile("[\u3400-\u9fff]")),
)


def marked_up(text: str) -> Markup:
    """``text`` so that a browser shows it, and nothing of it acts: the same characters, in an element or an attribute.

    HTML has no way to write a null character or half a character (a lone surrogate): each becomes U+FFFD. A carriage
    return has to be written by its number, or the parser would make a line feed of it.
    """
    escaped = escape(_NOWHERE.sub("\ufffd", text))
    return escaped.replace("\r", Markup("&#13;")) if "\r" in escaped else escaped


def language(text: str) -> str:
    """The language that a browser should take ``text`` for, where its script tells: it picks fonts and line breaks.

    ``""`` says that it is not known, which in HTML keeps it from being taken for the language of the page.
    """
    beginning = "".join(text[:_LOOKED_AT].split())
    return next((name for name, letters in _SCRIPTS if len(letters.findall(beginning)) * 8 > len(beginning)), "")


@cache
def environment() -> Environment:
    """The templates; whatever they are given is escaped, and what they are not given is an error."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "parts"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "dollars": dollars,
        "language": language,
        "number": lambda number: f"{number:,}",
        "percent": percent,
        "plural": plural,
        "spent": spent,
        "sum_of": Totals.sum,
    }
    return made


def part(name: str) -> Markup:
    """A file of ours as it is: ``style.css`` or ``script.js``."""
    return Markup((_HERE / "parts" / name).read_text(encoding="utf-8"))  # noqa: S704 - it is our own


def _finalized(value: Any) -> Any:
    return marked_up(value) if type(value) is str else value
