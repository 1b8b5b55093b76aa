"""What goes into the next decode."""

from __future__ import annotations

from collections.abc import Sequence

from promptops.local.engine.answer import Answer, Slot
from promptops.local.engine.native import Part


def plan(slots: Sequence[Slot], room: int, window: int) -> list[Part]:
    """A token (and guesses) for each call that writes; what they leave of ``room`` tokens for prompts, oldest first."""
    parts: list[Part] = []
    writing = [slot for slot in slots if slot.pending() == 1]
    reading = sorted((slot for slot in slots if slot.pending() > 1), key=lambda slot: slot.used)
    for slot in (*writing, *reading):
        if slot.answer is not None and room > 0:
            write = slot.pending() == 1
            parts.append(_next(slot, slot.answer, room, window) if write else _read(slot, slot.answer, room))
            room -= len(parts[-1].tokens)
    return parts


def _next(slot: Slot, answer: Answer, room: int, window: int) -> Part:
    guesses: list[int] = []
    if answer.lookup is not None and answer.written:
        left = answer.request.most - answer.written - 1
        guesses = answer.lookup.guess(answer.tokens, min(left, window - len(answer.tokens), room - 1))
    tokens = [answer.tokens[-1], *guesses]
    return Part(slot.index, len(slot.held), tokens, len(tokens))


def _read(slot: Slot, answer: Answer, room: int) -> Part:
    start = len(slot.held)
    end = min(len(answer.tokens), start + room)
    if start < answer.border < end:
        end = answer.border
    return Part(slot.index, start, answer.tokens[start:end], int(end == len(answer.tokens)))
