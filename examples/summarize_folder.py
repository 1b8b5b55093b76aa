"""Summarize a folder without any model, and see what was counted."""

from __future__ import annotations

from pathlib import Path

import promptops as po

FOLDER = Path(__file__).parent / "documents"


def main() -> None:
    """Print one line per document, and the overview."""
    result = po.run("summarize", FOLDER, words=40)
    for document in result.documents:
        print(f"{Path(document.source).name}: {document.text}\n")
    if result.corpus:
        print(f"All of them: {result.corpus.text}\n")
    print(f"{result.usage.calls} calls, {result.usage.input_tokens} tokens in, ${result.usage.usd}")


if __name__ == "__main__":
    main()
