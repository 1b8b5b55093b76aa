"""The model that is always there: it answers with the most telling sentences of the documents in the prompt.

It reads the rendered prompt as any model would (``promptops.extract.asking``) and costs nothing. What it can't do is
say things in its own words, in another language, or as JSON.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from promptops.errors import RejectedError
from promptops.prices import FREE
from promptops.types import Reply, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from promptops.extract import Candidate, Ranking
    from promptops.extract.asking import Asked
    from promptops.types import Call, Counter, Finish, Price

VERSION = 2
"""Part of the identity, so that no store answers with what an older version chose: raise it when output changes."""

_NO_JSON = (
    "extractive gives the document's sentences: it can't answer in JSON or use tools; give this step another model"
)
_TOKENIZER = "o200k_base"
_INLINE = 6_000  # characters; about 4 ms of work. Longer prompts go to a thread, which costs some 0.1 ms itself.


class _LazyCounter:
    """The counter, whose vocabulary is loaded when something is first counted."""

    name = _TOKENIZER
    exact = True

    def __init__(self) -> None:
        self._counter: Counter | None = None

    @property
    def loaded(self) -> bool:
        return self._counter is not None

    @property
    def vocabulary(self) -> Counter:
        """The counter itself, for whoever wants the tokens and not only their number."""
        if self._counter is None:
            from promptops.tokens import counter

            self._counter = counter(tokenizer=_TOKENIZER)
        return self._counter

    def count(self, text: str) -> int:
        """Tokens of ``text`` as plain text."""
        return self.vocabulary.count(text)


class Extractive:
    """The backend of the model spec ``extractive``.

    It takes the texts between ``<document>`` lines in the last user message, or all of that message, and obeys the
    lengths asked for around them (words, characters, sentences), a line ``Focus: …`` or ``초점: …``, and
    ``max_output_tokens``. Tokens are those of o200k_base.
    """

    name = "extractive"
    identity = f"extractive/{VERSION}"
    window: int | None = 1_000_000
    overhead = 0
    reasoning = 0
    forms = False

    def __init__(self) -> None:
        self.price: Price | None = FREE
        self._lazy = _LazyCounter()
        self.counter: Counter = self._lazy

    async def complete(self, call: Call) -> Reply:
        """Answer from the documents in the prompt; ``RejectedError`` for JSON or tools."""
        if call.schema is not None or call.tools:
            raise RejectedError(_NO_JSON)
        if self._lazy.loaded and sum(len(message.content) for message in call.messages) <= _INLINE:
            return self._answer(call)
        return await asyncio.to_thread(self._answer, call)

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _answer(self, call: Call) -> Reply:
        from promptops.extract.asking import read_prompt

        text, finish = _Summary(read_prompt(call.messages), call.max_output_tokens, self.counter.count).text()
        usage = Usage(
            input_tokens=sum(self.counter.count(message.content) for message in call.messages),
            output_tokens=self.counter.count(text),
        )
        return Reply(text, usage, finish, self.name)


class _Summary:
    """One answer: what was asked, and the tokens it may take."""

    def __init__(self, asked: Asked, tokens: int, count: Callable[[str], int]) -> None:
        from promptops.extract import Numbered, join

        numbered = Numbered(asked) if asked.cites else None
        self.asked = numbered.asked if numbered else asked
        self.join = numbered.join if numbered else join
        self.tokens, self.count = tokens, count

    def text(self) -> tuple[str, Finish]:
        """The answer, and whether it had to be cut inside a sentence to keep to the tokens."""
        ranking = self._ranking()
        if self.asked.nothing:
            return self._quotes(ranking) or self.asked.nothing, "stop"
        limits = self._limits(ranking.candidates)
        text = self.join(ranking.pick_within(limits)) if limits else None
        if text is None or self.count(text) > self.tokens:
            text = self._within_tokens(ranking, limits)
        return (text, "stop") if text else self._cut(ranking)

    def _quotes(self, ranking: Ranking) -> str:
        """The passages that bear on the focus, a line each, the nearest first, as the document has them."""
        from promptops.text import count_words

        lines: list[str] = []
        room = self.asked.words or self.tokens
        for candidate in ranking.about(self.asked.question):
            line = " ".join(self.asked.parts[candidate.part][candidate.start : candidate.end].split())
            room -= count_words(line)
            if room < 0 or self.count("\n".join([*lines, f"- {line}"])) > self.tokens:
                break
            lines.append(f"- {line}")
        return "\n".join(lines)

    def _ranking(self) -> Ranking:
        from promptops.extract import rank
        from promptops.text import guess

        asked = self.asked
        format_ = asked.format or guess(max(asked.parts, key=len))
        return rank(asked.parts, format=format_, title=asked.title, focus=asked.focus, question=asked.question)

    def _limits(self, candidates: Sequence[Candidate]) -> list[tuple[int, Sequence[int] | None]]:
        asked = self.asked
        limits: list[tuple[int, Sequence[int] | None]] = []
        if asked.words is not None:
            limits.append((asked.words, None))
        if asked.characters is not None:
            # Every sentence but the first brings a space, and each may get a final mark.
            limits.append((asked.characters + 1, [len(candidate.text) + 2 for candidate in candidates]))
        if asked.sentences is not None:
            limits.append((asked.sentences, [1] * len(candidates)))
        return limits

    def _within_tokens(self, ranking: Ranking, limits: Sequence[tuple[int, Sequence[int] | None]]) -> str:
        """Under the limit of tokens as well; the whole is counted, since sentences' own counts may add up to less."""
        costs = [self.count(" " + candidate.text) + 1 for candidate in ranking.candidates]
        room = self.tokens + 1
        while room > 0:
            text = self.join(ranking.pick_within([*limits, (room, costs)]))
            over = self.count(text) - self.tokens
            if over <= 0:
                return text
            room -= over
        return ""

    def _cut(self, ranking: Ranking) -> tuple[str, Finish]:
        """The beginning of the best sentence, where none fits whole."""
        text = ranking.cut_best(self._is_short)
        if self.count(text) <= self.tokens:
            return text, "stop"
        return ranking.cut_best(lambda part: self._is_short(part) and self.count(part) <= self.tokens), "length"

    def _is_short(self, text: str) -> bool:
        from promptops.text import count_words

        asked = self.asked
        return (asked.words is None or count_words(text) <= asked.words) and (
            asked.characters is None or len(text) <= asked.characters
        )
