"""How good the extractive summaries are: ROUGE against references, beside sumy and the lead sentences.

Every summarizer gets the same document, is asked for as many words as the reference has, and works on sentences split
by the same splitter. ``--korean`` takes a Markdown file of many pages, or a folder of pages, takes each page's own
introduction out as the reference, and compares with the lead sentences.

    python benchmarks/extractive.py --documents DIR --references DIR [--limit 30]
    python benchmarks/extractive.py --korean FILE_OR_DIR
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import regex
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer

import promptops as po
from promptops.extract import summarize
from promptops.text import blocks, count_words, plain_text, sentences

OURS = ("promptops", "the whole chain")
MEASURES = ("rouge1", "rouge2", "rougeL")
FORMATS = {".rst": "rst", ".md": "markdown", ".txt": "text", ".html": "html"}
LEAST_REFERENCE = 15
WORD = regex.compile(r"\p{Han}|\p{Hiragana}|\p{Katakana}|[\w--\p{Han}\p{Hiragana}\p{Katakana}]+", regex.V1)
CLIENT = po.connect("extractive")


class Page(NamedTuple):
    """One document and what its summary should say."""

    name: str
    text: str
    format: str
    reference: str


class Words(Tokenizer):  # type: ignore[misc]
    """Words of any script, lowercased; Han and Kana by the character. The package's own keeps only a-z and 0-9."""

    def tokenize(self, text: str) -> list[str]:
        """The words ROUGE compares."""
        return WORD.findall(text.lower())


Summarizer = Callable[[Page, int], str]


def ours(page: Page, words: int) -> str:
    """What promptops gives."""
    return summarize(page.text, words=words, format=page.format)


def chained(page: Page, words: int) -> str:
    """What ``promptops summarize`` gives: the same ranker behind templates, chunks and the reduce tree."""
    ending = next(ending for ending, kind in FORMATS.items() if kind == page.format)
    source = po.Source(f"{page.name}{ending}", text=page.text)
    return po.run("summarize", [source], CLIENT, words=words).text


def lead(page: Page, words: int) -> str:
    """The first sentences of the prose that fit."""
    prose = [block for block in blocks(page.text, page.format) if block.kind in ("paragraph", "quote")]
    found = [
        plain_text(span.of(piece), page.format)
        for piece in (block.of(page.text) for block in prose)
        for span in sentences(piece)
    ]
    return fill(found, words)


def fill(ranked: list[str], words: int) -> str:
    """Sentences in the given order, those left out that no longer fit."""
    return " ".join(ranked[i] for i in fitting([count_words(sentence) for sentence in ranked], words))


def fitting(lengths: list[int], words: int) -> list[int]:
    """Which of so long sentences to take, in this order, without passing ``words``."""
    taken = []
    for i, length in enumerate(lengths):
        if length <= words:
            taken.append(i)
            words -= length
    return taken


class Splitter:
    """What sumy asks of a tokenizer, over our sentences and ROUGE's words."""

    def to_sentences(self, paragraph: str) -> tuple[str, ...]:
        """The sentences of a paragraph."""
        return tuple(span.of(paragraph).strip() for span in sentences(paragraph))

    def to_words(self, sentence: str) -> tuple[str, ...]:
        """The words of a sentence."""
        return tuple(WORD.findall(sentence))


def peers() -> dict[str, Summarizer]:
    """sumy's three, each taking its best sentences while they fit, in the order of the document."""
    from sumy.nlp.stemmers import Stemmer
    from sumy.parsers.plaintext import PlaintextParser
    from sumy.summarizers.lex_rank import LexRankSummarizer
    from sumy.summarizers.lsa import LsaSummarizer
    from sumy.summarizers.text_rank import TextRankSummarizer
    from sumy.utils import get_stop_words

    def of(kind: type) -> Summarizer:
        def run(page: Page, words: int) -> str:
            summarizer = kind(Stemmer("english"))
            summarizer.stop_words = get_stop_words("english")
            document = PlaintextParser.from_string(page.text, Splitter()).document
            chosen = summarizer(document, lambda infos: best_fitting(infos, words))
            return " ".join(str(sentence) for sentence in chosen)

        return run

    kinds = {"LexRank": LexRankSummarizer, "TextRank": TextRankSummarizer, "LSA": LsaSummarizer}
    return {f"sumy {name}": of(kind) for name, kind in kinds.items()}


def best_fitting(infos: list[Any], words: int) -> list[Any]:
    """The best of sumy's rated sentences, those left out that no longer fit."""
    return [infos[i] for i in fitting([count_words(str(info.sentence)) for info in infos], words)]


def corpus(documents: Path, references: Path) -> Iterator[Page]:
    """Each document that has a reference of the same name."""
    for path in sorted(documents.iterdir()):
        reference = references / f"{path.stem}.txt"
        if reference.exists():
            text = path.read_text(encoding="utf-8")
            yield Page(path.stem, text, FORMATS.get(path.suffix, "text"), reference.read_text(encoding="utf-8"))


def introduced(source: Path) -> Iterator[Page]:
    """Markdown pages without their introductions, which become the references."""
    paths = [source] if source.is_file() else sorted(source.rglob("*.md"))
    for path in paths:
        for number, text in enumerate(split_pages(path.read_text(encoding="utf-8"))):
            page = take_introduction(f"{path.stem}#{number}", text)
            if page is not None:
                yield page


def split_pages(text: str) -> list[str]:
    """A file of many pages at its first-level headings, code fences left alone."""
    found = blocks(text, "markdown")
    starts = [block.start for block in found if block.kind == "heading" and re.match(r"# ", block.of(text))]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def take_introduction(name: str, text: str) -> Page | None:
    """The prose between the title and the next heading, list or code is the reference; the rest is the page."""
    found = blocks(text, "markdown")
    inside = ("paragraph", "directive")
    after = next((i for i, block in enumerate(found[1:], 1) if block.kind not in inside), len(found))
    prose = [plain_text(block.of(text)) for block in found[1:after] if block.kind == "paragraph"]
    reference = " ".join(part for part in prose if part)
    if count_words(reference) < LEAST_REFERENCE or after >= len(found) - 2:
        return None
    return Page(name, text[: found[0].end] + text[found[after].start :], "markdown", reference)


def score(pages: list[Page], summarizers: dict[str, Summarizer]) -> dict[str, dict[str, list[float]]]:
    """Every page through every summarizer, page by page."""
    scorer = RougeScorer(list(MEASURES), tokenizer=Words())
    columns = (*MEASURES, "s", "fill")
    table: dict[str, dict[str, list[float]]] = {name: {key: [] for key in columns} for name in summarizers}
    for page in pages:
        words = count_words(page.reference)
        for name, run in summarizers.items():
            begun = time.perf_counter()
            summary = run(page, words)
            row = table[name]
            row["s"].append(time.perf_counter() - begun)
            row["fill"].append(count_words(summary) / words)
            for measure, value in scorer.score(page.reference, summary).items():
                row[measure].append(value.fmeasure)
    return table


def show(title: str, table: dict[str, dict[str, list[float]]], chosen: Callable[[int], bool] = lambda _: True) -> None:
    """Means, and the ratios of ours to the best of the others."""
    means = {
        name: {key: statistics.fmean(v for i, v in enumerate(values) if chosen(i)) for key, values in row.items()}
        for name, row in table.items()
    }
    print(f"\n{title}\n{'':16}{'ROUGE-1':>9}{'ROUGE-2':>9}{'ROUGE-L':>9}{'words':>9}{'ms':>9}")
    for name, row in means.items():
        print(f"{name:16}" + "".join(f"{row[m]:9.3f}" for m in MEASURES) + f"{row['fill']:9.2f}{row['s'] * 1000:9.1f}")
    best = {m: max(row[m] for name, row in means.items() if name not in OURS) for m in MEASURES}
    for name in OURS:
        print(f"{name[:9]} ÷ best".ljust(16) + "".join(f"{means[name][m] / best[m]:9.2f}" for m in MEASURES))


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path)
    parser.add_argument("--references", type=Path)
    parser.add_argument("--korean", type=Path, help="a Markdown file of pages, or a folder of them")
    parser.add_argument("--limit", type=int, default=None, help="only the first N documents")
    parser.add_argument("--show", action="store_true", help="print our summaries as well")
    options = parser.parse_args()
    if options.korean:
        pages = list(introduced(options.korean))[: options.limit]
        summarizers: dict[str, Summarizer] = {"promptops": ours, "the whole chain": chained, "lead": lead}
    elif options.documents and options.references:
        pages = list(corpus(options.documents, options.references))[: options.limit]
        summarizers = {"promptops": ours, "the whole chain": chained, "lead": lead, **peers()}
    else:
        parser.error("give --documents and --references, or --korean")
    if not pages:
        sys.exit("no document with a reference was found")
    table = score(pages, summarizers)
    show(f"all {len(pages)} documents", table)
    if len(pages) > 1:
        show("the even ones (what the weights were chosen on)", table, lambda i: i % 2 == 0)
        show("the odd ones (held out)", table, lambda i: i % 2 == 1)
    for page in pages if options.show else []:
        print(f"\n== {page.name} ==\n{ours(page, count_words(page.reference))}\n-- {page.reference}")


if __name__ == "__main__":
    main()
