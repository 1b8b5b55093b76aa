"""What starting costs: wall time of whole processes, interleaved, medians and differences in milliseconds.

python benchmarks/startup.py [--runs N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import promptops": ["-c", "import promptops"],
    "promptops --help": ["-m", "promptops", "--help"],
    "promptops count (one line)": ["-m", "promptops", "count", "-"],
    "import tiktoken": ["-c", "import tiktoken"],
    "import openai": ["-c", "import openai"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], input=b"hello", capture_output=True, check=True)
            if turn:
                times[name].append((time.perf_counter() - start) * 1000)
    bare = statistics.median(times["python -c pass"])
    print(f"{'':28} {'median ms':>10} {'over bare':>10} {'÷ import tiktoken':>18}")
    peer = statistics.median(times["import tiktoken"])
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"{name:28} {middle:10.1f} {middle - bare:10.1f} {middle / peer:18.2f}")


if __name__ == "__main__":
    main()
