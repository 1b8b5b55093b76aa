"""A regular expression of a JSON schema, in the few means that llama.cpp's converter reads."""

from __future__ import annotations

import re

_SPELT = {r"\d": "0-9", r"\w": "0-9A-Za-z_", r"\s": " "}
_HARD = re.compile(r'"|\(\?|[*+?}][?+]|\\[^dws.\-+*?()\[\]{}|^$/]')
_CLASS = re.compile(r"\[(?:\\.|[^\]\\])*\]|\\[dws./^$-]")
_UNFIT = re.compile(r'[\x00-\x1f"\\]')
_ASCII = "".join(map(chr, range(128)))


def plain_pattern(pattern: object, most: int) -> str:
    """``pattern`` so that nothing it matches would have to be escaped in JSON, repeating ``most`` times at most.

    Raises ``ValueError`` that says what of it has no grammar.
    """
    if not isinstance(pattern, str) or not pattern.startswith("^") or not pattern.endswith("$"):
        raise ValueError("it must begin with ^ and end with $")
    try:
        re.compile(pattern)
    except re.error as failure:
        raise ValueError(f"it is no regular expression ({failure})") from None
    if _HARD.search(pattern):
        raise ValueError("it has a quote, or a group or an escape that has no grammar")
    counts = re.findall(r"\d+", " ".join(re.findall(r"\{[\d, ]+\}", pattern)))
    if any(int(number) > most for number in counts):
        raise ValueError(f"it repeats more than {most} times")
    return _CLASS.sub(lambda found: _spelt(found[0]), pattern)


def _spelt(text: str) -> str:
    """A character class, or an escape as one, with the shorthands spelt out."""
    if not text.startswith("["):
        return f"[{_SPELT.get(text, text[1])}]" if text[1] not in "^-" else text[1]
    body = re.sub(r"\\([dws./+*?(){}|$])", lambda found: _SPELT.get(found[0], found[1]), text[1:-1])
    if body.startswith("^"):
        return rf'[{body}"\\\x00-\x1F]'
    if any(map(_UNFIT.fullmatch, re.findall(f"[{body}]", _ASCII))):
        raise ValueError(f"{text} lets characters through that JSON must escape")
    return f"[{body}]"
