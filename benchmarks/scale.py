"""Many one-page documents through the command line: documents per second, peak memory, ledger bytes per call.

    python benchmarks/scale.py [--small 2000] [--large 20000] [--model extractive --model scripted]

Each run is a process of its own, whose peak memory the operating system tells. The documents are made up from a fixed
seed, one page of about 300 words each. ``scripted`` replies at once, so its figure is the overhead of everything else.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

WORDS = [
    "river",
    "bridge",
    "harbour",
    "engine",
    "council",
    "ticket",
    "winter",
    "signal",
    "account",
    "letter",
    "garden",
    "machine",
    "number",
    "village",
    "surface",
    "border",
    "season",
    "market",
    "teacher",
    "valley",
    "record",
    "answer",
    "supply",
    "window",
    "station",
    "morning",
    "weather",
    "library",
    "question",
    "market",
    "강",
    "다리",
    "항구",
    "기관",
    "회의",
    "겨울",
    "신호",
    "편지",
    "정원",
    "기계",
    "마을",
    "국경",
    "계절",
    "시장",
    "교사",
    "기록",
    "대답",
    "창문",
    "아침",
    "날씨",
    "도서관",
    "질문",
]
SCRIPT = "default: The page says that the harbour was closed in winter and the bridge was mended in spring.\n"


def page(chance: random.Random) -> str:
    sentences = (" ".join(chance.choices(WORDS, k=12)).capitalize() + "." for _ in range(25))
    body = list(sentences)
    return f"# {' '.join(chance.choices(WORDS, k=3))}\n\n" + "\n\n".join(
        " ".join(body[n : n + 5]) for n in range(0, 25, 5)
    )


def write(folder: Path, number: int) -> None:
    chance = random.Random(1)
    for index in range(number):
        sub = folder / f"{index // 1000:03}"
        sub.mkdir(parents=True, exist_ok=True)
        (sub / f"{index:06}.md").write_text(page(chance), encoding="utf-8")


def run(model: str, folder: Path, work: Path) -> dict[str, float]:
    store = work / "store.db"
    command = [sys.executable, "-m", "promptops", "summarize", str(folder), "--model", model, "--store", str(store)]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--out", str(work / "out")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(process.stderr.read().decode() if process.stderr else "failed")
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        calls = connection.execute("SELECT count(*) FROM attempts").fetchone()[0]
        connection.execute("DELETE FROM replies")
        connection.commit()
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return {
        "seconds": seconds,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / 1024,
        "calls": calls,
        "ledger_bytes_per_call": store.stat().st_size / calls,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=2_000)
    parser.add_argument("--large", type=int, default=20_000)
    parser.add_argument("--model", action="append", choices=["extractive", "scripted"])
    asked = parser.parse_args()
    print(f"{'':12} {'documents':>10} {'per second':>11} {'CPU ms each':>12} {'peak MiB':>9} {'ledger B/call':>14}")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        (root / "script.yaml").write_text(SCRIPT)
        for number in (asked.small, asked.large):
            write(root / str(number), number)
        for model in asked.model or ["extractive", "scripted"]:
            spec = "extractive" if model == "extractive" else f"scripted:{root / 'script.yaml'}"
            peaks = []
            for number in (asked.small, asked.large):
                work = root / f"{model}-{number}"
                work.mkdir()
                found = run(spec, root / str(number), work)
                peaks.append(found["peak_mib"])
                print(
                    f"{model:12} {number:10,} {number / found['seconds']:11.0f} {found['cpu'] / number * 1000:12.2f} "
                    f"{found['peak_mib']:9.0f} {found['ledger_bytes_per_call']:14.0f}"
                )
            print(f"{model:12} peak of {asked.large:,} ÷ peak of {asked.small:,}: {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
