"""PDF and Word files to text, by the converters of the extra ``documents``.

A converter meets files from anywhere, and may raise anything: all of it arrives as a ``DocumentError``, and what it
logs stays off the terminal.
"""

from __future__ import annotations

import importlib
import io
import logging
import re
from collections.abc import Iterator
from typing import Any

from promptops.documents.html import to_markdown
from promptops.errors import DocumentError

EXTRA = "pip install 'promptops[documents]'"
MAX_UNPACKED = 1 << 30
"""Bytes a Word file may unpack to; beyond, it is taken for an archive made to fill the memory."""

_BLANKS = re.compile(r"[ \t]+\n")
_GAPS = re.compile(r"\n{3,}")


def pdf(data: bytes) -> tuple[str, str]:
    """The text of a PDF, pages apart by a blank line, and the title in its properties.

    Raises:
        DocumentError: it is encrypted, damaged, or holds images only; or the extra is not installed.
    """
    reader = _converter("pypdf", "PDF")
    try:
        opened = reader.PdfReader(io.BytesIO(data))
        _require_readable(opened)
        text = _GAPS.sub("\n\n", _BLANKS.sub("\n", "\n\n".join(_pages(opened)))).strip()
        title = _pdf_title(opened)
        count = len(opened.pages)
    except DocumentError:
        raise
    except Exception as error:
        raise DocumentError(_damaged("PDF", error)) from error
    if not text:
        message = f"is a PDF of {count:,} page{'s' * (count != 1)} without text, probably scanned; run OCR on it first"
        raise DocumentError(message)
    # A broken character map gives halves of surrogate pairs.
    return text.encode("utf-8", "replace").decode(), title


def docx(data: bytes) -> tuple[str, str]:
    """The text of a Word file as Markdown, and the title in its properties (empty: none).

    Raises:
        DocumentError: it is encrypted, damaged, too large unpacked; or the extra is not installed.
    """
    mammoth = _converter("mammoth", "Word")
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        message = "is an encrypted or pre-2007 Word file; save it as .docx without a password"
        raise DocumentError(message)
    try:
        _check_size(data)
        page = mammoth.convert_to_html(io.BytesIO(data), convert_image=mammoth.images.img_element(_no_image))
        return to_markdown(page.value)[0], ""
    except DocumentError:
        raise
    except Exception as error:
        raise DocumentError(_damaged("Word file", error)) from error


def _converter(module: str, kind: str) -> Any:
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        message = f"is a {kind} file, and its converter is not installed: {EXTRA}"
        raise DocumentError(message) from error
    logger = logging.getLogger(module)
    if not logger.handlers:
        # Without any handler, logging prints warnings to stderr by itself.
        logger.addHandler(logging.NullHandler())
    return found


def _require_readable(opened: Any) -> None:
    """Many PDFs are encrypted with an empty password: only their printing is restricted."""
    if opened.is_encrypted and not opened.decrypt(""):
        message = "is an encrypted PDF; save it without its password"
        raise DocumentError(message)


def _pages(opened: Any) -> Iterator[str]:
    for page in opened.pages:
        yield page.extract_text().strip()


def _pdf_title(opened: Any) -> str:
    title = opened.metadata.title if opened.metadata else None
    return " ".join(str(title).split()) if title else ""


def _no_image(_: object) -> dict[str, str]:
    return {}


def _check_size(data: bytes) -> None:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(item.file_size for item in archive.infolist())
    if size > MAX_UNPACKED:
        message = f"unpacks to {size >> 20:,} MiB, which no document needs; check where it comes from"
        raise DocumentError(message)


def _damaged(kind: str, error: Exception) -> str:
    missing = isinstance(error, ImportError) or "cryptography" in str(error)
    if missing and kind == "PDF":
        return "is an encrypted PDF; save it without encryption, or pip install cryptography"
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return f"is a {kind} that cannot be read: {reason}; save it again, or as text"
