"""What goes into the engine and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from promptops.local.settings import Lora
from promptops.types import Logprob

Finish = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Request:
    """One call to the engine: ``tokens`` are the whole prompt, ``most`` the most tokens of the answer.

    ``temperature`` 0 takes the likeliest token. ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 are off; ``repeat_penalty`` 1
    and the other two at 0 too (they weigh the answer's last 64 tokens, not the prompt). ``seed`` ``None`` draws one.
    ``stop`` ends the answer before the first of these texts to be complete. ``grammar`` is GBNF with a rule ``root``.
    ``logprobs`` asks for each token's, and for that many of the likeliest at its place. ``expected`` is the length that
    the answer will have, as far as is known, for scheduling. ``shift`` goes on past the window: the first tokens stay,
    the older half of the rest is forgotten (StreamingLLM, Xiao et al. 2023, section 3.2). ``stream`` asks for pieces.
    ``loras`` are of the settings' adapters, all of them where ``None``.
    """

    id: int
    tokens: tuple[int, ...]
    most: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    logprobs: int | None = None
    expected: int | None = None
    shift: bool = False
    stream: bool = False
    loras: tuple[Lora, ...] | None = None

    @property
    def length(self) -> int:
        """Tokens that the answer is expected to have."""
        return self.most if self.expected is None else min(self.expected, self.most)


@dataclass(frozen=True, slots=True)
class Piece:
    """The next few characters of an answer; whole characters only."""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """An answer. ``cached_tokens`` are those of ``input_tokens`` that did not have to be computed."""

    id: int
    text: str
    finish: Finish
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    logprobs: tuple[Logprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that got no answer; ``code`` is *rejected*, *window*, *grammar* or *engine*."""

    id: int
    code: str
    message: str


Event = Piece | Done | Failed
