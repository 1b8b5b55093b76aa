"""A reduce over any number of texts, in order, in groups that fit, each as soon as it is full.

Texts come in one by one and are never all held: level 0 gathers texts until the next would not fit, starts the reduce
of a group and goes on; the results, in order, are gathered one level up in the same way. A group of one passes through
without a call.

A full group is held until the next has two texts: where one is left over at the end, the last two groups are made even.

Of the texts that wait, the group ends after the one with the least mark in their second half. Marks are drawn from what
the texts are about, so an edit moves the ends of the groups around it and no others: its chunks and one path up the
tree are paid for. Since a text never exceeds its reply limit, and two at that limit always fit (see ``spec``), each
level has at most about half the texts of the one below: the tree ends for any replies.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from promptops.errors import PromptopsError
from promptops.plans.ask import Partial, ask
from promptops.plans.citations import of_group
from promptops.plans.plan import Plan, Start, Started
from promptops.plans.question import Question
from promptops.plans.spec import Spec


@dataclass(slots=True)
class _Level:
    waiting: list[Partial] = field(default_factory=list)
    tokens: int = 0
    """Of those, by themselves."""
    held: list[Partial] = field(default_factory=list)
    going: deque[Started | Partial] = field(default_factory=deque)


class Tree:
    """The reduce of ``step``; ``inputs`` are what its template gets beside the texts."""

    def __init__(self, spec: Spec, step: str, document: str, *, room: int, inputs: Mapping[str, Any]) -> None:
        self._spec = spec
        self._step = step
        self._document = document
        self._inputs = inputs
        self._room = room
        self._budget = min(room - room // 4, spec.settings.reduce_tokens)
        self._wrapping = spec.wrapping(step)
        self._fan_in = max(spec.steps[step].fan_in or sys.maxsize, 2)
        self._levels: list[_Level] = []

    def add(self, partial: Partial, height: int = 0) -> Plan[None]:
        """Take the next text in order."""
        level = self._level(height)
        yield from self._release(height)
        while len(level.waiting) > 1 and self._full(level, partial):
            cut = self._cut(level.waiting)
            if cut == len(level.waiting):
                self._hold(level)
            else:
                yield from self._flush(height, cut)
        level.waiting.append(partial)
        level.tokens += partial.tokens

    def finish(self) -> Plan[Partial | None]:
        """The one text that stands for all, or ``None`` where none was added."""
        height = 0
        while height < len(self._levels):
            level = self._levels[height]
            top = height == len(self._levels) - 1
            if top and not level.going and not level.held and len(level.waiting) == 1:
                return level.waiting[0]
            self._even(level)
            last = top and not level.going and not level.held
            yield from self._release(height)
            yield from self._flush(height, len(level.waiting), last=last)
            yield from self._lift(height, keep=0)
            height += 1
        return None

    def abandon(self) -> Plan[None]:
        """Wait, after a failure, for the reduces that are in flight: their replies are paid for and must be kept."""
        for level in self._levels:
            for going in level.going:
                with suppress(PromptopsError):
                    yield from _result(going)
            level.going.clear()

    def _level(self, height: int) -> _Level:
        while len(self._levels) <= height:
            self._levels.append(_Level())
        return self._levels[height]

    def _full(self, level: _Level, partial: Partial) -> bool:
        number = len(level.waiting)
        return number >= self._fan_in or level.tokens + self._size(partial) + number * self._wrapping > self._budget

    def _size(self, partial: Partial) -> int:
        return partial.tokens + self._wrapping

    def _cut(self, waiting: Sequence[Partial]) -> int:
        """How many of the texts that wait make the next group: at least two of them, and half of the budget."""
        reached = accumulate(map(self._size, waiting))
        least = next((index for index, size in enumerate(reached, 1) if size * 2 >= self._budget), len(waiting))
        least = max(min(least, (self._fan_in + 1) // 2), 2)
        if self._spec.cautious:
            return least
        return min(range(least, len(waiting) + 1), key=lambda end: (waiting[end - 1].mark, -end))

    def _hold(self, level: _Level) -> None:
        level.held, level.waiting, level.tokens = level.waiting, [], 0

    def _even(self, level: _Level) -> None:
        """Make the group that is held and the one text after it two groups of about as many, where they would fit."""
        if not level.held or len(level.waiting) != 1:
            return
        texts = [*level.held, *level.waiting]
        ends = [end for end in range(2, len(texts) - 1) if sum(map(self._size, texts[end:])) <= self._budget]
        if ends:
            end = min(ends, key=lambda end: abs(2 * end - len(texts)))
            level.held, level.waiting = texts[:end], texts[end:]

    def _release(self, height: int) -> Plan[None]:
        """Start the group that is held."""
        level = self._levels[height]
        group, level.held = level.held, []
        yield from self._begin(height, group)

    def _flush(self, height: int, cut: int, *, last: bool = False) -> Plan[None]:
        level = self._levels[height]
        group, level.waiting = level.waiting[:cut], level.waiting[cut:]
        level.tokens = sum(partial.tokens for partial in level.waiting)
        yield from self._begin(height, group, last=last)

    def _begin(self, height: int, group: list[Partial], *, last: bool = False) -> Plan[None]:
        """Start the reduce of ``group``, the ``last`` of all; a single text needs none."""
        level = self._levels[height]
        if len(group) == 1:
            level.going.append(group[0])
        elif group:
            level.going.append((yield Start(self._reduce(group, height + 1, last=last))))
        yield from self._lift(height, keep=self._spec.ahead)

    def _lift(self, height: int, keep: int) -> Plan[None]:
        level = self._levels[height]
        while len(level.going) > keep:
            partial = yield from _result(level.going.popleft())
            yield from self.add(partial, height + 1)

    def _reduce(self, group: list[Partial], height: int, *, last: bool) -> Plan[Partial]:
        marked = of_group((partial.text, partial.places) for partial in group) if self._spec.cites else None
        question = Question(
            self._step,
            {
                **self._inputs,
                "partial": not last,
                "texts": marked.texts if marked else [partial.text for partial in group],
            },
            self._document,
            self._room,
            max(partial.ratio for partial in group),
            height,
            whole=self._spec.steps[self._step].template.checked,
            final=last,
            start=group[0].start,
            end=group[-1].end,
            places=marked.places if marked else None,
        )
        result = yield from ask(self._spec, question)
        cut = any(partial.status == "truncated" for partial in (result, *group))
        children = tuple(partial.node for partial in group if partial.node is not None)
        node = result.node and replace(result.node, children=children)
        return replace(result, status="truncated" if cut else "ok", mark=group[-1].mark, node=node)


def _result(going: Started | Partial) -> Plan[Partial]:
    partial: Partial = going if isinstance(going, Partial) else (yield going)
    return partial
