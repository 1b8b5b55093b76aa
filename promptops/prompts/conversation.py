"""A conversation within a token budget: old turns are dropped or summarized, the first messages stay.

Turns go many at once, down to half of the budget, and not one with every new turn: between two such cuts the beginning
of the prompt stays the same, so a provider's or a local prefix cache still hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from promptops.errors import WindowError
from promptops.prompts.library import Library
from promptops.tokens import counter, truncate
from promptops.types import Call, Counter, GivenUp, Message, Reply, Tags

_TEMPLATE = "conversation/compress"
_SHARE = 4
"""The part of the budget that a summary of old turns may take."""
_LEAST_WORDS = 20


class Completes(Protocol):
    """What a client has."""

    async def complete(self, call: Call) -> Reply:
        """Answer one call."""
        ...


class Conversation:
    """Messages that begin with ``pinned`` ones and take at most ``tokens`` tokens by the tokenizer of ``model``.

    ``say`` adds a message; ``trim`` drops old turns, ``acompress`` has them summarized, once the budget is passed.
    ``given_up`` says what was dropped or shortened. A turn is a message of the user with what follows it.
    """

    def __init__(self, pinned: str | Sequence[Message], *, tokens: int, model: str | Counter) -> None:
        self.pinned = (Message("system", pinned),) if isinstance(pinned, str) else tuple(pinned)
        self.tokens = tokens
        self.summary = ""
        """What stands for turns that were summarized."""
        self.given_up: list[GivenUp] = []
        self._turns: list[list[Message]] = []
        self._counter = counter(model) if isinstance(model, str) else model

    @property
    def messages(self) -> tuple[Message, ...]:
        """The pinned messages, the summary of old turns, and the turns that are left."""
        told = (Message("user", self._told()),) if self.summary else ()
        return (*self.pinned, *told, *(message for turn in self._turns for message in turn))

    def size(self) -> int:
        """Tokens of all contents."""
        return self._size(self.messages)

    def say(self, message: Message) -> None:
        """Add a message; one of the user begins a turn."""
        if message.role == "user" or not self._turns:
            self._turns.append([])
        self._turns[-1].append(message)

    def trim(self) -> None:
        """Drop the oldest turns where the budget is passed; raises ``WindowError`` where the last alone passes it."""
        old = self._old()
        if old:
            before = self._size([message for turn in old for message in turn])
            del self._turns[: len(old)]
            self.given_up.append(GivenUp("history", before, 0))

    async def acompress(self, client: Completes, tags: Tags | None = None) -> None:
        """Have the oldest turns summarized where the budget is passed, with those that were before.

        One call, through the client and so in its ledger. Raises what ``client.complete`` does, the turns unchanged.
        """
        old = self._old()
        if not old:
            return
        room = self.tokens // _SHARE
        call = self._asking(old, room, tags or Tags(step="compress", chain="conversation"))
        reply = await client.complete(call)
        said = truncate(reply.text.strip(), room, counter=self._counter)
        before = self._size([message for turn in old for message in turn])
        del self._turns[: len(old)]
        self.summary = said
        self.given_up.append(GivenUp("history", before, self._counter.count(said)))

    def _old(self) -> list[list[Message]]:
        """The turns that must go, so that half of the budget is free again."""
        if self.size() <= self.tokens:
            return []
        fixed = self._size(self.messages) - self._size([message for turn in self._turns for message in turn])
        room = max(self.tokens - fixed, 0)
        kept, used = 0, 0
        for turn in reversed(self._turns):
            used += self._size(turn)
            if kept and used > room // 2:
                break
            kept += 1
        if self._size(self._turns[-1]) > room:
            excess = self._size(self._turns[-1]) - room
            raise WindowError(f"the last turn and the pinned messages pass {self.tokens:,} tokens by {excess:,}")
        return self._turns[: len(self._turns) - kept]

    def _asking(self, old: list[list[Message]], room: int, tags: Tags) -> Call:
        template = Library().template(_TEMPLATE)
        transcript = "\n\n".join(f"{message.role}: {message.content}" for turn in old for message in turn)
        words = max(room // 3, _LEAST_WORDS)
        prompt = template.render(text=transcript, summary=self.summary, words=words)
        return Call(prompt.messages, room, tags=replace(tags, template=prompt.template))

    def _told(self) -> str:
        return f"What was said before, in short:\n{self.summary}"

    def _size(self, messages: Sequence[Message]) -> int:
        return sum(self._counter.count(message.content) for message in messages)
