"""What a plan needs to know of its model and its chain, and the arithmetic of what fits.

A reply of n words gets a limit in tokens from the tokens per word of its document, by the model's own counter, so
Korean and English both get room. The limit of a first asking is at most an eighth of what the window leaves beside the
instructions; an asking again may be twice that. Two replies at their limit and the instructions therefore always fit
one window, which is why every reduce ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Literal

from promptops.citing import widened
from promptops.errors import WindowError
from promptops.plans.question import FENCES, INPUTS, SURROUNDING, Model, Question, Step
from promptops.plans.settings import Settings
from promptops.prompts.length import Length
from promptops.prompts.template import Prompt
from promptops.text import count_words
from promptops.types import Call, Counter, Tags, Totals, Usage

_LONGEST_WORD = 6.0
"""Tokens per word that no language's prose passes; base64 or log lines would."""
_OTHER_LANGUAGE = 4.0
"""Tokens per word to allow for where the reply's language is not the text's."""
_HEADROOM = 1.4
"""How far over its asked words a reply may go before it is cut."""
_LEAST_HEADROOM = 16
_WITH_MARKS = 1.4
"""How much longer an answer is for the marks behind its sentences."""
_RATIO_STEP = 0.5
_BORDER = 8
"""Tokens that may come into being where instructions and text meet."""
TAKES = 2
"""How often a question is asked at most; the last asking may have that many times the room of the first.

Halves of a part that could not be answered are asked about once, with the room of the last asking, as take ``TAKES``.
"""
_TEXT, _TEXTS = "So says number {}.\n---\nSo it is.", (100, 120)
"""Texts, and two numbers of them, by which it is measured what stands around each: most, where one has such a line."""
_BORDERS = 4
"""Tokens that may come into being where a text and what stands around it meet."""
_SAMPLE = 4_000
"""Characters of a text whose tokens per word stand for all of it."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One run's chain: steps, settings, and the measures of the model that each step asks."""

    run: str
    chain: str
    steps: Mapping[str, Step]
    settings: Settings
    models: Mapping[str, Model]
    ahead: int = 64
    """How many documents may be under way at once."""
    cautious: bool = False
    """Form the smallest groups that a reduce may have, which take the most calls; for the bound of an estimate."""
    join: Literal["text", "list"] = "text"
    """How the answers about the parts of a document become one, where no step reduces them."""
    quote: str = "quote"
    """The member of an entry that repeats the text, where lists in JSON are united."""
    key: tuple[str, ...] = ()
    """The members by which two entries are about the same; by default all but the quote."""
    measured: dict[str, int] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What ``wrapping`` found, by step, since it takes as long as a small document."""

    def within(self, **steps: str) -> Spec:
        """The spec of a plan inside of this one: ``map="facts"`` makes this chain's step ``facts`` its ``map``."""
        return replace(
            self,
            steps={inner: self.steps[own] for inner, own in steps.items()},
            models={inner: self.models[own] for inner, own in steps.items()},
        )

    def inputs(self, step: str) -> dict[str, Any]:
        """The settings as inputs of the template of ``step``."""
        given = {name: value for name, value in self.settings.model_dump().items() if value is not None}
        return {**given, "words": self.words(step)}

    def words(self, step: str) -> int:
        """The most words that an answer to ``step`` should have; about as many where another unit is asked for."""
        return self._length(step).words

    def _length(self, step: str) -> Length:
        """The most that an answer to ``step`` should have: characters or sentences where its template takes those."""
        own = self.steps[step]
        for unit, limit in own.template.head.output.limits.items():
            number = own.inputs.get(unit, getattr(self.settings, unit))
            if unit != "words" and limit == unit and number:
                return Length(number, unit)
        return Length(own.words or self.settings.words, "words")

    def chunk_tokens(self, step: str) -> int:
        """The tokens that a part cut for ``step`` may have."""
        return self.steps[step].chunk_tokens or self.settings.chunk_tokens

    def overlap_tokens(self, step: str) -> int:
        """The tokens that a part cut for ``step`` has of the part before it."""
        own = self.steps[step].overlap_tokens
        return self.settings.overlap_tokens if own is None else own

    @property
    def made_up(self) -> bool:
        """Whether the replies are those of an estimate, which is no run."""
        return not self.run

    @property
    def cites(self) -> bool:
        """Whether answers have marks that name what they rest on."""
        return self.settings.cite

    def count(self, text: str) -> int:
        """Tokens of ``text`` by that model of the chain which takes most of them for it, with marks at their widest."""
        text = widened(text) if self.cites else text
        counters = {model.counter.name: model.counter for model in self.models.values()}
        return max(counter.count(text) for counter in counters.values())

    def used(self, step: str, usage: Usage) -> Totals:
        """One answer's usage with its price."""
        price = self.models[step].price
        return Totals.of(usage, None if price is None else price.cost(usage))

    def structured(self, step: str) -> bool:
        """Whether the answers of ``step`` are JSON."""
        return self.steps[step].template.structured

    def readable(self, step: str) -> bool:
        """Whether the answers of ``step`` are to be read as JSON; those of a bound say nothing."""
        return self.structured(step) and not self.cautious

    def alike(self, step: str) -> bool:
        """Whether an answer is as long as its text: it is no JSON, and the template sets no length."""
        output = self.steps[step].template.head.output
        return not (output.json_schema is not None or output.limits or output.max_tokens)

    def whole(self, step: str) -> bool:
        """Whether a part of an answer is of no use, as of JSON, of a label and of a translation."""
        return self.steps[step].template.checked or self.alike(step)

    def room(self, step: str, title: str = "", **beside: Any) -> int:
        """Tokens that the window leaves for text and reply beside the instructions of ``step`` and the inputs given."""
        given = {"title": title, **self.inputs(step), **beside}
        prompts = self.steps[step].instructions(given)
        prompt, model = prompts[0], self.models[step]
        aside = model.reasoning + prompt.output.reasoning_tokens
        aside += (SURROUNDING + FENCES) * sum(len(INPUTS[kind]) for kind in self.steps[step].context)
        return model.window - aside - _BORDER - max(self.size(step, prompt) for prompt in prompts)

    def wrapping(self, step: str) -> int:
        """Tokens that each of the texts that ``step`` joins may take beside itself, as its template puts them."""
        if step not in self.measured:
            counter, inputs = self.models[step].counter, self.inputs(step)
            few, more = (self.steps[step].instructions({**inputs, **_texts(number)}) for number in _TEXTS)
            own = sum(counter.count(text) for text in _texts(_TEXTS[1])["texts"][_TEXTS[0] :])
            added = max(two.tokens(counter) - one.tokens(counter) for one, two in zip(few, more, strict=True)) - own
            self.measured[step] = max(ceil(added / (_TEXTS[1] - _TEXTS[0])), 0) + _BORDERS
        return self.measured[step]

    def least_room(self, title: str = "", *steps: str) -> int:
        """The room of that one of ``steps``, by default of all, which leaves least: a reply to one fits every other."""
        return min(self.room(step, title) for step in steps or self.steps)

    def needed(self, least: int) -> int:
        """The room below which a reply, or ``least`` tokens, would not fit."""
        return max(least, 8 * max(map(self.words, self.steps)))

    def size(self, step: str, prompt: Prompt) -> int:
        """Input tokens of a prompt of ``step``, with what the provider adds around its messages."""
        model = self.models[step]
        around = model.overhead * (len(prompt.messages) + 1)
        return prompt.tokens(model.counter) + schema_tokens(prompt.schema, model.counter) + around

    def ratio(self, text: str) -> float:
        """Tokens per word of ``text``, in steps so coarse that a small edit leaves its calls as they were."""
        sample = text[:_SAMPLE]
        measured = self.count(sample) / max(count_words(sample), 1)
        return min(max(ceil(measured / _RATIO_STEP) * _RATIO_STEP, self._least_ratio), _LONGEST_WORD)

    @property
    def _least_ratio(self) -> float:
        """Tokens per word below which no answer is."""
        return _OTHER_LANGUAGE if self.settings.language else 1.0

    @property
    def _marks(self) -> float:
        """How much longer marks make an answer."""
        return _WITH_MARKS if self.cites else 1.0

    def limit(self, step: str, room: int, ratio: float, take: int) -> int:
        """The most tokens that a reply may have, at ``ratio`` tokens per word."""
        asked = ceil(self.words(step) * ratio * _HEADROOM * self._marks) + _LEAST_HEADROOM
        return min(asked, max(room // 8, 1)) * min(take + 1, TAKES)

    def prompt(self, question: Question) -> Prompt:
        """What asks ``question``."""
        return self.steps[question.step].prompt({**self.inputs(question.step), **question.inputs})

    def call(self, question: Question, prompt: Prompt, take: int) -> Call:
        """The call that asks ``question`` by its ``prompt`` for the ``take``-th time."""
        limit = self._limit(question, prompt, take)
        return Call(
            messages=prompt.messages,
            max_output_tokens=limit + prompt.output.reasoning_tokens,
            sampling=self.steps[question.step].sampling,
            schema=prompt.schema,
            choices=prompt.only_choices,
            take=take,
            expected=question.expected,
            half_of=question.half_of,
            expected_output_tokens=min(self._expected(question, prompt), limit),
            pack=None if take or prompt.schema else self.steps[question.step].pack,
            tags=Tags(self.run, self.chain, self.named(question), prompt.template, question.document, question.level),
        )

    def named(self, question: Question) -> str:
        """What the chain calls the step of ``question``."""
        return self.steps[question.step].name

    def _expected(self, question: Question, prompt: Prompt) -> int:
        """The tokens of an answer as asked for."""
        counter = self.models[question.step].counter
        if question.expected is not None:
            return counter.count(question.expected)
        if question.like:
            return question.like
        if prompt.length is not None and prompt.length.unit != "words":
            return ceil(prompt.length.asked(counter, prompt.messages[-1].content, self._least_ratio) * self._marks)
        return ceil(self.words(question.step) * question.ratio * self._marks)

    def _limit(self, question: Question, prompt: Prompt, take: int) -> int:
        """What the settings ask for, or the template where it sets a length of its own in another unit."""
        if question.like is not None:
            return (2 * question.like + _LEAST_HEADROOM) * min(take + 1, TAKES)
        limit = self.limit(question.step, question.room, question.ratio, take)
        if prompt.length is not None and prompt.length.unit != "words":
            counter, like = self.models[question.step].counter, prompt.messages[-1].content
            asked = ceil(prompt.length.tokens(counter, like, self._least_ratio) * self._marks)
            limit = min(asked, max(question.room // 8, 1)) * min(take + 1, TAKES)
        most = (prompt.max_tokens, self.steps[question.step].max_output_tokens)
        return min((limit, *(tokens for tokens in most if tokens is not None)))

    def most(self, question: Question, first: Call) -> int:
        """The tokens that an answer may have at most: what the last asking allows, reasoning aside."""
        return (first.max_output_tokens - self.steps[question.step].template.head.output.reasoning_tokens) * TAKES

    def spare(self, question: Question, first: Call) -> int:
        """The tokens that an asking again may have beyond the prompt and the room of the ``first``.

        Of a reply that is as long as its text there is twice that room, of any other a fourth of what the window
        leaves.
        """
        limit = first.max_output_tokens - self.steps[question.step].template.head.output.reasoning_tokens
        return limit if question.like is not None else max(question.room // 4 - limit, 0)

    def check(self, least: int) -> None:
        """Raise ``WindowError`` where a step leaves less than ``least`` tokens, or less than its reply needs."""
        need = self.needed(least)
        for step in self.steps:
            room = self.room(step)
            if room < need:
                raise WindowError(
                    f"{self.steps[step].template.path}: the instructions and a reply of {self._length(step)} do "
                    f"not fit the model's window of {self.models[step].window:,} tokens; it lacks {need - room:,}: "
                    f"use a model with a larger window, or fewer {self._length(step).unit} "
                    f"(--set {self._length(step).unit}=N)"
                )


def _texts(number: int) -> dict[str, list[str]]:
    """So many texts, each with a title."""
    return {"texts": list(map(_TEXT.format, range(number))), "titles": ["x"] * number}


def schema_tokens(schema: Mapping[str, Any] | None, counter: Counter) -> int:
    """Tokens of a JSON schema, which providers count as input."""
    return 0 if schema is None else counter.count(json.dumps(dict(schema)))
