"""From a source to a document: read, decode, convert, name."""

from __future__ import annotations

from promptops.documents import convert, html
from promptops.documents.decode import decode
from promptops.documents.describe import format_of, tidy, title_of
from promptops.documents.read import read, read_stdin
from promptops.documents.walk import STDIN
from promptops.errors import DocumentError
from promptops.types import Document, Source

_CONVERTERS = {"pdf": (convert.pdf, "text"), "docx": (convert.docx, "markdown")}


def load(source: Source) -> Document:
    """Read and decode one source. Safe to call from several threads at once.

    Lines end in a line feed whatever the file had, and no byte order mark or lone surrogate is left, so that one text
    has one form on every machine; all offsets refer to ``Document.text``. HTML and Word files become Markdown. A file
    with no characters gives an empty text, one of white space keeps it. ``encoding`` is what Python calls it, and
    ``binary`` for a file that is no text.

    Raises:
        DocumentError: it cannot be read, is gone, is binary or damaged, is in an encoding that cannot be told, or
            needs a converter that is not installed. The message names the source.
    """
    try:
        return _load(source)
    except DocumentError as error:
        name = "standard input" if source.path == STDIN else source.name
        message = f"{name} {error}"
        raise DocumentError(message) from error


def _load(source: Source) -> Document:
    if source.text is not None:
        return _document(source, source.text, "utf-8")
    if source.path is None:
        message = "has neither a path nor a text"
        raise DocumentError(message)
    data = read_stdin() if source.path == STDIN else read(source.path)
    return _document(source, data, "utf-8") if isinstance(data, str) else _from_bytes(source, data)


def _from_bytes(source: Source, data: bytes) -> Document:
    kind = format_of(source.path or source.name)
    if data.startswith(b"%PDF-"):
        kind = "pdf"
    if data and kind in _CONVERTERS:
        return _converted(source, data, kind)
    text, encoding = decode(data, html.charset(data) if data.lstrip()[:1] == b"<" or kind == "html" else None)
    return _document(source, text, encoding)


def _converted(source: Source, data: bytes, kind: str) -> Document:
    converter, format_ = _CONVERTERS[kind]
    text, title = converter(data)
    return Document(source.name, text, format_, tidy(title) or title_of(text, format_), "binary")


def _document(source: Source, text: str, encoding: str) -> Document:
    text = _clean(text)
    format_ = format_of(source.path or source.name)
    if format_ in _CONVERTERS:
        format_ = "text"
    if format_ == "html" or (format_ == "text" and html.looks_like_html(text)):
        markdown, title = html.to_markdown(text)
        name = tidy(title) or title_of(markdown, "markdown")
        return Document(source.name, markdown, "markdown", name, encoding)
    return Document(source.name, text, format_, title_of(text, format_), encoding)


def _clean(text: str) -> str:
    """One form for line ends; text in memory may also hold a mark or lone surrogates, which no model can be sent."""
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
