"""How large a prompt is for one model: what is counted exactly, and what the provider adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptops.store import Overhead
from promptops.types import Backend, Message


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


def size(messages: Sequence[Message], backend: Backend, overhead: Overhead) -> PromptSize:
    """The size of a prompt of these messages, by what ``overhead`` has learned of the model."""
    contents = sum(backend.counter.count(message.content) for message in messages)
    around = overhead.around(len(messages))
    return PromptSize(contents, backend.counter.exact, around.tokens, around.replies)
