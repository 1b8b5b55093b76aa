"""One question to a model, asked again once where the answer cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from promptops.chunking import split
from promptops.citing import checked, found, unmarked
from promptops.errors import (
    AccessError,
    BudgetError,
    EmptyError,
    MisfitError,
    PromptopsError,
    QuotaError,
    StoreError,
    UsageError,
)
from promptops.plans.again import longest, noted
from promptops.plans.citations import Places, kept
from promptops.plans.plan import Plan
from promptops.plans.question import Question
from promptops.plans.results import Node
from promptops.plans.spec import TAKES, Spec
from promptops.prompts.length import Length
from promptops.prompts.template import Prompt
from promptops.text import sentences
from promptops.tokens import truncate
from promptops.types import Call, Reply, SpanStatus, Totals

STOPPING = (BudgetError, QuotaError, AccessError, StoreError)
"""What keeps every further call from being sent; there is no use in going on without it."""


@dataclass(frozen=True, slots=True)
class Partial:
    """The answer about a part of the whole. ``status`` is ``truncated`` where it had to be cut.

    ``ratio`` is the tokens per word of what it is about, from which the next reply's limit is made. ``mark`` is drawn
    from the text it is about, so that groups form alike before and after an edit elsewhere.
    """

    text: str
    tokens: int
    ratio: float
    status: SpanStatus = "ok"
    mark: int = 0
    stored: bool = False
    """Whether the reply came from the store."""
    start: int = 0
    end: int = 0
    """What it is about, as in its question."""
    node: Node | None = None
    places: Places = field(default_factory=dict)
    """What the marks in its text stand for."""
    notes: tuple[str, ...] = ()
    """Its length and the one that was asked for where it does not keep to that: ``183 of 120 words``."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a reply says, and why that is not what was asked for."""

    text: str = ""
    cut: bool = False
    long: bool = False
    """Whether it is cut, or more than twice as long as it had room for."""
    wrong: str | None = None
    """Why it cannot be used at all."""
    over: int = 0
    """Its length, where that is more than was asked for."""
    problem: str = ""
    """What to tell the model where it is asked again."""
    stored: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        """Greater for what is of less use."""
        return (3 if not self.text else 2 if self.wrong else 1 if self.long else 0), self.over


def ask(spec: Spec, question: Question, takes: Sequence[int] = range(TAKES)) -> Plan[Partial]:
    """The answer to ``question``.

    An answer that is cut, blank, by its form not what was asked for, or more than twice as long as it had room for, is
    asked for again once, with twice the room, and with what was wrong; so is a final one of more words, sentences or
    characters than were asked for. Where that is no better, the best one is taken: up to its last sentence and marked
    ``truncated`` where it is cut, as it is where it is only too long. Where all are blank, ``EmptyError`` is raised.
    A whole answer is cut where it takes more than that room, since later steps count on it; but one that is of use
    only as a whole is never cut: ``MisfitError`` is raised in its place. For a cautious spec the longest answer that
    would have been of use is taken to be there, whatever it says.
    """
    prompt = spec.prompt(question)
    first = spec.call(question, prompt, 0)
    best, used = _Answer(), Totals()
    for number, take in enumerate(takes):
        call = spec.call(question, prompt, take)
        try:
            reply: Reply = yield (_again(spec, question, call, first, best.problem) if number else call)
        except PromptopsError as failure:
            if best.rank[0] or isinstance(failure, STOPPING):
                raise
            break  # what is there already is only too long
        used = used + spec.used(question.step, reply.usage)
        best = min(_judged(spec, question, prompt, reply, spec.most(question, first)), best, key=lambda one: one.rank)
        if best.rank == (0, 0):
            break
    if not best.text:
        raise EmptyError(
            "the model gave an empty answer every time; if it reasons unseen, give it more --reasoning-tokens"
        )
    if best.wrong and (best.stored or not spec.cautious):
        mend = "; it is kept in the store, --fresh asks again" if best.stored else ""
        raise MisfitError(
            f"the answer to {spec.steps[question.step].template.label} cannot be used: {best.wrong}{mend}"
        )
    usable = _usable(best.text, best.cut, spec.most(question, first), question, spec)
    about = (spec.named(question), question.level, question.start, question.end)
    node = Node(*about, usable.status, usable.text, usage=used)
    notes = (f"{best.over:,} of {prompt.length}",) if best.over else ()
    places = kept(usable.text, question.places or {})
    start, end = question.start, question.end
    return replace(usable, stored=best.stored, start=start, end=end, node=node, places=places, notes=notes)


def _with_marks(text: str, question: Question) -> str:
    """The answer with its marks in one form, where the chain cites."""
    if question.places is None:
        return text
    given = question.inputs.get("texts") or [question.inputs.get("text", "")]
    own = {number for text in given for number in found(text)} - question.places.keys()
    return checked(text, {number for number, place in question.places.items() if place is not None}, own)


def _again(spec: Spec, question: Question, call: Call, first: Call, problem: str) -> Call:
    """``call`` with what was wrong before, or for the bound with as much as that can be."""
    spare, counter = spec.spare(question, first), spec.models[question.step].counter
    if spec.cautious:
        return longest(call, spare, counter)
    return noted(call, first, problem, spare, counter) if problem else call


def _judged(spec: Spec, question: Question, prompt: Prompt, reply: Reply, most: int) -> _Answer:
    """The answer in ``reply``, which may have ``most`` tokens.

    An estimate's own replies have the asked form and length, whatever they are made of.
    """
    cut = reply.finish == "length"
    text = _with_marks(prompt.answer(reply.text, cut=cut).strip(), question)
    if not text:
        return _Answer()
    long = cut or spec.count(text) > most
    held = not spec.made_up or reply.stored
    if question.whole:
        wrong = "it was cut" if long else prompt.wrong(text) if held else None
        return _Answer(text, cut, long, wrong, problem="" if long or not wrong else wrong, stored=reply.stored)
    said = text if question.places is None else unmarked(text)[0]
    over = prompt.length.passed(said) if prompt.length and question.final and held and not long else 0
    problem = _too_long(prompt.length, said, halved=long) if long or over else ""
    return _Answer(text, cut, long, None, over, problem, reply.stored)


def _too_long(length: Length | None, text: str, *, halved: bool) -> str:
    """By how much it is too long, and what to aim at: as much less, and half of what was asked for where it was cut."""
    if length is None:
        return "It is longer than there is room for."
    size = length.of(text)
    aim = length.number // 2 if halved else length.number * length.number // size
    return f"It has {size:,} {length.unit} or more; at most {length.number:,} may be. Aim at {max(aim, 1):,}."


def _usable(text: str, cut: bool, limit: int, question: Question, spec: Spec) -> Partial:
    count = spec.count
    if cut:
        text = _whole_sentences(text)
    if count(text) > limit:
        text, cut = _shortened(text, limit, spec), True
    return Partial(text, count(text), question.ratio, "truncated" if cut else "ok")


def _whole_sentences(text: str) -> str:
    """All but the last sentence, which the limit has cut; the text itself where that is all there is."""
    return text[: sentences(text)[-1].start].strip() or text


def _shortened(text: str, limit: int, spec: Spec) -> str:
    """As much of its beginning as has at most ``limit`` tokens, marks at their widest."""
    room, shorter = limit, _beginning(text, limit, spec)
    while (size := spec.count(shorter)) > limit:
        room = min(room - 1, room * limit // size)
        shorter = _beginning(text, room, spec)
    return shorter


def _beginning(text: str, limit: int, spec: Spec) -> str:
    """The first ``limit`` tokens at most by every model's counter, ended where the chunker finds a good end."""
    for counter in {model.counter.name: model.counter for model in spec.models.values()}.values():
        try:
            text = split(text, limit, counter)[0].text.strip() if text else ""
        except UsageError:
            text = truncate(text, limit, counter=counter)
    return text
