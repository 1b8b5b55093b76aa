"""What came of a batch, handed on to whoever waits for its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from promptops.backends.batch import lines
from promptops.backends.batch.gathering import Group, fail
from promptops.backends.batch.provider import Fault, Provider, State
from promptops.backends.openai import OpenAI
from promptops.backends.verdicts import kind_of, one_line
from promptops.errors import AccessError, CallError, ThrottledError, TransientError
from promptops.store import Batches

_QUEUE_FULL = "token_limit_exceeded"
_AFTER_QUEUE = 60.0
"""Seconds until a call that fits into no queue is worth another try."""


class Results:
    """Hands results on, and keeps in ``table`` who still waits."""

    def __init__(self, backend: OpenAI, provider: Provider, table: Batches) -> None:
        self._backend = backend
        self._provider = provider
        self._table = table
        self._answered: list[tuple[str, bytes, int]] = []

    async def hand_on(self, group: Group, token: str, state: State, order: Sequence[bytes]) -> Group:
        """Give every call what the files say of it, and the rest what the batch's end means for them.

        ``order`` is that of the input's lines, where it is known. Returns the calls that were too many at once.
        """
        if state.status == "failed" and not state.files:
            self._table.forget(token)
            return self._refused(group, state.faults, order)
        spoiled = False
        for file in state.files:
            try:
                async for line in self._provider.lines(file):
                    spoiled |= not await self._taken(group, token, line)
            except AccessError as error:
                if error.status != 404:
                    raise
                spoiled = True  # the provider has deleted it, with answers that were paid for
        self._table.failed(token, group)
        fail(group, lines.missing(state.status, self._backend, spoiled=spoiled))
        return {}

    def settle(self) -> None:
        """Drop what has been answered, now that its replies have been kept: they came before whatever comes now."""
        answered, self._answered = self._answered, []
        for token in {token for token, *_ in answered}:
            self._table.answered(token, [(key, row) for its, key, row in answered if its == token])

    async def _taken(self, group: Group, token: str, line: bytes) -> bool:
        """Hand on what one line says; false where it cannot be read."""
        entry = lines.parsed(line)
        if entry is None:
            return not line.strip()
        waiting = group.pop(entry[0], None)
        if waiting is None:  # somebody else's, or said twice
            return True
        result = lines.outcome(entry[1], waiting.call, self._backend)
        if isinstance(result, CallError):
            self._table.failed(token, [waiting.key])
            waiting.fail(result)
        elif not waiting.given_up:  # else it goes on waiting for whoever asks again
            self._answered.append((token, waiting.key, waiting.attempt))
            waiting.answer(result)
        await asyncio.sleep(0)  # the reply is kept before the next is read
        return True

    def _refused(self, group: Group, faults: Sequence[Fault], order: Sequence[bytes]) -> Group:
        """The provider took none of it. Where it names lines, the others are sent again without them."""
        full = next((fault for fault in faults if fault.code == _QUEUE_FULL), None)
        if full is not None and len(group) > 1:
            return group
        place = self._backend.place
        if full is not None:
            line = f"{place}: the queue is full ({one_line(full.message)})"
            fail(group, ThrottledError(line, retry_after=_AFTER_QUEUE))
        elif any(fault.line is not None for fault in faults):
            self._without_named(group, faults, order)
            fail(group, TransientError(f"{place}: the batch failed for other calls in it", retry_after=0.0))
        else:
            fail(group, self._rejected(faults[0] if faults else Fault("", "it does not say why", None)))
        return {}

    def _without_named(self, group: Group, faults: Sequence[Fault], order: Sequence[bytes]) -> None:
        for fault in faults:
            if isinstance(fault.line, int) and 0 < fault.line <= len(order):
                waiting = group.pop(order[fault.line - 1], None)
                if waiting is not None:
                    waiting.fail(self._rejected(fault))

    def _rejected(self, fault: Fault) -> CallError:
        kind = kind_of(400, {fault.code}, fault.message)
        said = one_line(fault.message) or fault.code
        return kind(f"{self._backend.place}: the provider refused the batch ({said})", status=400)
