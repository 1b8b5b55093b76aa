"""A cap that stops a run, and the second run that goes on without paying twice. The model is a script."""

from __future__ import annotations

import tempfile
from pathlib import Path

import promptops as po

HERE = Path(__file__).parent


def main() -> None:
    """Run with too little, then go on."""
    with tempfile.TemporaryDirectory() as folder:
        for cap in (0.006, 0.10):
            with po.connect(
                f"scripted:{HERE / 'scripted.yaml'}", store=Path(folder) / "store.db", max_usd=cap
            ) as client:
                result = po.run("summarize", HERE / "documents", client)
            print(f"cap ${cap}: {result.status}, {result.usage.calls} calls, ${result.usage.usd}")
            print(result.reason or "done")


if __name__ == "__main__":
    main()
