"""What would this folder cost on three models, at two summary lengths? Offline; no key."""

from __future__ import annotations

from pathlib import Path

import promptops as po

FOLDER = Path(__file__).parent / "documents"


def main() -> None:
    """Print a table of expected and highest prices."""
    for model in ("openai:gpt-5-mini", "openai:gpt-4o-mini", "openai:gpt-4o"):
        for words in (60, 200):
            estimate = po.plan("summarize", FOLDER, model=model, words=words)
            expected, most = estimate.expected, estimate.most
            print(f"{model:20} {words:4} words: {expected.calls} calls, ${expected.usd:.4f}, at most ${most.usd:.4f}")


if __name__ == "__main__":
    main()
