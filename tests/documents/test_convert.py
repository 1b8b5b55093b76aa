"""PDF and Word files, real ones, made here."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from promptops.documents import convert, find, load
from promptops.errors import DocumentError
from promptops.types import Document

PDF = pytest.importorskip("pypdf")
pytest.importorskip("mammoth")


def _pdf(*pages: str, title: str = "") -> bytes:
    """A PDF of one line per page, written by hand: header, objects, cross-reference table, trailer."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else "0 0 100 100 re f"
        look = "/MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
        objects += [
            f"<< /Type /Page /Parent 2 0 R {look} /Contents {5 + 2 * number} 0 R >>",
            f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        ]
    objects.append(f"<< /Title ({title}) >>")
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(f"{number} 0 obj\n{body}\nendobj\n".encode())
    start = out.tell()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode())
    out.write(f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\n".encode())
    out.write(f"startxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def _docx(body: str) -> bytes:
    """A Word file with ``body`` as the content of its document part."""
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/word/document.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
    )
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", relations)
        archive.writestr(
            "word/document.xml",
            '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
            f"{body}</w:body></w:document>",
        )
    return out.getvalue()


def _paragraph(text: str, style: str = "") -> str:
    mark = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{mark}<w:r><w:t>{text}</w:t></w:r></w:p>"


def _load(path: Path, data: bytes) -> Document:
    path.write_bytes(data)
    return load(find([path])[0])


def _error(path: Path, data: bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        _load(path, data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_pages_of_a_pdf_are_one_text(tmp_path: Path) -> None:
    """Apart by a blank line; the title is the one in its properties."""
    document = _load(tmp_path / "a.pdf", _pdf("First page.", "Second page.", title="A Report"))
    assert (document.text, document.title) == ("First page.\n\nSecond page.", "A Report")
    assert (document.format, document.encoding) == ("text", "binary")


def test_a_pdf_is_known_by_its_content(tmp_path: Path) -> None:
    """Under any name."""
    assert _load(tmp_path / "download", _pdf("Text.")).text == "Text."


def test_a_pdf_of_images_says_so(tmp_path: Path) -> None:
    """Not an empty document: there is something to read, which we cannot."""
    assert "without text, probably scanned; run OCR" in _error(tmp_path / "a.pdf", _pdf("", ""))


def test_an_encrypted_pdf_says_so(tmp_path: Path) -> None:
    """One that opens without a password is read."""
    for password, readable in ("secret", False), ("", True):
        writer = PDF.PdfWriter(clone_from=io.BytesIO(_pdf("Hidden.")))
        writer.encrypt(password, "owner", algorithm="RC4-128")
        out = io.BytesIO()
        writer.write(out)
        if readable:
            assert _load(tmp_path / "a.pdf", out.getvalue()).text == "Hidden."
        else:
            assert "is an encrypted PDF" in _error(tmp_path / "a.pdf", out.getvalue())


@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_damage_is_an_error_in_one_line_and_nothing_on_the_terminal(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Cut, altered or of another kind, it is read or it is a DocumentError; the converter's own words stay inside."""
    whole = _pdf("Text.", "More.") if name == "a.pdf" else _docx(_paragraph("Text."))
    variants = [whole[: len(whole) * part // 10] for part in range(1, 10)]
    variants += [whole[:at] + b"\xff(<[" + whole[at + 4 :] for at in range(5, len(whole) - 5, 40)]
    for data in [*variants, b"no such thing", b"<html>", b"%PDF-1.4\n"]:
        try:
            _load(tmp_path / name, data)
        except DocumentError as error:
            assert str(error).isprintable()  # noqa: PT017 -- either outcome is right
    assert capfd.readouterr() == ("", "")


def test_a_word_file_keeps_its_structure(tmp_path: Path) -> None:
    """Headings and tables as Markdown; the title is the first heading."""
    cell = "<w:tc>{}</w:tc>".format
    row = f"<w:tr>{cell(_paragraph('a'))}{cell(_paragraph('b'))}</w:tr>"
    body = _paragraph("제목", "Heading1") + _paragraph("본문 &amp; text.") + f"<w:tbl>{row}{row}</w:tbl>"
    document = _load(tmp_path / "a.docx", _docx(body))
    assert document.text == "# 제목\n\n본문 & text.\n\n| a | b |\n| --- | --- |\n| a | b |"
    assert (document.title, document.format) == ("제목", "markdown")


def test_a_word_file_without_text_is_empty(tmp_path: Path) -> None:
    """As an empty text file is."""
    assert _load(tmp_path / "a.docx", _docx("")).text == ""


def test_an_encrypted_word_file_says_so(tmp_path: Path) -> None:
    """It is an OLE container, not an archive."""
    assert "encrypted or pre-2007" in _error(tmp_path / "a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))


def test_an_archive_made_to_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what it would unpack to, before it is unpacked."""
    monkeypatch.setattr(convert, "MAX_UNPACKED", 1 << 20)
    assert "unpacks to 8 MiB" in _error(tmp_path / "a.docx", _docx(_paragraph("x" * (8 << 20))))


@pytest.mark.parametrize(("name", "module"), [("a.pdf", "pypdf"), ("a.docx", "mammoth")])
def test_a_missing_converter_names_the_extra(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    assert "pip install 'promptops[documents]'" in _error(tmp_path / name, _pdf("x") if name == "a.pdf" else _docx(""))


def test_converters_are_imported_when_they_are_needed() -> None:
    """Not with the package."""
    code = "import sys, promptops.documents; print({'lxml', 'pypdf', 'mammoth', 'charset_normalizer'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
