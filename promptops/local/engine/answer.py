"""A call while it is computed, and the sequence of the cache that it has."""

from __future__ import annotations

from dataclasses import dataclass, field

from promptops.local.engine.lookup import Lookup
from promptops.local.engine.output import Writer
from promptops.local.engine.prefix import Source
from promptops.local.engine.sampler import Sampler
from promptops.local.engine.values import Done, Finish, Request
from promptops.local.engine.waiting import Key
from promptops.types import Logprob


@dataclass(slots=True)
class Answer:
    """A call's prompt and answer so far. ``tokens`` is both, as the cache has them or is about to."""

    request: Request
    adapters: Key
    sampler: Sampler
    writer: Writer
    lookup: Lookup | None
    tokens: list[int]
    cached: int = 0
    written: int = 0
    border: int = 0
    """Where the prompt is cut once, to keep what others share; 0: nowhere."""
    logprobs: list[Logprob] = field(default_factory=list)

    def done(self, finish: Finish) -> Done:
        """The answer as an event."""
        self.writer.end()
        return Done(
            self.request.id,
            self.writer.text,
            finish,
            len(self.request.tokens),
            self.cached,
            self.written,
            tuple(self.logprobs),
        )


@dataclass(slots=True)
class Slot:
    """One sequence of the cache. What it holds stays when its call is over, for a later one that begins alike."""

    index: int
    held: list[int] = field(default_factory=list)
    adapters: Key = ()
    shifted: int | None = None
    """After a shift: how many of the first tokens still stand as they were computed."""
    answer: Answer | None = None
    seated: bool = False
    """Whether its call's tokens go into it already; until then it holds an earlier call's."""
    used: int = 0

    def source(self) -> Source:
        """What a prompt may find here."""
        coming = self.answer.tokens if self.answer is not None and self.seated else self.held
        return Source(self.index, self.held, coming, len(self.held) if self.shifted is None else self.shifted)

    def pending(self) -> int:
        """Tokens of its call that are not computed yet."""
        return len(self.answer.tokens) - len(self.held) if self.answer is not None and self.seated else 0
