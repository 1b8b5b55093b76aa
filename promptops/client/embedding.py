"""Vectors of texts: through the client like everything else, so counted, capped, tried again and in the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from promptops.budget import Amount, Budget
from promptops.ceilings import ceilings
from promptops.client.attempts import Listener, cost
from promptops.client.retry import retrying
from promptops.client.verdict import Patience
from promptops.errors import CallError, PromptopsError, UsageError, WindowError
from promptops.store import Ledger
from promptops.types import Backend, Tags, Totals, Usage

_TEXTS, _TOKENS = 32, 16_384
"""The most texts, and tokens of theirs, that go together."""

_TAGS = Tags(step="embed")


@runtime_checkable
class Embedding(Protocol):
    """What a backend that gives vectors has beside what every backend has."""

    async def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """A vector for each text, in their order, and what that took."""
        ...


@dataclass(frozen=True, slots=True)
class Embedder:
    """Asks a backend for vectors, a batch at a time."""

    backend: Backend
    ledger: Ledger
    budget: Budget
    patience: Patience
    heard: Listener

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each of ``texts``; see ``Client.embed``."""
        if isinstance(texts, str):
            raise UsageError("embed takes a list of texts, not one text")
        if not isinstance(self.backend, Embedding):
            raise UsageError(f"{self.backend.name} gives no vectors; name an embedding model, such as llama:PATH.gguf")
        sizes = [self._size(text, number, len(texts)) for number, text in enumerate(texts, 1)]
        vectors: list[list[float]] = []
        for start, end in _batches(sizes):
            vectors += await self._batch(self.backend, texts[start:end], sum(sizes[start:end]))
        return vectors

    def _size(self, text: str, number: int, of: int) -> int:
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"text {number} of {of} is empty; there is nothing to embed")
        tokens = self.backend.counter.count(text) + self.backend.overhead
        if self.backend.window is not None and tokens > self.backend.window:
            raise WindowError(
                f"text {number} of {of}: {tokens:,} tokens pass the window of {self.backend.window:,} by "
                f"{tokens - self.backend.window:,}: split it first (promptops chunks)"
            )
        return tokens

    async def _batch(self, backend: Embedding, texts: Sequence[str], tokens: int) -> list[list[float]]:
        """The vectors of one batch, tried again where another try may mend it."""

        async def attempt() -> list[list[float]]:
            return await self._attempt(backend, texts, Usage(tokens, estimated=True))

        return await retrying(self.patience)(attempt)

    async def _attempt(self, backend: Embedding, texts: Sequence[str], most: Usage) -> list[list[float]]:
        reserved = Amount(most.input_tokens, cost(self.backend, most))
        used = reserved
        budgets = [cap.budget for cap in ceilings()] + [self.budget]
        held: list[Budget] = []
        try:
            for budget in budgets:
                await self._reserve(budget, reserved, held)
            row = self.ledger.sent(_TAGS, self.backend.name, most, reserved.usd)
            start = time.monotonic()
            try:
                vectors, usage = await backend.embed(texts)
            except PromptopsError as failure:
                ours = failure if isinstance(failure, CallError) else CallError(str(failure))
                self.ledger.failed(row, ours, Decimal(0), time.monotonic() - start)
                used = used if ours.billed else Amount(0, Decimal(0))
                raise
            used = Amount(usage.input_tokens, cost(self.backend, usage))
            self.heard(_TAGS, Totals.of(usage, used.usd))
            self.ledger.answered(row, usage, used.usd, time.monotonic() - start, None)
        finally:
            for budget in held:
                budget.settle(reserved, used if len(held) == len(budgets) else Amount(0, Decimal(0)))
        return vectors

    @staticmethod
    async def _reserve(budget: Budget, most: Amount, held: list[Budget]) -> None:
        await budget.reserve(most)
        held.append(budget)


def _batches(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From where to where each batch goes: as many texts as may go together, and at least one."""
    start = 0
    while start < len(sizes):
        end, tokens = start + 1, sizes[start]
        while end < len(sizes) and end - start < _TEXTS and tokens + sizes[end] <= _TOKENS:
            tokens += sizes[end]
            end += 1
        yield start, end
        start = end
