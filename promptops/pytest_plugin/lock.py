"""``promptops.lock``: what prompts took in tokens and money, so that one that grew does not go unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from promptops import prices
from promptops.errors import UsageError
from promptops.prices import dollars
from promptops.pytest_plugin.asserts import size
from promptops.types import Usage
from promptops.yamlfile import line_of, validated

_HEAD = """\
# What prompts take, written by: pytest --promptops-update
# calls_per_month and tolerance (a share, such as 0.02) are yours to change; the rest is not.
"""
_MANY = 1_000_000


class Entry(BaseModel):
    """One prompt by one model's tokenizer; ``usd`` is the price of its input, where one is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    model: str
    tokens: Annotated[int, Field(ge=0)]
    usd: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[int, Field(ge=1, le=1)] = 1
    calls_per_month: Annotated[int, Field(ge=0)] = _MANY
    tolerance: Annotated[float, Field(ge=0, le=10)] = 0.0
    digest: str = ""
    prompts: list[Entry] = Field(default_factory=list)


class Lock:
    """The lock file of one pytest run; ``updating`` takes what prompts take now instead of holding them to it."""

    def __init__(self, path: Path, *, updating: bool) -> None:
        self._path = path
        self._updating = updating
        self._file = _read(path) if path.exists() else _File()
        self._entries = {(entry.name, entry.model): entry for entry in self._file.prompts}
        self._found: list[Entry] = []

    def check(self, name: str, model: str, prompt: Any) -> str | None:
        """What is wrong with the size of ``prompt``, in a line; ``None`` where nothing is."""
        now = _entry(name, model, size(prompt, model))
        locked = self._entries.get((name, model))
        if self._updating:
            self._found.append(now)
            return None
        if locked is None:
            return f"{name} is not in {self._path.name} for {model}; take it in with: pytest --promptops-update"
        if now.tokens <= locked.tokens * (1 + self._file.tolerance):
            return None
        return f"{name}: {self._growth(locked, now)}; if that is meant: pytest --promptops-update"

    def found(self) -> list[dict[str, Any]]:
        """What was checked in this process, as plain values."""
        return [entry.model_dump() for entry in self._found]

    def take(self, found: Iterable[Mapping[str, Any]]) -> None:
        """The same of another process."""
        self._found += [Entry(**entry) for entry in found]

    def write(self) -> None:
        """Write the file where anything in it has changed."""
        now = self._entries | {(entry.name, entry.model): entry for entry in self._found}
        if now == self._entries:
            return
        entries = [entry.model_dump() for _, entry in sorted(now.items())]
        lines = [
            f"version: {self._file.version}",
            f"calls_per_month: {self._file.calls_per_month}",
            f"tolerance: {self._file.tolerance}",
            f"digest: {_digest(entries)}",
            "prompts:",
            *(f"  - {json.dumps(entry, ensure_ascii=False)}" for entry in entries),
        ]
        self._path.write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")

    def _growth(self, locked: Entry, now: Entry) -> str:
        more = now.tokens - locked.tokens
        said = f"+{more:,} tokens on every call ({locked.tokens:,} to {now.tokens:,} by {now.model})"
        if locked.usd is None or now.usd is None:
            return said
        price = Decimal(now.usd) / now.tokens * more * self._file.calls_per_month
        return f"{said}, +{dollars(price)} a month at {_round(self._file.calls_per_month)} calls"


def locking(config: pytest.Config) -> Lock:
    """The lock of this run; raises ``pytest.UsageError`` with file and line where it is not valid."""
    if _LOCK not in config.stash:
        path = config.rootpath / config.getini("promptops_lock")
        try:
            config.stash[_LOCK] = Lock(path, updating=config.getoption("--promptops-update"))
        except UsageError as failure:
            raise pytest.UsageError(str(failure)) from None
    return config.stash[_LOCK]


_LOCK = pytest.StashKey[Lock]()


def _read(path: Path) -> _File:
    text = path.read_text(encoding="utf-8")
    file = validated(_File, text, str(path), UsageError)
    if file.digest != _digest([entry.model_dump() for entry in file.prompts]):
        raise UsageError(
            f"{path}:{line_of(text, 'digest')}: its prompts were edited by hand and no longer match their digest; "
            "restore it, or delete it and write it anew: pytest --promptops-update"
        )
    return file


def _digest(entries: list[dict[str, Any]]) -> str:
    return hashlib.blake2b(json.dumps(entries, sort_keys=True).encode(), digest_size=8).hexdigest()


def _entry(name: str, model: str, tokens: int) -> Entry:
    price = prices.price(model.partition(":")[2] or model)
    usd = None if price is None else f"{price.cost(Usage(tokens)):f}"
    return Entry(name=name, model=model, tokens=tokens, usd=usd)


def _round(number: int) -> str:
    return f"{number // _MANY:,} M" if number >= _MANY and number % _MANY == 0 else f"{number:,}"
