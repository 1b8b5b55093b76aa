"""A fake provider from a shell, for tests that kill processes.

``python -m promptops.testing --port 0 --latency 0.2 --fault reset:0.1 --log billed.jsonl`` prints its base URL and
writes one JSON line per request to the log.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from promptops.testing.faults import FAULTS
from promptops.testing.server import KEY, FakeOpenAI


def _rates(given: list[str]) -> Iterator[tuple[str, float]]:
    for one in given:
        kind, _, chance = one.partition(":")
        if kind not in FAULTS and not kind.isdigit():
            raise SystemExit(f"no fault is called {kind!r}; they are {', '.join(FAULTS)} and any HTTP status")
        yield kind, float(chance or 1)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m promptops.testing", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--batch-delay", type=float, default=0.0, help="seconds that a batch takes")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND:CHANCE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--log", type=Path, help="a JSON line per request goes here")
    options = parser.parse_args()
    server = FakeOpenAI(
        keys=(options.key,), latency=options.latency, rates=dict(_rates(options.fault)), seed=options.seed,
        log=options.log, port=options.port,
    ).start()  # fmt: skip
    server.batches.delay = options.batch_delay
    print(server.base_url, flush=True)  # noqa: T201 - what it is started for
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    server.stop()


if __name__ == "__main__":
    main()
