"""A prompt made to fit: its sections given up or shortened, the least important first, to the exact token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from promptops.errors import WindowError
from promptops.prompts.shorten import Pieces, shortened
from promptops.prompts.tally import Tally
from promptops.types import Counter, GivenUp, Message

if TYPE_CHECKING:
    from promptops.prompts.sections import Rule, Section
    from promptops.prompts.template import Prompt


@dataclass(slots=True)
class _Part:
    """A stretch of one message: text of a section's (``unit``) or of none, and whether it may be cut."""

    message: int
    unit: int | None
    body: bool
    pieces: Pieces


def fitted(prompt: Prompt, limit: int, counter: Counter) -> Prompt:
    """See ``Prompt.fit``."""
    fitting = _Fitting(prompt, limit, Tally(counter))
    if fitting.fits():
        return prompt
    fitting.give_up()
    fitting.take_back()
    return fitting.prompt()


class _Fitting:
    def __init__(self, prompt: Prompt, limit: int, tally: Tally) -> None:
        self._prompt = prompt
        self._limit = limit
        self._tally = tally
        self._parts = list(_parts(prompt, tally))
        self._whole = [part.pieces for part in self._parts]
        self._rules: dict[int, Rule] = {section.unit: section.rule for section in prompt.sections}
        self._own = {unit: self._tokens(unit) for unit in self._rules}
        self._order = sorted(self._rules, key=self._importance)

    def fits(self) -> bool:
        return self._total() <= self._limit

    def give_up(self) -> None:
        """Give up unit after unit until the rest fits; raises ``WindowError`` where it never does."""
        for unit in self._order:
            self._reduce(unit)
            if self.fits():
                return
        excess = self._total() - self._limit
        raise WindowError(
            f"{self._prompt.template}: what may not be given up passes the limit of {self._limit:,} tokens by "
            f"{excess:,}: give it less, or let more of it go in sections"
        )

    def take_back(self) -> None:
        """Bring back, the most important first, what fits after all into the room that a larger one left."""
        for unit in reversed(self._order):
            changed = self._set(unit, None)
            if not self.fits():
                self._restore(changed)
            elif self._rules[unit].shorten and self._tokens(unit) < self._own[unit]:
                self._shorten(unit)

    def prompt(self) -> Prompt:
        return replace(self._prompt, messages=tuple(self._messages()), sections=(), given_up=tuple(self._report()))

    def _importance(self, unit: int) -> tuple[float, int]:
        """What goes first comes first: of one priority the later one, or the earlier where the tail is kept."""
        rule = self._rules[unit]
        return rule.priority, unit if rule.keep == "tail" else -unit

    def _reduce(self, unit: int) -> None:
        """Drop a unit, or shorten it, but not below what must stay of its name."""
        rule = self._rules[unit]
        others = sum(
            self._tokens(other) for other, its in self._rules.items() if its.name == rule.name and other != unit
        )
        least = max(rule.least - others, 0)
        if not rule.shorten:
            if not least:
                self._set(unit, ())
            return
        kept = self._set(unit, ())
        if self._total() >= self._limit and not least:
            return
        self._restore(kept)
        self._shorten(unit, least)

    def _shorten(self, unit: int, least: int = 0) -> None:
        """Cut the bodies of a unit, one after another, until everything fits; drop it where nothing of it can stay."""
        rule = self._rules[unit]
        bodies = [index for index, part in enumerate(self._parts) if part.unit == unit and part.body]
        for index in bodies if rule.keep == "tail" else bodies[::-1]:
            if self._cut(index, least):
                return
        if not least:
            self._set(unit, ())

    def _cut(self, index: int, least: int) -> bool:
        """Cut one body so that everything fits, or to ``least`` tokens; true where no other need be cut."""
        part, whole = self._parts[index], self._whole[index]
        part.pieces = ()
        room = self._limit - self._total()
        text = self._tally

        def fits(pieces: Pieces) -> bool:
            part.pieces = pieces
            return self.fits() if room >= least else text.tokens(pieces) <= least

        rule = self._rules[part.unit if part.unit is not None else -1]
        part.pieces = () if max(room, least) <= 0 else shortened(whole, max(room, least), rule.keep, text, fits) or ()
        return bool(part.pieces)

    def _set(self, unit: int, pieces: Pieces | None) -> dict[int, Pieces]:
        """Give all parts of a unit these pieces, or their own; returns what they had."""
        had = {index: part.pieces for index, part in enumerate(self._parts) if part.unit == unit}
        for index in had:
            self._parts[index].pieces = self._whole[index] if pieces is None else pieces
        return had

    def _restore(self, had: dict[int, Pieces]) -> None:
        for index, pieces in had.items():
            self._parts[index].pieces = pieces

    def _total(self) -> int:
        by_message: defaultdict[int, list[str]] = defaultdict(list)
        for part in self._parts:
            by_message[part.message] += part.pieces
        return sum(self._tally.tokens(_trimmed(pieces)) for pieces in by_message.values())

    def _tokens(self, unit: int) -> int:
        return self._tally.tokens(piece for part in self._parts if part.unit == unit for piece in part.pieces)

    def _messages(self) -> Iterator[Message]:
        """The messages that are left; one of which nothing is left was given up."""
        for number, message in enumerate(self._prompt.messages):
            mine = [part for part in self._parts if part.message == number]
            content = "".join(_trimmed([piece for part in mine for piece in part.pieces]))
            if content or not mine or any(part.unit is None for part in mine):
                yield replace(message, content=content)

    def _report(self) -> Iterator[GivenUp]:
        names = dict.fromkeys(rule.name for rule in self._rules.values())
        for name in names:
            units = [unit for unit, rule in self._rules.items() if rule.name == name]
            before, after = sum(self._own[unit] for unit in units), sum(map(self._tokens, units))
            if after < before:
                yield GivenUp(name, before, after)


def _trimmed(pieces: list[str]) -> list[str]:
    """The pieces without line breaks at either end, as a render leaves them."""
    while pieces and not pieces[0].strip("\n"):
        del pieces[0]
    while pieces and not pieces[-1].strip("\n"):
        del pieces[-1]
    if pieces:
        pieces[0] = pieces[0].lstrip("\n")
        pieces[-1] = pieces[-1].rstrip("\n")
    return pieces


def _parts(prompt: Prompt, tally: Tally) -> Iterator[_Part]:
    """Every message cut at the borders of its sections and of what may be cut inside of them."""
    for number, message in enumerate(prompt.messages):
        sections = [section for section in prompt.sections if section.message == number]
        places = {0, len(message.content)}
        for section in sections:
            places |= {section.start, section.end, *(place for body in section.bodies for place in body)}
        for start, end in pairwise(sorted(places)):
            unit, body = _owner(sections, start, end)
            yield _Part(number, unit, body, tally.cells(message.content[start:end]))


def _owner(sections: Sequence[Section], start: int, end: int) -> tuple[int | None, bool]:
    for section in sections:
        if section.start <= start and end <= section.end:
            return section.unit, any(first <= start and end <= last for first, last in section.bodies)
    return None, False
