"""The options that several commands share, and what they turn into."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from promptops.errors import UsageError

Paths = Annotated[list[str], typer.Argument(metavar="PATH", help="Files and folders; - is standard input.")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="SPEC",
        help="extractive, openai:NAME, llama:PATH.gguf, langchain:MODULE:ATTR or scripted:FILE.",
    ),
]
ModelName = Annotated[
    str | None, typer.Option("--model", "-m", metavar="NAME", help="The model whose tokenizer counts.")
]
Tokenizer = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Vocabulary of a model that is not known (o200k_base, llama3, a file)."),
]
EstimateTokens = Annotated[
    bool, typer.Option("--estimate-tokens", help="Allow counts that are estimates where no tokenizer is known.")
]
Window = Annotated[int | None, typer.Option(metavar="N", help="The model's window in tokens, where it is not known.")]
BaseUrl = Annotated[str | None, typer.Option(metavar="URL", help="An OpenAI-compatible server (OPENAI_BASE_URL).")]
ReasoningTokens = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="What the model may think unseen; 2048 for models known to reason, else 0."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the chain: words, chunk_tokens, overlap_tokens, reduce_tokens, focus, language, corpus, ...",
    ),
]
StepModels = Annotated[
    list[str] | None,
    typer.Option("--step-model", metavar="STEP=SPEC", help="A model of its own for one step: map=openai:NAME."),
]
Templates = Annotated[
    list[str] | None,
    typer.Option(
        "--templates", metavar="FOLDER", help="Templates of yours, which win over the library's of the same name."
    ),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Write a file per document, index.md, results.jsonl.")]
Html = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write one page: each answer beside its sources, and what every question took."),
]
Store = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Replies and ledger; default PROMPTOPS_STORE or your state folder."),
]
MaxUsd = Annotated[str | None, typer.Option(metavar="X", help="Send nothing that could pass X US dollars.")]
MaxTokens = Annotated[int | None, typer.Option(metavar="N", help="Send nothing that could pass N tokens, in and out.")]
Concurrency = Annotated[
    int | None, typer.Option(metavar="N", help="Calls in flight at once; default 16, growing where it helps.")
]
Rpm = Annotated[
    float | None, typer.Option("--rpm", metavar="N", help="Requests a minute at most, beside what the server says.")
]
Tpm = Annotated[
    float | None, typer.Option("--tpm", metavar="N", help="Tokens a minute at most, in and out, beside what it says.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ask again what the store already knows.")]
MaxAge = Annotated[
    str | None, typer.Option(metavar="AGE", help="Ask again what is older: 7d, 12h, 90 (seconds), or than a moment.")
]
Diff = Annotated[bool, typer.Option("--diff", help="Send nothing; say what would be sent again, and why.")]
Watch = Annotated[bool, typer.Option("--watch", help="Go on: run again whenever a document changes.")]
Batch = Annotated[
    bool, typer.Option("--batch", help="Through the provider's Batch API: within a day, mostly at half the price.")
]
MinCoverage = Annotated[
    float,
    typer.Option(metavar="SHARE", min=0, max=1, help="Fail where the answers rest on less of the text (0.95)."),
]
Timeout = Annotated[float | None, typer.Option(metavar="S", min=0.001, help="The most seconds one call may take.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def settings(given: list[str] | None) -> dict[str, Any]:
    """``key=value`` pairs as a mapping; raises ``UsageError`` for one without ``=``."""
    return _pairs("--set", given, "key=value, such as --set words=80")


def step_models(given: list[str] | None) -> dict[str, Any]:
    """``step=spec`` pairs as a mapping; raises ``UsageError`` for one without ``=``."""
    return _pairs("--step-model", given, "STEP=SPEC, such as --step-model map=openai:gpt-5-nano")


def _pairs(option: str, given: list[str] | None, form: str) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for pair in given or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {pair!r}: write it as {form}")
        pairs[name] = value
    return pairs


def store(given: str | None) -> str:
    """The store file: as given, ``PROMPTOPS_STORE``, or one in the user's state folder."""
    if given or (given := os.environ.get("PROMPTOPS_STORE")):
        return given
    state = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.local/state"
    return str(Path(state).expanduser() / "promptops" / "store.db")


def known(connection: dict[str, Any]) -> dict[str, Any]:
    """What of a connection a plan takes: what is said of the model, and of the store."""
    said = {"tokenizer", "window", "base_url", "reasoning_tokens", "estimate_tokens", "max_age", "batch", "store"}
    return {name: connection[name] for name in said & connection.keys()}


def connection(**given: Any) -> dict[str, Any]:
    """The options that were given; the others keep their defaults.

    ``fresh`` is a ``max_age`` too, that of this moment: by it whoever goes on takes what this command has paid for, and
    nothing older.
    """
    if (window := given.get("window")) is not None and window < 1:
        raise UsageError(f"--window must be more than 0 tokens, not {window}")
    if given.get("fresh"):
        now = datetime.now(UTC)
        given["max_age"] = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return {name: value for name, value in given.items() if value is not None and value is not False}
