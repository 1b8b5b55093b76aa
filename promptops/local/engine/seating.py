"""Giving a call its sequence, with as much of its prompt as is computed anywhere already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from promptops.local.engine import prefix
from promptops.local.engine.answer import Answer, Slot
from promptops.local.engine.native import Native
from promptops.local.engine.shelf import Shelf

_LEAST = 32
"""Tokens of a prefix that is worth a place on the shelf."""
_COVERED = 0.9
"""A prefix is not kept beside one that has this much of it."""
_LARGEST = 256 * 2**20
"""Bytes of a state that is written to a file."""
_OPERATIONS, _BYTES = 20e9, 4e9
"""Per second: what a thread computes and what memory copies, roughly; their ratio decides, and it is never close."""


class Seating:
    """Chooses sequences and sources. ``parameters`` are the model's, for what computing a token takes."""

    def __init__(self, native: Native, shelf: Shelf, slots: Sequence[Slot], *, parameters: int, threads: int) -> None:
        self._native = native
        self._shelf = shelf
        self._slots = slots
        self._token = 2 * parameters / (_OPERATIONS * threads)

    def choose(self, tokens: Sequence[int], adapters: object) -> Slot | None:
        """The free sequence that has most of ``tokens``; of equals, the one used longest ago."""
        free = [slot for slot in self._slots if slot.answer is None]
        return max(free, key=lambda slot: (self._own(slot, tokens, adapters), -slot.used), default=None)

    def seat(self, slot: Slot, waiting: Iterable[Sequence[int]], *, force: bool = False) -> bool:
        """Fill ``slot`` with what is known of its call's prompt; False while another call is computing more of it."""
        answer = slot.answer
        if answer is None:
            return True
        sources = [other.source() for other in self._slots if self._usable(other, slot, answer)]
        index, length = prefix.best(answer.tokens, sources, slot.index)
        if not force and prefix.promised(answer.tokens, sources) > length:
            return False
        length = self._fill(slot, answer, index, length)
        slot.adapters, slot.seated, slot.shifted = answer.adapters, True, None
        answer.cached = length
        border = prefix.shared(answer.tokens, waiting)
        answer.border = border if border > length and self._keeps(answer, border) else 0
        return True

    def keep(self, slot: Slot) -> None:
        """Put all that ``slot`` holds on the shelf."""
        size = self._native.state_size(slot.index)
        if size > _LARGEST or len(slot.held) * self._token < 2 * size / _BYTES:
            return
        state = self._native.state(slot.index)
        if state:
            self._shelf.put(list(slot.held), _name(slot.adapters), state)

    def _usable(self, other: Slot, slot: Slot, answer: Answer) -> bool:
        """Other calls that wait for their own beginning hold something that is about to be overwritten."""
        return other.adapters == answer.adapters and (other.seated or other.answer is None or other is slot)

    def _own(self, slot: Slot, tokens: Sequence[int], adapters: object) -> int:
        return slot.source().now(tokens) if slot.adapters == adapters else 0

    def _fill(self, slot: Slot, answer: Answer, index: int, length: int) -> int:
        """Get the longest known part into the sequence; returns how much that is."""
        own = self._own(slot, answer.tokens, answer.adapters)
        kept, shelved = self._shelf.longest(answer.tokens, _name(answer.adapters))
        shelved = min(shelved, len(answer.tokens) - 1)
        if kept is not None and shelved - length >= _LEAST:
            state = self._shelf.state(kept)
            if state is not None and self._native.cut(slot.index, 0) and self._native.restore(slot.index, state):
                slot.held = list(kept.tokens)
                return self._trim(slot, shelved)
            self._shelf.drop(kept)
            slot.held = []
            self._native.cut(slot.index, 0)
            own = 0
        if index != slot.index and self._pays(length - own, index):
            self._native.copy(index, slot.index)
            slot.held = list(self._slots[index].held)
            return self._trim(slot, length)
        length = self._trim(slot, own)
        if length >= _LEAST and self._keeps(answer, length):
            self.keep(slot)
        return length

    def _trim(self, slot: Slot, length: int) -> int:
        """Forget what follows the first ``length`` tokens; everything, where the cache cannot forget a part."""
        if len(slot.held) > length and not self._native.cut(slot.index, length):
            self._native.cut(slot.index, 0)
            length = 0
        del slot.held[length:]
        return length

    def _pays(self, tokens: int, source: int) -> bool:
        """Whether copying the whole of a sequence's cache is faster than computing ``tokens`` again."""
        held = max(1, len(self._slots[source].held))
        copied = self._native.state_size(source) / held * self._native.window
        return bool(tokens * self._token > copied / _BYTES)

    def _keeps(self, answer: Answer, length: int) -> bool:
        _, covered = self._shelf.longest(answer.tokens[:length], _name(answer.adapters))
        return length >= _LEAST and covered < _COVERED * length


def _name(adapters: object) -> str:
    return repr(adapters) if adapters else ""
