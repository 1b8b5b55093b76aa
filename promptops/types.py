"""The values that flow from room to room: frozen, slotted and free of behaviour beyond arithmetic.

Tokens: *input* includes *cached input*; *output* includes *reasoning*. Money is US dollars as ``Decimal``, and ``None``
where no price is known: never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length"]
DocumentStatus = Literal["ok", "failed", "truncated", "empty"]
SpanStatus = Literal["ok", "failed", "truncated", "refused", "empty"]
RunStatus = Literal["ok", "failed", "incomplete"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document comes from: the name shown to people, and what opens it (a path, ``-``, or text in memory)."""

    name: str
    path: str | None = None
    text: str | None = None
    size: int = 0
    """Bytes on disk, for progress; 0 where unknown."""


@dataclass(frozen=True, slots=True)
class Document:
    """One decoded document. ``format`` is ``markdown``, ``rst``, ``html``, ``text`` or ``code``."""

    source: str
    text: str
    format: str = "text"
    title: str = ""
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document: ``text == document.text[start:end]``; ``tokens`` by the counter it was cut for."""

    start: int
    end: int
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that a model may ask to have done. ``parameters`` is the JSON schema of its arguments.

    ``strict`` asks the provider to hold the model to that schema.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model asks to have done. ``arguments`` is the JSON that it wrote, which may be broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt.

    ``tool_calls`` are those that an assistant's message made; ``tool_call_id`` says which of them a message of the role
    ``tool`` answers.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a model picks tokens; ``None`` leaves the choice to the backend's default.

    ``logprobs`` asks for the log-probability of each token of the answer, and for those of that many of the likeliest
    at its place (0: of none beside it). ``loras`` are the adapters that a local model answers with, by name and scale,
    of those that its spec loads; ``None`` is all of them as the spec says, ``()`` none.
    """

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    loras: tuple[tuple[str, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """What a call is for. Recorded in the ledger; never part of the store's key, since it cannot change the reply."""

    run: str = ""
    chain: str = ""
    step: str = ""
    template: str = ""
    document: str = ""
    level: int = 0
    """0 for the calls that read the document, then 1, 2 … up the reduce tree."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What became of the sections of one name where room was short, in tokens of their own."""

    name: str
    before: int
    after: int

    def __str__(self) -> str:
        return f"{self.name}: {self.after:,} of {self.before:,} tokens kept"


class Listener(Protocol):
    """Hears an answer while it is written."""

    def piece(self, text: str) -> None:
        """The next few characters of the answer."""
        ...

    def again(self) -> None:
        """What was heard so far is void: the attempt failed, and another begins."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model.

    ``max_output_tokens`` limits the visible answer. ``take`` is 0 for the first asking and counts askings again after
    an answer that could not be used, so that the second asking is not answered with the first's stored reply.
    ``choices`` are those that the answer is one of: a backend that can holds it to them.
    ``expected_output_tokens`` is what an answer of the asked length takes, for estimates. ``input_tokens`` is what the
    prompt takes; the client counts it before anything is sent. ``listener`` asks the backend to stream, where it can.
    ``pack`` allows the client to ask this together with others alike: that many in one prompt at most, 0 for as many as
    go well. ``tools`` are those that the model may ask for; ``tool_choice`` is ``auto``, ``none``, ``required`` or the
    name of the one that it must ask for. ``given_up`` is what was left out of the prompt so that it fits, for the
    ledger.
    """

    messages: tuple[Message, ...]
    max_output_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    schema: Mapping[str, Any] | None = None
    choices: tuple[str, ...] = ()
    take: int = 0
    expected_output_tokens: int | None = None
    input_tokens: int | None = None
    tags: Tags = field(default_factory=Tags)
    pack: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    given_up: tuple[GivenUp, ...] = ()
    items: int = 1
    """How many calls it asks about in one prompt."""
    expected: str | None = field(default=None, compare=False, repr=False)
    """An answer as asked for, for estimates that could not make one up; it is sent nowhere."""
    reworded: tuple[Message, ...] | None = None
    """The messages of the first asking, where this one asks again in other words."""
    half_of: tuple[Message, ...] | None = None
    """The messages that asked about the whole, where this asks about a half of it."""
    listener: Listener | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one attempt. ``estimated`` marks figures of ours, where the provider sent none."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a server says of one of its rate limits; each figure ``None`` where it did not say it.

    ``limit`` is the most there can be, ``remaining`` what was left when it answered, and ``reset`` the seconds until
    all of it is there again.
    """

    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The rate limits that came with an answer, in requests and in tokens; ``None`` for those it did not name."""

    requests: Allowance | None = None
    tokens: Allowance | None = None
    input_tokens: Allowance | None = None
    output_tokens: Allowance | None = None


@dataclass(frozen=True, slots=True)
class Logprob:
    """A token of an answer and its natural log-probability, before sampling; ``top`` are the likeliest at its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer. ``finish`` is ``length`` where the answer was cut at its limit.

    ``logprobs`` are those of its tokens where the call asked for them, ``None`` where the server sent none. ``limits``
    is for admission, and is kept nowhere.
    """

    text: str
    usage: Usage = field(default_factory=Usage)
    finish: Finish = "stop"
    model: str = ""
    request_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    """What the model asks to have done before it goes on; ``text`` is often empty then."""
    logprobs: tuple[Logprob, ...] | None = None
    stored: bool = False
    """True where the store or a call already in flight gave it, so that it cost nothing now."""
    limits: Limits | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Totals:
    """What many attempts used together. ``usd`` is ``None`` as soon as the price of one of them is unknown."""

    calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    usd: Decimal | None = Decimal(0)

    @classmethod
    def of(cls, usage: Usage, usd: Decimal | None) -> Totals:
        """One attempt's usage as totals."""
        return cls(1, usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens, usd)

    @classmethod
    def sum(cls, parts: Iterable[Totals]) -> Totals:
        """All of them together."""
        total = cls()
        for part in parts:
            total = total + part
        return total

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    @property
    def cache_hit_rate(self) -> float:
        """The share of input tokens that the provider read from its prompt cache, 0 to 1."""
        return self.cached_input_tokens / self.input_tokens if self.input_tokens else 0.0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
        )


@runtime_checkable
class Counter(Protocol):
    """Counts the tokens of one vocabulary. ``exact`` is False where the count is an estimate."""

    name: str
    exact: bool

    def count(self, text: str) -> int:
        """Tokens of ``text`` as plain text; never raises, never reads a special token out of it."""
        ...


class Price(Protocol):
    """What a model's tokens cost."""

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for one attempt."""
        ...


class Backend(Protocol):
    """A model that answers calls.

    ``name`` is the model spec; ``identity`` is what tells its replies from another model's in the store;
    ``window`` is in tokens (``None``: unknown); ``price`` is ``None`` where unknown; ``overhead`` is the tokens it adds
    per message and once per prompt, and ``reasoning`` those it may spend unseen before an answer.

    It may also have ``logprobs`` and ``loras``, each ``True`` where it can do what ``Sampling`` asks for by that name
    (without it such a call raises ``UsageError`` and is not sent); ``forms``, ``False`` where it can give neither JSON
    nor one of given answers, so that chains that ask for these are refused; and ``close()``, which the client calls
    when it is closed itself, for what ``aclose`` cannot let go of, such as a process.
    """

    name: str
    identity: str
    window: int | None
    counter: Counter
    price: Price | None
    overhead: int
    reasoning: int

    async def complete(self, call: Call) -> Reply:
        """Answer one call, once, or raise a ``CallError``."""
        ...

    async def aclose(self) -> None:
        """Let go of connections; the backend may be used again."""
        ...
