"""Reading text out of inline markup: links to their words, code to its name, footnote marks to nothing."""

from __future__ import annotations

import html
import re

_ANY_MARK = re.compile(r"[`*_\[\]<|\\&{~]")
_SPACE = re.compile(r"\s+")

_MARKER = re.compile(
    r"\A\s*(?:#{1,6}\s+|>\s?|(?:[-*+•◦‣·▪]|\(?(?:\d{1,4}|[A-Za-z]|[ivxIVX]{2,4}|#)[.)]|[①-⑳])\s+(?:\[[ xX]\]\s+)?|\|\s)"
)
_QUOTE = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)

_SHARED = (
    (re.compile(r"<!--.{0,2000}?-->", re.DOTALL), ""),
    (re.compile(r"</?[A-Za-z][\w.:-]*(?:\s[^<>]{0,500})?/?>"), ""),
)
_MARKDOWN = (
    (re.compile(r"!\[[^\]\n]{0,300}\]\([^()\n]{0,1000}\)"), ""),
    (re.compile(r"!?\[([^\[\]]{0,300})\](?:\((?:[^()\n]|\([^()\n]{0,200}\)){0,1000}\)|\[[^\]\n]{0,200}\])"), r"\1"),
    (re.compile(r"\[\^[^\]\n]{1,60}\]"), ""),
    (re.compile(r"\s*\{[#.:][^{}\n]{1,120}\}"), ""),
    (re.compile(r"\s#+\s*\Z"), ""),
    (re.compile(r"(?<![*\w\\])(\*{1,3})(?=\S)([^*]{1,1000}?)(?<=\S)\1(?!\*)"), r"\2"),
    (re.compile(r"(?<![_\w\\])(_{1,3})(?=\S)([^_]{1,1000}?)(?<=\S)\1(?![_\w])"), r"\2"),
    (re.compile(r"(?<!\w)\*\*|\*\*(?!\w)|__(?=\s|\Z)"), ""),
    (re.compile(r"~~"), ""),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)
_RST = (
    (re.compile(r"\s?\[(?:\d+|#[\w.-]*|\*)\]_"), ""),
    (re.compile(r"\[([\w.:+-]{1,60})\]_"), r"[\1]"),
    (re.compile(r"\|([^|\s][^|\n]{0,60})\|_{0,2}"), r"\1"),
    (re.compile(r":(pep|rfc):`(\d+)`"), lambda match: f"{match[1].upper()} {match[2]}"),
    (re.compile(r":(?:ref|doc|term):`[\w.-]+[:/](?:[\w./-]*/)?([\w-]+)`"), lambda match: match[1].replace("-", " ")),
    (re.compile(r":[a-z][\w.:+-]{0,30}:`[!~]?([^`<]{0,300}?)\s*(?:<[^`>]{0,300}>)?`"), r"\1"),
    (re.compile(r"`([^`<]{1,300}?)\s*<[^`>]{0,500}>`_{1,2}"), r"\1"),
    (re.compile(r"(?<!`)`([^`]{1,300})`_{1,2}"), r"\1"),
    (re.compile(r"\b(\w{2,40})__?(?=[\s.,;:)]|\Z)"), r"\1"),
    (re.compile(r"(?<![*\w])(\*{1,2})(?=\S)([^*]{1,1000}?)(?<=\S)\1(?![*\w])"), r"\2"),
    (re.compile(r"\\([!-/:-@\[-`{-~ ])"), r"\1"),
)
_CODE = re.compile(r"(`{1,3})(?!`)(.{1,500}?)(?<!`)\1(?!`)", re.DOTALL)
_RST_CODE = re.compile(r"``(.{1,500}?)``", re.DOTALL)
_HELD = re.compile("\ue000(\\d+)\ue001")
_EMPTY_BRACKETS = re.compile(r"\s?[(\[]\s*[)\]]")
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,10}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")


def plain_text(text: str, format: str = "markdown") -> str:
    """``text`` as a reader sees it: one line without markers and inline markup; code keeps its name."""
    text = _MARKER.sub("", _QUOTE.sub("", text) if ">" in text else text, count=1)
    if _ANY_MARK.search(text):
        text = _unmark(text, format)
    return _SPACE.sub(" ", text).strip()


def _unmark(text: str, format: str) -> str:
    """Literals are held aside first, since stars and brackets in code aren't markup."""
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(match[match.lastindex or 0])
        return f"\ue000{len(held) - 1}\ue001"

    text = text.replace("\ue000", "").replace("\ue001", "")
    text = (_RST_CODE if format == "rst" else _CODE).sub(hold, text)
    for pattern, replacement in (*_SHARED, *(_RST if format == "rst" else _MARKDOWN)):
        text = pattern.sub(replacement, text)
    text = _ENTITY.sub(lambda match: html.unescape(match[0]), text.replace("`", ""))
    text = _EMPTY_BRACKETS.sub("", text) if "[" in text or "(" in text else text
    return _HELD.sub(lambda match: held[int(match[1])].strip(), text)
