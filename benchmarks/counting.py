"""Counting side by side: tokens per second against tiktoken, warm and in a fresh process, and on hard texts.

    python benchmarks/counting.py --corpus DIR [--encoding o200k_base] [--rounds 7]

Every .txt and .md file of DIR is read; to them comes Python's own standard library as code. All runs of one text are
interleaved; each time is the median of ``--rounds``. tiktoken works from promptops' export.
"""

from __future__ import annotations

import argparse
import base64
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from promptops.tokens import counter, export

HARD = {
    "one letter": "a" * 10**6,
    "spaces": " " * 10**6,
    "Hangul, no spaces": "가나다라마바사아자차" * 33_333,
    "one long line": "word and " * 22_222,
    "emoji with joiners": "👩‍👩‍👧‍👦" * 40_000,
    "CRLF and BOM": "\ufeff" + "A line. Another\r\n" * 60_000,
    "base64": base64.b64encode(random.Random(0).randbytes(750_000)).decode(),
    "lone surrogates": "so \ud800 it goes. " * 60_000,
    "special tokens": "<|endoftext|> and " * 50_000,
}
FRESH = {
    "tiktoken": "import tiktoken\nn = len(tiktoken.get_encoding(name).encode_ordinary(text))",
    "tokenizer=": "from promptops.tokens import counter\nn = counter(tokenizer=name).count(text)",
    "model=": "from promptops.tokens import counter\nn = counter(model).count(text)",
}
MODELS = {"o200k_base": "gpt-5-mini", "cl100k_base": "gpt-4", "p50k_base": "text-davinci-003", "r50k_base": "davinci"}


def timed(run: Callable[[str], object], text: str) -> float:
    """Seconds of one call, on a string that holds no encoded form from an earlier one; not a number where it panics."""
    fresh = text[:1] + text[1:]
    start = time.perf_counter()
    try:
        run(fresh)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of the peer's engine is none of Python's exceptions
        print(f"{type(error).__name__}: {str(error)[:80]}", file=sys.stderr)
        return float("nan")
    return time.perf_counter() - start


def ratio(ours: Callable[[str], object], theirs: Callable[[str], object], text: str, rounds: int) -> float:
    """Their time over ours, median of interleaved runs after one that warms up."""
    pairs = [(timed(theirs, text), timed(ours, text)) for _ in range(rounds + 1)]
    return statistics.median(theirs_took / ours_took for theirs_took, ours_took in pairs[1:])


def fresh_process(text: str, name: str, rounds: int) -> dict[str, float]:
    """Our first count in a process over tiktoken's, imports and vocabulary included: median of interleaved runs."""
    ratios: dict[str, list[float]] = {who: [] for who in FRESH if who != "tiktoken"}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        for _ in range(rounds):
            took = {}
            for who, code in FRESH.items():
                program = (
                    "import sys, time\ntext = open(sys.argv[1], encoding='utf-8').read(); name, model = sys.argv[2:]\n"
                    f"start = time.perf_counter()\n{code}\nprint(time.perf_counter() - start)"
                )
                command = [sys.executable, "-c", program, file.name, name, MODELS[name]]
                took[who] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for who, found in ratios.items():
                found.append(took[who] / took["tiktoken"])
    return {who: statistics.median(found) for who, found in ratios.items()}


def texts(folder: Path) -> dict[str, str]:
    """The files to count."""
    found = {
        path.stem: path.read_text("utf-8")
        for path in sorted(folder.iterdir())
        if path.suffix in {".txt", ".md"} and path.stat().st_size > 100_000
    }
    library = Path(sysconfig.get_paths()["stdlib"])
    found["python_library"] = "".join(path.read_text("utf-8", "replace") for path in sorted(library.glob("*.py")))
    return found


def run(options: argparse.Namespace) -> None:
    """The table."""
    import tiktoken

    encoding, ours = tiktoken.get_encoding(options.encoding), counter(tokenizer=options.encoding)
    corpus = texts(options.corpus)
    print(f"{options.encoding}: times faster than tiktoken.encode_ordinary, and whether the counts agree")
    ratios = []
    for name, text in corpus.items():
        ratios.append(ratio(ours.count, encoding.encode_ordinary, text, options.rounds))
        print(f"{name:24}{ratios[-1]:6.2f}  {ours.count(text) == len(encoding.encode_ordinary(text))}")
    print(f"{'geometric mean':24}{statistics.geometric_mean(ratios):6.2f}")
    sample = next(iter(corpus.values()))
    for label, text in (("300 characters", sample[:300]), ("300,000 characters", sample[:300_000])):
        for who, share in fresh_process(text, options.encoding, options.rounds).items():
            print(f"fresh process, {label}, {who}: {share:.2f} of tiktoken's time")
    print("hard texts (tiktoken panics where it says nan)")
    for name, text in HARD.items():
        print(f"{name:24}{ratio(ours.count, encoding.encode_ordinary, text, 1):6.2f}")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--encoding", default="o200k_base", choices=MODELS)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TIKTOKEN_CACHE_DIR"] = cache
        export(options.encoding, cache)
        run(options)


if __name__ == "__main__":
    main()
