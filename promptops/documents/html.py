"""HTML to Markdown: headings, lists, tables, quotations and code are kept; navigation, scripts and styling are not.

lxml hands over the markup as a stream of events, so that neither time nor memory depends on how deep it nests or how
broken it is: no tree is built and nothing here recurses. ``Page`` turns events into blocks; ``table`` lays out tables.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping

from promptops.documents.table import Blocks, Table, join, one_line

MAX_LEVEL = 8
"""How deep lists, quotations and tables are shown inside each other; below, they go on at this level."""

_UNSEEN = frozenset({"script", "style", "template", "noscript", "iframe", "object", "canvas", "audio", "video", "svg"})
_UNSEEN |= {"select", "button", "input", "textarea"}
_BESIDE = frozenset({"nav", "menu"})
_HEADINGS = {f"h{n}": "#" * n + " " for n in range(1, 7)}
_BREAKS = frozenset({"p", "div", "section", "article", "main", "header", "footer", "aside", "figure", "figcaption"})
_BREAKS |= {"address", "form", "fieldset", "legend", "details", "summary", "dl", "dt", "hr", "html", "body", "center"}
_BREAKS |= {"caption", "dialog", "search", "hgroup"}
_CODE = frozenset({"code", "kbd", "samp", "tt"})
_LANGUAGE = re.compile(r"\b(?:language|lang|highlight|brush)-([\w+#-]+)")
_CHARSET = re.compile(rb"""<meta[^>]{0,500}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})""")
_LOOKS_LIKE = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)


def charset(data: bytes) -> str | None:
    """The encoding that a page declares for itself in its first 4,096 bytes."""
    match = _XML_ENCODING.search(data[:400]) or _CHARSET.search(data[:4096])
    return match[1].decode("ascii", "replace") if match else None


def looks_like_html(text: str) -> bool:
    """Whether a text without a telling name begins as an HTML page does."""
    return _LOOKS_LIKE.match(text[:5000]) is not None


def to_markdown(page: str) -> tuple[str, str]:
    """The page's text as Markdown, and the content of its title element. Never raises, whatever the markup."""
    text, title = _parse(page, _BESIDE)
    # A page that is nothing but navigation is the reader's own choice.
    return (text, title) if text else _parse(page, frozenset())


def _parse(page: str, beside: frozenset[str]) -> tuple[str, str]:
    etree = importlib.import_module("lxml.etree")
    target = Page(beside)
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        parser.feed(page.encode("utf-8", "replace"))
        parser.close()
    except etree.LxmlError:
        # What was read so far is kept; that a page is empty is no error.
        pass
    return target.close()


class Page:
    """The events of one page as Markdown blocks: the parser calls ``start``, ``data``, ``end`` and ``close``."""

    def __init__(self, beside: frozenset[str]) -> None:
        """``beside`` is what to leave out although it is text: navigation."""
        self._dropped = _UNSEEN | beside
        self._beside = beside
        self._skipping = 0
        self._title: list[str] | None = None
        self._titles: list[str] = []
        self._inline: list[str] = []
        self._blocks = Blocks()
        self._sinks: list[Blocks] = []
        self._tables: list[Table] = []
        self._nested_tables = 0
        self._lists: list[int | None] = []
        self._quotes = 0
        self._marker = ""
        self._heading = ""
        self._code = 0
        self._code_from = 0
        self._pre = 0
        self._language = ""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if self._skipping or self._is_dropped(tag, attributes):
            self._skipping += 1
        elif tag == "title":
            self._title = []
        elif self._pre and tag != "pre":
            self._inside_pre(tag, attributes)
        elif handler := _STARTS.get(tag):
            handler(self, attributes)
        elif tag in _HEADINGS:
            self._flush()
            self._heading = _HEADINGS[tag]
        elif tag in _BREAKS:
            self._flush()
            self._remember_language(attributes)

    def end(self, tag: str) -> None:
        """An element ends, in the markup or by what follows it."""
        if self._skipping:
            self._skipping -= 1
        elif tag == "title" and self._title is not None:
            self._titles.append(one_line("".join(self._title)))
            self._title = None
        elif self._pre and tag != "pre":
            if tag in _BREAKS:
                self._inline.append("\n")
        elif handler := _ENDS.get(tag):
            handler(self)
        elif tag in _BREAKS or tag in _HEADINGS:
            self._flush()
            self._heading = ""

    def data(self, text: str) -> None:
        """Characters, entities resolved."""
        if self._title is not None:
            self._title.append(text)
        elif not self._skipping:
            self._inline.append(text)

    def close(self) -> tuple[str, str]:
        """The Markdown and the title."""
        while self._pre:
            self._end_pre()
        self._flush()
        while self._tables:
            self._end_table()
        return join(self._blocks), next(filter(None, self._titles), "")

    def _is_dropped(self, tag: str, attributes: Mapping[str, str]) -> bool:
        if tag in self._dropped:
            return True
        if not attributes:
            return False
        if tag == "a" and "headerlink" in attributes.get("class", ""):
            return True
        hidden = "hidden" in attributes or attributes.get("aria-hidden") == "true"
        return hidden or (bool(self._beside) and attributes.get("role") == "navigation")

    # Blocks

    def _flush(self) -> None:
        """End the block that the inline text so far makes up."""
        text = one_line("".join(self._inline))
        self._inline.clear()
        self._code = self._code_from = 0
        if text:
            heading, self._heading = self._heading, ""
            self._emit(heading + (text.replace("\n", " ") if heading else text), tight=bool(self._marker))

    def _emit(self, text: str, *, tight: bool = False) -> None:
        """Add a block, with the marks of the lists and quotations that it is in."""
        indent = "  " * max(0, min(len(self._lists), MAX_LEVEL) - 1)
        rest = indent + ("  " if self._lists else "")
        first, self._marker = (indent + self._marker if self._marker else rest), ""
        quote = "> " * min(self._quotes, MAX_LEVEL)
        lines = text.split("\n")
        body = [quote + first + lines[0], *((quote + rest + line).rstrip() for line in lines[1:])]
        self._blocks.add("\n".join(body), tight=tight)

    def _start_list(self, first: int | None) -> None:
        self._flush()
        self._lists.append(first)

    def _end_list(self) -> None:
        self._flush()
        self._marker = ""
        if self._lists:
            self._lists.pop()
        if not self._lists:
            self._blocks.loosen()

    def _start_item(self, _: Mapping[str, str]) -> None:
        self._flush()
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        self._marker = "- " if number is None else f"{number}. "

    def _start_definition(self, _: Mapping[str, str]) -> None:
        self._flush()
        self._marker = ": "

    def _end_item(self) -> None:
        self._flush()
        self._marker = ""

    def _start_quote(self, _: Mapping[str, str]) -> None:
        self._flush()
        self._quotes += 1

    def _end_quote(self) -> None:
        self._flush()
        self._quotes = max(0, self._quotes - 1)

    # Inline text and code

    def _line_break(self, _: Mapping[str, str]) -> None:
        # Everything that is white space in the markup becomes a space; a vertical tab stands for a wanted line break.
        self._inline.append("\v")

    def _image(self, attributes: Mapping[str, str]) -> None:
        self._inline.append(attributes.get("alt", ""))

    def _start_code(self, _: Mapping[str, str]) -> None:
        if not self._code:
            self._code_from = len(self._inline)
        self._code += 1

    def _end_code(self) -> None:
        self._code = max(0, self._code - 1)
        if self._code:
            return
        text = one_line("".join(self._inline[self._code_from :])).replace("\n", " ")
        del self._inline[self._code_from :]
        if text:
            fence = "``" if "`" in text else "`"
            pad = " " if "`" in text else ""
            self._inline.append(f"{fence}{pad}{text}{pad}{fence}")

    def _start_pre(self, attributes: Mapping[str, str]) -> None:
        if not self._pre:
            self._flush()
        self._pre += 1
        self._remember_language(attributes)

    def _inside_pre(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "br":
            self._inline.append("\n")
        else:
            self._remember_language(attributes)

    def _end_pre(self) -> None:
        self._pre = max(0, self._pre - 1)
        if self._pre:
            return
        code = "".join(self._inline).replace("\xa0", " ").strip("\n").rstrip()
        self._inline.clear()
        if code.strip():
            longest = max(map(len, re.findall("`{3,}", code)), default=2)
            fence = "`" * (longest + 1)
            self._emit(f"{fence}{self._language}\n{code}\n{fence}")
        self._language = ""

    def _remember_language(self, attributes: Mapping[str, str]) -> None:
        match = _LANGUAGE.search(attributes.get("class", "")) if attributes else None
        if match:
            self._language = "" if match[1] in {"default", "none", "plaintext"} else match[1]

    # Tables

    def _start_table(self, _: Mapping[str, str]) -> None:
        self._flush()
        if len(self._tables) >= MAX_LEVEL:
            self._nested_tables += 1
            return
        self._tables.append(Table(self._lists, self._quotes))
        self._sinks.append(self._blocks)
        self._lists, self._quotes, self._blocks = [], 0, self._tables[-1].caption

    def _start_row(self, _: Mapping[str, str]) -> None:
        self._flush()
        if self._tables and not self._nested_tables:
            self._tables[-1].row()

    def _start_cell(self, attributes: Mapping[str, str]) -> None:
        self._flush()
        if self._tables and not self._nested_tables:
            self._blocks = self._tables[-1].cell(attributes.get("colspan", ""))

    def _end_table(self) -> None:
        self._flush()
        if self._nested_tables:
            self._nested_tables -= 1
        elif self._tables:
            table = self._tables.pop()
            self._blocks, self._lists, self._quotes = self._sinks.pop(), table.lists, table.quotes
            for text in table.layout():
                self._emit(text)


_STARTS = {
    "ul": lambda page, _: page._start_list(None),  # noqa: SLF001
    "ol": lambda page, attributes: page._start_list(_number(attributes.get("start"))),  # noqa: SLF001
    "li": Page._start_item,  # noqa: SLF001
    "dd": Page._start_definition,  # noqa: SLF001
    "blockquote": Page._start_quote,  # noqa: SLF001
    "br": Page._line_break,  # noqa: SLF001
    "img": Page._image,  # noqa: SLF001
    **dict.fromkeys(_CODE, Page._start_code),  # noqa: SLF001
    "pre": Page._start_pre,  # noqa: SLF001
    "table": Page._start_table,  # noqa: SLF001
    "tr": Page._start_row,  # noqa: SLF001
    "td": Page._start_cell,  # noqa: SLF001
    "th": Page._start_cell,  # noqa: SLF001
}
_ENDS = {
    "ul": Page._end_list,  # noqa: SLF001
    "ol": Page._end_list,  # noqa: SLF001
    "li": Page._end_item,  # noqa: SLF001
    "dd": Page._end_item,  # noqa: SLF001
    "blockquote": Page._end_quote,  # noqa: SLF001
    **dict.fromkeys(_CODE, Page._end_code),  # noqa: SLF001
    "pre": Page._end_pre,  # noqa: SLF001
    "table": Page._end_table,  # noqa: SLF001
}


def _number(start: str | None) -> int:
    return int(start) if start and start.isdecimal() and len(start) < 7 else 1
