"""One question to a model, asked again once where the answer cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from promptops.chunking import split
from promptops.citing import checked, found
from promptops.errors import AccessError, BudgetError, EmptyError, MisfitError, QuotaError, StoreError, UsageError
from promptops.plans.citations import Places, kept
from promptops.plans.plan import Plan
from promptops.plans.results import Node
from promptops.plans.spec import TAKES, Question, Spec
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


def ask(spec: Spec, question: Question, takes: Sequence[int] = range(TAKES)) -> Plan[Partial]:
    """The answer to ``question``.

    A cut or blank answer, and one that takes more than twice the room it was given, is asked for again once, with twice
    the room; one that was too long is asked for in half the words. Where that is no better, the last one that says
    something is taken up to its last sentence and marked ``truncated``; where all are blank, ``EmptyError`` is raised.
    A whole answer is cut where it takes more than that room, since later steps count on it; but one that is of use
    only as a whole, or is JSON that must fit its schema, is never cut: ``MisfitError`` is raised in its place.
    """
    first = spec.call(question, 0)
    most, count = spec.most(question, first), spec.count
    best, cut, stored, wrong, used = "", False, False, None, Totals()
    for take in takes:
        reply: Reply = yield _call(spec, question, take, first, shorter=bool(best))
        used = used + spec.used(question.step, reply.usage)
        if text := _with_marks(spec.answer(question, reply), question):
            best, cut, stored = text, reply.finish == "length", reply.stored
            wrong = spec.wrong(question, text, cut=cut or count(text) > most)
            if not wrong and not cut and count(text) <= most:
                break
    if not best:
        raise EmptyError(
            "the model gave an empty answer every time; if it reasons unseen, give it more --reasoning-tokens"
        )
    if wrong:
        raise MisfitError(f"the answer to {spec.steps[question.step].template.label} cannot be used: {wrong}")
    usable = _usable(best, cut, most, question, spec)
    about = (spec.named(question), question.level, question.start, question.end)
    node = Node(*about, usable.status, usable.text, usage=used)
    places = kept(usable.text, question.places or {})
    return replace(usable, stored=stored, start=question.start, end=question.end, node=node, places=places)


def _with_marks(text: str, question: Question) -> str:
    """The answer with its marks in one form, where the chain cites."""
    if question.places is None:
        return text
    given = question.inputs.get("texts") or [question.inputs.get("text", "")]
    own = {number for text in given for number in found(text)} - question.places.keys()
    return checked(text, {number for number, place in question.places.items() if place is not None}, own)


def _call(spec: Spec, question: Question, take: int, first: Call, *, shorter: bool) -> Call:
    """The next asking; in half the words where it is to be ``shorter``, but for the bound: that prompt may be less."""
    if not take:
        return first
    if not shorter or spec.cautious or question.whole:
        return spec.call(question, take)
    inputs = {**question.inputs, "words": max(spec.words(question.step) // 2, 1)}
    return replace(spec.call(replace(question, inputs=inputs), take), reworded=first.messages)


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
    """The first ``limit`` tokens at most by every model's counter, ended where the chunker finds a good end."""
    for counter in {model.counter.name: model.counter for model in spec.models.values()}.values():
        try:
            text = split(text, limit, counter)[0].text.strip()
        except UsageError:
            text = truncate(text, limit, counter=counter)
    return text
