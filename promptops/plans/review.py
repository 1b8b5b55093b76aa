"""A document's answer checked against what it rests on, and mended where the check finds problems.

The check is given the document where it fits half of the window and ``reduce_tokens``, else as much of each partial
answer as does. Beside an answer, the problems and the reply, each at most a fourth of the window, both always fit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptops.citing import unmarked
from promptops.errors import PromptopsError
from promptops.plans.ask import STOPPING, Partial, ask
from promptops.plans.filling import filler
from promptops.plans.plan import Plan
from promptops.plans.question import Question
from promptops.plans.results import Node
from promptops.plans.spec import Spec
from promptops.tokens import truncate
from promptops.types import Document, SpanStatus

CHECK, REVISE, PROBLEMS = "check", "revise", "problems"
_FENCES = 32
"""Tokens by which fences may be longer than in the instructions."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An answer after its review. ``problems`` is ``None`` where nothing was checked.

    ``beside`` is the check, where it did not lead to a new answer.
    """

    answer: Partial
    problems: tuple[Any, ...] | None = None
    notes: tuple[str, ...] = ()
    beside: tuple[Node, ...] = ()


def reviewed(spec: Spec, document: Document, whole: Partial, partials: Sequence[Partial], room: int) -> Plan[Reviewed]:
    """``whole`` checked and revised, as far as the chain has those steps; ``partials`` are what it was made of.

    Where either goes wrong the answer stays as it is, and the notes say so; what keeps calls from being sent is raised.
    """
    if CHECK not in spec.steps:
        return Reviewed(whole)
    text = _material(spec, document, partials, room)
    try:
        found = yield from ask(spec, _question(spec, CHECK, document, whole, room, 1, text=text))
        unread = spec.cautious and not found.stored
        problems = () if unread else tuple(json.loads(found.text)[PROBLEMS])
    except PromptopsError as failure:
        if not spec.cautious or isinstance(failure, STOPPING):
            _raise_where_stopped(failure)
            return Reviewed(whole, notes=(f"not checked: {failure}",))
        found, problems = replace(whole, text="", node=None, stored=False), ()
    if spec.cautious and not found.stored:
        found = replace(found, text=filler(spec.limit(CHECK, room, whole.ratio, 1), spec.models[CHECK].counter))
        problems = (found.text,)
    if not problems or REVISE not in spec.steps:
        nodes = () if found.node is None else (found.node,)
        return Reviewed(whole, problems, _said(problems), nodes)
    return (yield from _revised(spec, document, whole, found, problems, room))


def _revised(
    spec: Spec, document: Document, whole: Partial, found: Partial, problems: tuple[Any, ...], room: int
) -> Plan[Reviewed]:
    nodes = () if found.node is None else (found.node,)
    try:
        new = yield from ask(spec, _question(spec, REVISE, document, whole, room, 2, problems=found.text))
    except PromptopsError as failure:
        _raise_where_stopped(failure)
        return Reviewed(whole, problems, (*_said(problems), f"not revised: {failure}"), nodes)
    if spec.cautious:
        return Reviewed(max(whole, new, key=lambda one: one.tokens), problems)
    if new.status != "ok" and whole.status == "ok":
        return Reviewed(whole, problems, (*_said(problems), "not revised: the new answer was cut"), nodes)
    children = tuple(node for node in (whole.node, found.node) if node is not None)
    node = new.node and replace(new.node, children=children)
    status: SpanStatus = "truncated" if "truncated" in (whole.status, new.status) else "ok"
    revised = replace(new, mark=whole.mark, status=status, node=node)
    return Reviewed(revised, problems, (*_said(problems)[:1], "revised"))


def _raise_where_stopped(failure: PromptopsError) -> None:
    if isinstance(failure, STOPPING):
        raise failure


def _question(
    spec: Spec, step: str, document: Document, whole: Partial, room: int, above: int, **inputs: str
) -> Question:
    cited = spec.cites and step == REVISE
    answer = whole.text if cited or not spec.cites else unmarked(whole.text)[0]
    level = (whole.node.level if whole.node is not None else 0) + above
    return Question(
        step,
        {"answer": answer, **inputs},
        document.source,
        room,
        whole.ratio,
        level,
        whole=spec.steps[step].template.checked,
        final=step == REVISE,
        start=0,
        end=len(document.text),
        places=whole.places if cited else None,
    )


def _material(spec: Spec, document: Document, partials: Sequence[Partial], room: int) -> str:
    """What the answer is checked against."""
    counter = spec.models[CHECK].counter
    budget = max(min(room // 2, spec.settings.reduce_tokens) - _FENCES, 1)
    if counter.count(document.text) <= budget:
        return document.text
    if spec.cautious:
        return filler(budget, counter)
    if len(partials) == 1:
        return truncate(document.text, budget - 1, counter=counter, keep="both")
    each = max(budget // len(partials) - 2, 1)
    return "\n\n".join(truncate(partial.text, each, counter=counter) for partial in partials)


def _said(problems: Sequence[Any]) -> tuple[str, ...]:
    """How many problems there are."""
    return (f"the check found {len(problems)} problem{'s' * (len(problems) > 1)}",) if problems else ()
