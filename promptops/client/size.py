"""How large a prompt is for one model: what is counted exactly, and what the provider adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptops.store import Overhead
from promptops.types import Backend, Call, Message

_REMEMBERED = 1_024
"""Kinds of calls; a program that makes up a schema for each call must not grow without end."""


@dataclass(frozen=True, slots=True)
class PromptSize:
    """Tokens of one prompt.

    ``contents`` is counted, exactly where ``exact``. ``around`` is what the provider adds to the messages: learned from
    ``replies`` of its own usage reports, or assumed where that is 0.
    """

    contents: int
    exact: bool
    around: int
    replies: int

    @property
    def total(self) -> int:
        """All input tokens."""
        return self.contents + self.around


class Beyond:
    """Input tokens that the provider has counted beyond our count, for the tools and the schema of a call.

    Providers put these into words that nobody else knows, so the most that was ever seen is set aside from then on.
    Safe across threads.
    """

    def __init__(self) -> None:
        self._most: dict[int, int] = {}

    def of(self, call: Call) -> int:
        """What to add for calls with these tools and this schema; 0 until a reply has shown it."""
        return self._most.get(_kind(call), 0)

    def learn(self, call: Call, tokens: int) -> None:
        """A reply has shown ``tokens`` beyond our count."""
        if tokens <= self.of(call):
            return
        if len(self._most) >= _REMEMBERED:
            self._most.clear()
        self._most[_kind(call)] = tokens


def _kind(call: Call) -> int:
    return hash((repr(call.tools), call.tool_choice, repr(call.schema)))


def size(messages: Sequence[Message], backend: Backend, overhead: Overhead) -> PromptSize:
    """The size of a prompt of these messages, by what ``overhead`` has learned of the model."""
    contents = sum(backend.counter.count(message.content) for message in messages)
    around = overhead.around(len(messages))
    return PromptSize(contents, backend.counter.exact, around.tokens, around.replies)
