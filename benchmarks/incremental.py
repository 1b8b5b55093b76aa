"""Paid for once: what re-running after every revision of real documents sends, beside running afresh.

    python benchmarks/incremental.py --history DIR [--chunks 300,1000,4000]

DIR holds a folder per document with its revisions as files, in the order of their names. Every revision is run through
the chain ``summarize`` with a model that answers in the asked length, one store for all of them. *Full* is what the
same runs send without a store. *Perfect* is the map calls of the earlier chunks that are no longer in the text, and one
reduce on each level above them: once for the whole revision, and once for each place that was edited. *Fill* is the
tokens per chunk over those of a fresh split. *Content-defined* is what the maps would send if chunks ended at the
paragraph whose hash is least (which needs no store).
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import promptops as po
from promptops.backends.scripted import Scripted
from promptops.chunking import split
from promptops.tokens import counter

COUNTER = counter(tokenizer="o200k_base")


@dataclass
class Sums:
    """Tokens of all re-runs of one setting."""

    sent: int = 0
    full: int = 0
    perfect: int = 0
    perfect_each: int = 0
    chunks: int = 0
    fresh_chunks: int = 0
    maps: int = 0
    maps_full: int = 0
    maps_defined: int = 0
    texts: set[str] = field(default_factory=set)
    defined: set[str] = field(default_factory=set)


def answer(call: po.Call) -> str:
    """As many words as asked, different for each call."""
    words = (call.expected_output_tokens or 1) // 2 or 1
    return f"{zlib.crc32(repr(call.messages).encode()):x} " + "word " * (words - 1)


def revisions(folder: Path) -> Iterator[po.Source]:
    """The document as it was, each time under the same name."""
    for path in sorted(folder.iterdir()):
        yield po.Source(f"{folder.name}.rst", text=path.read_text("utf-8"))


def replay(folder: Path, settings: dict[str, int], sums: Sums) -> None:
    """Run all revisions of one document."""
    backend = Scripted(answer=answer, counter=COUNTER, window=128_000)
    with TemporaryDirectory() as home, po.connect(backend, store=Path(home) / "store.db") as client:
        before: list[str] = []
        for number, source in enumerate(revisions(folder)):
            whole = po.plan("summarize", source, backend, **settings)
            result = po.run("summarize", source, client, **settings)
            text = source.text or ""
            chunks = [text[span.start : span.end] for span in result.documents[0].coverage]
            fresh = split(text, settings["chunk_tokens"], COUNTER)
            if number:
                sums.sent += result.usage.tokens
                sums.full += whole.expected.tokens
                one, each = perfect(before, text, whole)
                sums.perfect += one
                sums.perfect_each += each
                sums.maps += sum(COUNTER.count(chunk) for chunk in chunks if chunk not in sums.texts)
                sums.maps_full += COUNTER.count(text)
                sums.maps_defined += sum(
                    COUNTER.count(part) for part in defined(text, settings) if part not in sums.defined
                )
            sums.chunks += len(chunks)
            sums.fresh_chunks += len(fresh)
            sums.texts.update(chunks)
            sums.defined.update(defined(text, settings))
            before = chunks


def perfect(before: list[str], text: str, whole: po.Estimate) -> tuple[int, int]:
    """The calls that no way of going about it could spare: with one path for the revision, and one for each edit."""
    gone = [chunk not in text for chunk in before]
    edits = sum(here and not earlier for earlier, here in zip([False, *gone], gone, strict=False))
    levels = {level.level: level.expected for level in whole.levels}
    mean = {level: totals.tokens // totals.calls for level, totals in levels.items() if totals.calls}
    if not edits:
        return 0, 0
    path = sum(tokens for level, tokens in mean.items() if level)
    more = sum(mean[level] * (min(edits, levels[level].calls) - 1) for level in mean if level)
    return sum(gone) * mean[0] + path, sum(gone) * mean[0] + path + more


def defined(text: str, settings: dict[str, int]) -> list[str]:
    """Content-defined chunks: from half the budget on, a chunk ends after the paragraph with the least hash."""
    budget = settings["chunk_tokens"]
    parts = [part.text for paragraph in text.split("\n\n") for part in split(paragraph + "\n\n", budget, COUNTER)]
    sizes = [COUNTER.count(part) for part in parts]
    chunks: list[str] = []
    start = 0
    while start < len(parts):
        end, size, choices = start, 0, []
        while end < len(parts) and size + sizes[end] <= budget:
            size += sizes[end]
            end += 1
            if size * 2 >= budget:
                choices.append((zlib.crc32(parts[end - 1].encode()), end))
        stop = end if end == len(parts) or not choices else min(choices)[1]
        chunks.append("".join(parts[start : max(stop, start + 1)]))
        start = max(stop, start + 1)
    return chunks


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--chunks", default="200,300,1000,4000", help="chunk sizes in tokens")
    parser.add_argument("--words", type=int, default=0, help="words of a partial; by default a twelfth of the chunk")
    parser.add_argument(
        "--reduce", type=int, default=0, help="tokens of a reduce; by default as many as a chunk, and 400 at least"
    )
    options = parser.parse_args()
    print("chunk  words  sent/full  sent/perfect  (path per edit)  fill   text sent again: ours  content-defined")
    for size in map(int, options.chunks.split(",")):
        words = options.words or max(size // 12, 10)
        settings = {"chunk_tokens": size, "words": words, "reduce_tokens": options.reduce or max(size, 400)}
        sums = Sums()
        for folder in sorted(path for path in options.history.iterdir() if path.is_dir()):
            replay(folder, settings, sums)
        print(
            f"{size:5}{words:7}{sums.sent / sums.full:11.3f}{sums.sent / sums.perfect:14.2f}"
            f"{sums.sent / sums.perfect_each:17.2f}"
            f"{sums.fresh_chunks / sums.chunks:6.3f}{sums.maps / sums.maps_full:25.3f}"
            f"{sums.maps_defined / sums.maps_full:17.3f}"
        )


if __name__ == "__main__":
    main()
