"""The commands about tokens: ``count``, ``chunks`` and ``tokens export``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptops import documents
from promptops.chunking import cores, split
from promptops.cli import printing
from promptops.cli.printing import note
from promptops.errors import DocumentError
from promptops.report.encoding import printable
from promptops.report.words import plural
from promptops.tokens import counter, export
from promptops.types import Chunk, Counter, Document, Source

_SHOWN = 60
"""Characters of a chunk that its line shows."""


def by(model: str | None, tokenizer: str | None, *, estimate: bool) -> Counter:
    """The counter that was asked for; o200k_base where nothing was."""
    return counter(model, tokenizer=tokenizer or (None if model else "o200k_base"), estimate=estimate)


def count(paths: list[str], counted_by: Counter, chunk: int | None, *, as_json: bool) -> int:
    """Print tokens per file and in all, and with ``chunk`` the chunks of at most so many tokens.

    Returns 3 where some files could not be read, 1 where none could.
    """
    found = documents.find(paths)
    rows = [(document.source, *_counted(document, counted_by, chunk)) for document in _read(found)]
    if not rows:
        return 1
    total, chunks = sum(tokens for _, tokens, _ in rows), sum(len(sizes) for _, _, sizes in rows)
    if as_json:
        files = [_file(name, tokens, sizes, chunk) for name, tokens, sizes in rows]
        whole = {"chunks": chunks} if chunk else {}
        printing.json(
            {"tokenizer": counted_by.name, "exact": counted_by.exact, "files": files, "tokens": total, **whole}
        )
    else:
        _show(rows, total, chunks if chunk else None, counted_by)
    return 3 if len(rows) < len(found) else 0


def chunks(paths: list[str], counted_by: Counter, budget: int, overlap: int, *, as_json: bool) -> int:
    """Print the spans of every chunk; 3 where some files could not be read, 1 where none could."""
    found = documents.find(paths)
    read = 0
    for document in _read(found):
        read += 1
        pieces = split(document.text, budget, counted_by, overlap=overlap, format=document.format)
        if as_json:
            for piece, (start, _) in zip(pieces, cores(pieces), strict=True):
                printing.json(
                    {
                        "source": printable(document.source),
                        "start": piece.start,
                        "end": piece.end,
                        "core": start,
                        "tokens": piece.tokens,
                        "text": piece.text,
                    }
                )
        else:
            print(f"{printable(document.source)}: {plural(len(pieces), 'chunk')}")
            printing.table(("start", "end", "tokens", ""), [_line(piece) for piece in pieces], right=3)
    return 1 if not read else 3 if read < len(found) else 0


def export_vocabulary(name: str, directory: str | None) -> None:
    """Fill tiktoken's cache, and say where."""
    for path in export(name, directory):
        print(path)
    note("tiktoken finds it there without a network, where TIKTOKEN_CACHE_DIR names that folder or is its default")


def _read(sources: Sequence[Source]) -> Iterator[Document]:
    for source in sources:
        try:
            yield documents.load(source)
        except DocumentError as failure:
            note(str(failure))


def _counted(document: Document, counted_by: Counter, chunk: int | None) -> tuple[int, list[int]]:
    tokens = counted_by.count(document.text)
    if chunk is None:
        return tokens, []
    return tokens, [piece.tokens for piece in split(document.text, chunk, counted_by, format=document.format)]


def _file(name: str, tokens: int, sizes: list[int], chunk: int | None) -> dict[str, object]:
    return {"source": printable(name), "tokens": tokens, **({"chunks": sizes} if chunk else {})}


def _show(rows: list[tuple[str, int, list[int]]], total: int, chunks: int | None, counted_by: Counter) -> None:
    mark = f"by {counted_by.name}{'' if counted_by.exact else ' (estimate)'}"
    lines = [(f"{tokens:,}", _sizes(sizes, chunks), printable(name)) for name, tokens, sizes in rows]
    if len(rows) > 1:
        lines.append((f"{total:,}", plural(chunks, "chunk") if chunks is not None else "", f"all, {mark}"))
    else:
        lines = [(tokens, sizes, f"{name}, {mark}") for tokens, sizes, name in lines]
    printing.table(None, lines if chunks is not None else [(line[0], line[2]) for line in lines], right=1)


def _sizes(sizes: list[int], chunks: int | None) -> str:
    if chunks is None or not sizes:
        return plural(0, "chunk")
    return f"{plural(len(sizes), 'chunk')} of {min(sizes):,} to {max(sizes):,}"


def _line(piece: Chunk) -> tuple[str, str, str, str]:
    words = " ".join(piece.text[: 4 * _SHOWN].split())
    shown = words if len(words) <= _SHOWN else words[: _SHOWN - 1] + "…"
    return f"{piece.start:,}", f"{piece.end:,}", f"{piece.tokens:,}", shown
