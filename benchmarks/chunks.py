"""Chunkers side by side: time against one tiktoken pass over the same text, and what the chunks are like.

    python benchmarks/chunks.py --corpus DIR [--budget 512 --budget 4000] [--limit 250000] [--peers]

Every .txt and .md file of DIR is read; to them come Python's own standard library as code, and a log and a CSV file
made here. ``--peers`` adds the chunkers that are installed of: semchunk, semantic-text-splitter, chonkie, LangChain.
All runs of one text are interleaved; each time is the median of ``--rounds``. tiktoken works from promptops' export.
"""

from __future__ import annotations

import argparse
import bisect
import math
import os
import random
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import regex

from promptops.chunking import split
from promptops.tokens import counter, export

ENCODING = "o200k_base"
CLOSING = "\"'”’»」』】》）)]*_`"
STOPS = ".!?…。！？｡．।॥۔؟။៕"
ITEM = re.compile(r"\s*(?:[-*+•#>|~`=:<]|\d+[.)]|\S{0,3}$)")
KOREAN = re.compile(r"(?:니다|[았었였했]다|한다|된다|있다|없다|이다|는다|어요|아요|해요|세요|네요|지요|예요|에요)$")
SPACED = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
LINES = frozenset({"code", "log", "csv"})


@dataclass
class Text:
    """One text of the corpus, with what the measures need to know of it."""

    name: str
    kind: str
    text: str
    tokens: int = 0
    wrapped: bool = False
    graphemes: frozenset[int] = frozenset()
    fences: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def format(self) -> str:
        """The format as a document would carry it."""
        return {"md": "markdown", "code": "code"}.get(self.kind, "text")


@dataclass
class Score:
    """What one chunker did over the whole corpus."""

    times: list[float] = field(default_factory=list)
    chunks: int = 0
    bound: int = 0
    over: int = 0
    altered: int = 0
    miscounted: int = 0
    torn: int = 0
    fences: int = 0
    borders: int = 0
    good: int = 0
    smallest: float = 1.0
    failed: int = 0

    def row(self) -> list[str]:
        """The score as cells."""
        time_ratio = math.exp(statistics.fmean(map(math.log, self.times))) if self.times else math.nan
        return [
            f"{time_ratio:.2f}", f"{self.chunks / max(1, self.bound):.3f}", str(self.over), str(self.altered),
            str(self.miscounted), str(self.torn), f"{self.good / max(1, self.borders):.4f}", f"{self.smallest:.2f}",
            str(self.fences), str(self.failed),
        ]  # fmt: skip


def corpus(folder: Path, limit: int) -> list[Text]:
    """The texts to cut."""
    texts = [
        Text(path.stem, path.suffix[1:], path.read_text("utf-8")[:limit])
        for path in sorted(folder.iterdir())
        if path.suffix in {".txt", ".md"} and path.stat().st_size > 100_000
    ]
    library = Path(sysconfig.get_paths()["stdlib"])
    code = "".join(path.read_text("utf-8", "replace") for path in sorted(library.glob("*.py")))
    texts.append(Text("python_library", "code", code[: 2 * limit]))
    texts.extend([Text("server", "log", made_log(limit)), Text("table", "csv", made_csv(limit))])
    return texts


def made_log(size: int) -> str:
    """A server's log with a stack trace now and then."""
    rng, lines, length = random.Random(1), [], 0
    while length < size:
        stamp = (
            f"2026-03-{rng.randint(1, 28):02} {rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.random() * 60:06.3f}"
        )
        path = "/".join(rng.choice(["api", "users", "orders", "v2", "items"]) for _ in range(3))
        lines.append(
            f"{stamp} {rng.choice(['INFO', 'WARN', 'ERROR'])} [worker-{rng.randint(1, 9)}] GET /{path} "
            f"{rng.random():.4f}s"
        )
        if rng.random() < 0.03:
            lines.extend([f'  File "app/{path}.py", line {rng.randint(1, 999)}, in handle', "ValueError: no such item"])
        length += sum(map(len, lines[-3:])) if len(lines) < 3 else len(lines[-1])
    return "\n".join(lines)[:size]


def made_csv(size: int) -> str:
    """Rows of numbers and names."""
    rng = random.Random(2)
    rows = [
        f"{i},{rng.choice(['Kim', 'Lee', 'Smith', 'García'])},{rng.random():.6f},{rng.randint(0, 10**6)}\n"
        for i in range(size // 25)
    ]
    return "".join(rows)[:size]


def prepare(text: Text, count: Callable[[str], int]) -> None:
    """Fill in what the measures need."""
    text.tokens = count(text.text)
    ends = [0]
    ends.extend(match.end() for match in regex.finditer(r"\X", text.text))
    text.graphemes = frozenset(ends)
    if text.kind == "md":
        spans = (
            match.span() for match in re.finditer(r"^```[^\n]*\n.*?^```[ \t]*$\n?", text.text, re.MULTILINE | re.DOTALL)
        )
        text.fences = [(start, end, count(text.text[start:end])) for start, end in spans]
    lines = [line for line in text.text.split("\n") if line.strip()]
    unstopped = sum(line.rstrip().rstrip(CLOSING)[-1:] not in STOPS for line in lines)
    text.wrapped = text.kind == "txt" and unstopped > len(lines) / 2 and 30 < statistics.median(map(len, lines)) < 100


def good_border(text: Text, at: int) -> bool:
    """Whether a sentence or something larger ends at a place, by rules that no chunker here uses."""
    source = text.text
    before, after = source[max(0, at - 200) : at], source[at : at + 80]
    gap = before[len(before.rstrip()) :] + after[: len(after) - len(after.lstrip())]
    before, after = before.rstrip(), after.lstrip()
    if not before or not after or gap.count("\n") > 1 or ("\n" in gap and text.kind in LINES):
        return True
    bare = before.rstrip(CLOSING) or before
    if bare[-1] in STOPS and (gap or bare[-1] not in ".!?…") and not (bare[-1] == "." and after[0].islower()):
        return True
    if "\n" in gap:
        return not text.wrapped or bool(ITEM.match(after.partition("\n")[0]) or ITEM.match(before.rpartition("\n")[2]))
    return bool(gap and (KOREAN.search(bare) or SPACED.match(before[-1])))


def judge(
    score: Score, text: Text, pieces: list[str], counts: list[int] | None, budget: int, count: Callable[[str], int]
) -> None:
    """Add what the chunks of one text are like."""
    real = [count(piece) for piece in pieces]
    score.chunks += len(pieces)
    score.bound += math.ceil(text.tokens / budget)
    score.over += sum(tokens > budget for tokens in real)
    score.altered += "".join(pieces) != text.text
    score.miscounted += sum(a != b for a, b in zip(real, counts, strict=True)) if counts else 0
    score.smallest = min([score.smallest, *(tokens / budget for tokens in real[:-1])])
    inner = list(borders(text.text, pieces))
    score.borders += len(inner)
    score.torn += sum(at not in text.graphemes for at in inner)
    score.good += sum(good_border(text, at) for at in inner)
    for start, end, tokens in text.fences:
        inside = bisect.bisect_left(inner, end) - bisect.bisect_right(inner, start)
        score.fences += tokens <= budget and inside > 0


def borders(text: str, pieces: list[str]) -> Iterator[int]:
    """Where the chunks end in the text, also for those whose spaces were dropped."""
    at = 0
    for piece in pieces[:-1]:
        found = text.find(piece, at) if not text.startswith(piece, at) else at
        if found < 0:
            continue
        at = found + len(piece)
        yield at


Chunker = Callable[[str], tuple[list[str], list[int] | None]]


def ours(text: Text, budget: int) -> Chunker:
    """promptops."""
    vocabulary = counter(tokenizer=ENCODING)

    def run(source: str) -> tuple[list[str], list[int] | None]:
        chunks = split(source, budget, vocabulary, format=text.format)
        return [chunk.text for chunk in chunks], [chunk.tokens for chunk in chunks]

    return run


def peers(budget: int) -> dict[str, Chunker]:
    """Those of the others that are installed."""
    makers = {
        "semchunk": _semchunk,
        "semantic-text-splitter": _semantic,
        "chonkie Recursive": lambda size: _chonkie("RecursiveChunker", size),
        "chonkie Sentence": lambda size: _chonkie("SentenceChunker", size),
        "LangChain Recursive": _langchain,
    }
    found: dict[str, Chunker] = {}
    for name, make in makers.items():
        try:
            found[name] = make(budget)
        except ImportError as error:
            print(f"{name}: not installed ({error})", file=sys.stderr)
    return found


def _semchunk(budget: int) -> Chunker:
    import semchunk
    import tiktoken

    encoding = tiktoken.get_encoding(ENCODING)

    def run(text: str) -> tuple[list[str], None]:
        # A fresh one each time: it remembers counts, and a document is cut once.
        return semchunk.chunkerify(lambda part: len(encoding.encode_ordinary(part)), budget)(text), None

    return run


def _semantic(budget: int) -> Chunker:
    from semantic_text_splitter import TextSplitter

    splitter = TextSplitter.from_tiktoken_model("gpt-4o", budget, trim=False)
    return lambda text: (splitter.chunks(text), None)


def _chonkie(kind: str, budget: int) -> Chunker:
    import chonkie
    import tiktoken

    chunker = getattr(chonkie, kind)(tiktoken.get_encoding(ENCODING), chunk_size=budget)

    def run(text: str) -> tuple[list[str], list[int]]:
        chunks = chunker(text)
        return [chunk.text for chunk in chunks], [chunk.token_count for chunk in chunks]

    return run


def _langchain(budget: int) -> Chunker:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter.from_tiktoken_encoder(ENCODING, chunk_size=budget, chunk_overlap=0)
    return lambda text: (splitter.split_text(text), None)


def measure(
    text: Text, chunkers: dict[str, Chunker], rounds: int, reference: Callable[[str], object]
) -> dict[str, float]:
    """Each chunker's median time over the reference's, all interleaved; chunkers that raise are left out."""
    ratios: dict[str, list[float]] = {name: [] for name in chunkers}
    for _ in range(rounds + 1):
        base = timed(reference, text.text)
        for name, run in chunkers.items():
            try:
                ratios[name].append(timed(run, text.text) / base)
            except Exception as error:  # noqa: BLE001 - a peer's failure is a finding
                print(f"{name} on {text.name}: {type(error).__name__}: {str(error)[:100]}", file=sys.stderr)
    return {name: statistics.median(values[1:]) for name, values in ratios.items() if len(values) > 1}


def timed(run: Callable[[str], object], text: str) -> float:
    """Seconds of one call, on a string that holds no encoded form from an earlier one."""
    fresh = text[:1] + text[1:]
    start = time.perf_counter()
    run(fresh)
    return time.perf_counter() - start


FIRST_OURS = (
    "import sys,time;t=time.perf_counter();text=open(sys.argv[1],encoding='utf-8').read();"
    "from promptops.chunking import split;from promptops.tokens import counter;"
    "n=len(split(text,int(sys.argv[2]),counter(tokenizer='o200k_base')));print(time.perf_counter()-t)"
)
FIRST_TIKTOKEN = (
    "import sys,time;t=time.perf_counter();text=open(sys.argv[1],encoding='utf-8').read();"
    "import tiktoken;n=len(tiktoken.get_encoding('o200k_base').encode_ordinary(text));print(time.perf_counter()-t)"
)


def first_document(text: str, budget: int, rounds: int) -> float:
    """In fresh processes, imports and vocabularies included: our chunks over one tiktoken pass, median."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write(text)
        file.flush()
        ratios = []
        for _ in range(rounds):
            times = [
                float(
                    subprocess.run(
                        [sys.executable, "-c", code, file.name, str(budget)], capture_output=True, check=True, text=True
                    ).stdout
                )
                for code in (FIRST_TIKTOKEN, FIRST_OURS)
            ]
            ratios.append(times[1] / times[0])
    return statistics.median(ratios)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--budget", type=int, action="append")
    parser.add_argument("--limit", type=int, default=10**9, help="characters per text")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--each", action="store_true", help="a line per text, ours only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TIKTOKEN_CACHE_DIR"] = cache
        export(ENCODING, cache)
        run(options)


def run(options: argparse.Namespace) -> None:
    """The table for each budget."""
    import tiktoken

    encoding = tiktoken.get_encoding(ENCODING)

    def count(text: str) -> int:
        return len(encoding.encode_ordinary(text))

    texts = corpus(options.corpus, min(options.limit, 1_500_000))
    for text in texts:
        prepare(text, count)
    print(
        f"{len(texts)} texts, {sum(len(text.text.encode()) for text in texts) / 1e6:.1f} MB, "
        f"{sum(text.tokens for text in texts):,} tokens"
    )
    for budget in options.budget or [512, 4000]:
        scores: dict[str, Score] = {}
        others = peers(budget) if options.peers else {}
        for text in texts:
            chunkers = {"promptops": ours(text, budget), **others}
            ratios = measure(text, chunkers, options.rounds, encoding.encode_ordinary)
            for name, chunker in chunkers.items():
                score = scores.setdefault(name, Score())
                if name not in ratios:
                    score.failed += 1
                    continue
                score.times.append(ratios[name])
                judge(score, text, *chunker(text.text), budget, count)
            if options.each:
                own = Score(times=[ratios["promptops"]])
                judge(own, text, *chunkers["promptops"](text.text), budget, count)
                print(f"{text.name:16}", *(f"{cell:>7}" for cell in own.row()))
        head = ["time", "chunks", "over", "alter", "miscnt", "graph", "good", "small", "fences", "failed"]
        print(f"\nbudget {budget:<17}", *(f"{cell:>7}" for cell in head))
        for name, score in scores.items():
            print(f"{name:24}", *(f"{cell:>7}" for cell in score.row()))
        first = statistics.geometric_mean(first_document(t.text[:300_000], budget, options.rounds) for t in texts[:3])
        print(f"fresh process, first document of 300,000 characters: {first:.2f} of tiktoken's")


if __name__ == "__main__":
    main()
