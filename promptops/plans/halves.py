"""One part of a document, asked about in two halves where it could not be answered whole.

A filter that refuses a page, a server that calls a prompt too long and a model that says nothing may all do better with
less. It is tried once, each half with one call that has the room of a last asking, and both halves then stand as spans
of their own. A cautious spec always pays for the halves too, unless the store has the answer to the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

from promptops.chunking import cores, split
from promptops.errors import (
    EmptyError,
    MisfitError,
    PromptopsError,
    RefusedError,
    RejectedError,
    UsageError,
    WindowError,
)
from promptops.plans.ask import Partial, ask
from promptops.plans.plan import Plan
from promptops.plans.question import Question
from promptops.plans.results import Node, Span
from promptops.plans.spec import TAKES, Spec
from promptops.types import Chunk, Counter

_DIVIDED = (RefusedError, RejectedError, WindowError, EmptyError, MisfitError)
"""What less text may mend; a second try at the same server would not."""

_LEAST = 64
"""Tokens below which a part is not worth its instructions twice more."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a document, ``start`` to ``end`` in its characters; ``text`` may begin before ``start``."""

    start: int
    end: int
    text: str

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> list[Part]:
        """The parts that chunks are about; each chunk's text may begin with what the one before ended with."""
        return [cls(*core, chunk.text) for core, chunk in zip(cores(chunks), chunks, strict=True)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a part: its answer, what kept it from one, or ``None`` where there was nothing to ask about."""

    part: Part
    result: Partial | PromptopsError | None
    step: str = "map"

    def span(self) -> Span:
        """The part as a span of the coverage."""
        start, end = self.part.start, self.part.end
        match self.result:
            case None:
                return Span(start, end, "empty")
            case Partial():
                return Span(start, end, self.result.status)
            case RefusedError():
                return Span(start, end, "refused", str(self.result))
            case _:
                return Span(start, end, "failed", str(self.result))

    def node(self) -> Node:
        """The part as a leaf of the tree."""
        if isinstance(self.result, Partial) and self.result.node is not None:
            return self.result.node
        span = self.span()
        return Node(self.step, 0, span.start, span.end, span.status, reason=span.reason)


def answered(spec: Spec, part: Part, question: Callable[[Part], Question]) -> Plan[list[Outcome]]:
    """What became of ``part``, or of its halves; ``question`` makes what to ask of a part."""
    whole = yield from outcome(spec, part, question, range(TAKES))
    if not to_be_divided(spec, whole.result):
        return [whole]
    halves = halved(part, spec.models["map"].counter)
    if not halves:
        return [whole]
    of_half = about_half(spec, part, question)
    asked: list[Generator[Any, Any, Any]] = [outcome(spec, half, of_half, (TAKES,)) for half in halves]
    outcomes: list[Outcome] = yield asked
    return outcomes


def about_half(spec: Spec, part: Part, question: Callable[[Part], Question]) -> Callable[[Part], Question]:
    """What to ask of a half of ``part``: an answer to it makes the askings about the whole worth keeping."""
    messages = spec.prompt(question(part)).messages
    return lambda half: replace(question(half), half_of=messages)


def mark(text: str) -> int:
    """A number that is as good as drawn, and the same for the same text."""
    return crc32(text.encode("utf-8", "surrogatepass"))


def says_something(text: str) -> bool:
    """Whether there is a letter or a digit in it; rules, blanks and ornaments are not worth a call."""
    return any(map(str.isalnum, text))


def halved(part: Part, counter: Counter) -> list[Part]:
    """``part`` cut at the good end nearest its middle, or nothing where it is too short or cannot be cut."""
    before = len(part.text) - (part.end - part.start)
    own = part.text[before:]
    tokens = counter.count(own)
    ends: list[int] = []
    if tokens >= _LEAST:
        with suppress(UsageError):  # a budget below one grapheme
            ends = [chunk.end for chunk in split(own, tokens // 2 + 1, counter)[:-1]]
    if not ends:
        return []
    cut = min(ends, key=lambda end: abs(2 * end - len(own)))
    middle = part.start + cut
    return [Part(part.start, middle, part.text[: before + cut]), Part(middle, part.end, own[cut:])]


def outcome(spec: Spec, part: Part, question: Callable[[Part], Question], takes: Sequence[int]) -> Plan[Outcome]:
    """What became of ``part`` as it is; errors are in the outcome."""
    asked = replace(question(part), start=part.start, end=part.end)
    step = spec.named(asked)
    if not says_something(part.text):
        return Outcome(part, None, step)
    try:
        partial = yield from ask(spec, asked, takes)
    except PromptopsError as failure:
        return Outcome(part, failure, step)
    return Outcome(part, replace(partial, mark=mark(part.text)), step)


def to_be_divided(spec: Spec, result: Partial | PromptopsError | None) -> bool:
    """Whether halves may do better, or a cautious spec pays for them."""
    if isinstance(result, Partial):
        return spec.cautious and not result.stored
    return isinstance(result, _DIVIDED)
