"""The outer wrappers: what happens to a call once, outermost first.

``Told`` (see ``streams``) → ``Coalesced`` → ``Stored`` → ``Packed`` → ``Sized`` → ``Prefixed`` → ``Halting`` → the
attempts (see ``attempts``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from promptops.client.size import Beyond
from promptops.client.verdict import IN_VAIN, stops
from promptops.errors import CallError, StoreError, UsageError, WindowError
from promptops.plans.spec import schema_tokens
from promptops.store import Overhead, Replies, key, questions
from promptops.tools import about_tools, tools_tokens
from promptops.types import Backend, Call, Reply

Complete = Callable[[Call], Awaitable[Reply]]


class Stored:
    """Answers from the store what it knows, and keeps what it did not.

    A reply that cannot be kept is still handed on: it has been paid for.
    """

    def __init__(self, inner: Complete, replies: Replies, identity: str, *, fresh: bool) -> None:
        self._inner = inner
        self._replies = replies
        self._identity = identity
        self._fresh = fresh

    async def complete(self, call: Call) -> Reply:
        """The stored reply, or the backend's."""
        known, asked = key(call, self._identity), questions(call, self._identity)
        if not self._fresh and (stored := self._replies.get(known, asked, call.tags.run)) is not None:
            return stored
        reply = await self._inner(call)
        if not reply.stored:
            with suppress(StoreError):
                self._replies.put(known, reply, asked, call.tags.run)
        return reply


class Coalesced:
    """Sends equal calls that are in flight together only once; ``going`` is common to all event loops of a client."""

    def __init__(self, inner: Complete, identity: str, going: dict[bytes, Future[Reply]]) -> None:
        self._inner = inner
        self._identity = identity
        self._going = going

    async def complete(self, call: Call) -> Reply:
        """The reply of this call or of its twin in flight."""
        known, mine = key(call, self._identity), Future[Reply]()
        twin = self._going.setdefault(known, mine)
        if twin is not mine:
            told = asyncio.wrap_future(twin)
            told.add_done_callback(
                _heard
            )  # or its failure would be reported as nobody's, should this task be cancelled
            try:
                return replace(await asyncio.shield(told), stored=True)
            except asyncio.CancelledError:
                if being_cancelled() or not twin.cancelled():
                    raise
                return await self.complete(call)
        try:
            reply = await self._inner(call)
        except BaseException as failure:
            del self._going[known]  # first, so that a twin that is told finds nothing in flight and sends the call
            _pass_on(mine, failure)
            raise
        del self._going[known]
        mine.set_result(reply)
        return reply


def being_cancelled() -> bool:
    """Whether somebody asked the running task to end, and not merely something that it waited for was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _heard(told: asyncio.Future[Reply]) -> None:
    if not told.cancelled():
        told.exception()


def _pass_on(future: Future[Reply], failure: BaseException) -> None:
    if isinstance(failure, Exception):
        future.set_exception(failure)
    else:
        future.cancel()


class Sized:
    """Counts the prompt, learns what the provider adds to it, and lets nothing through that cannot fit.

    What fits is judged as plans judge it, by the backend's own word; what is reserved is judged by what was learned.
    """

    def __init__(self, inner: Complete, backend: Backend, overhead: Overhead, beyond: Beyond) -> None:
        self._inner = inner
        self._backend = backend
        self._overhead = overhead
        self._beyond = beyond

    async def complete(self, call: Call) -> Reply:
        """The reply; raises ``WindowError`` where input and reserved output pass the window, ``UsageError`` where the
        backend cannot do what is asked.
        """
        self._able(call)
        contents = contents_tokens(self._backend, call)
        number = len(call.messages)
        self._check(contents + self._backend.overhead * (number + 1), call)
        counted = contents + self._overhead.around(number).tokens
        plain = call.schema is None and not about_tools(call)
        beyond = 0 if plain else self._beyond.of(call)
        reply = await self._inner(replace(call, input_tokens=counted + beyond))
        if reply.stored or reply.usage.estimated:
            return reply
        if plain:
            self._learn(number, reply.usage.input_tokens - contents)
        else:
            self._beyond.learn(call, reply.usage.input_tokens - counted)
        return reply

    def _able(self, call: Call) -> None:
        """What only some backends can do is refused by the others, and never left out."""
        name, sampling = self._backend.name, call.sampling
        if sampling.logprobs is not None and not getattr(self._backend, "logprobs", False):
            raise UsageError(f"{name} gives no log-probabilities; ask it without logprobs")
        if sampling.loras is not None and not getattr(self._backend, "loras", False):
            raise UsageError(f"{name} has no adapters to choose from; only llama:PATH.gguf,lora=FILE has")

    def _learn(self, messages: int, tokens: int) -> None:
        """A smaller count than ours says that the server's tokenizer is another: nothing to learn from."""
        if tokens >= 0 and self._backend.counter.exact:
            with suppress(StoreError):
                self._overhead.learn(messages, tokens)

    def _check(self, size: int, call: Call) -> None:
        window = self._backend.window
        most = size + call.max_output_tokens + self._backend.reasoning
        if getattr(self._backend, "endless", False):  # its answers may go on past the window
            most = size
        if window is not None and most > window:
            raise WindowError(
                f"step {call.tags.step or 'call'}: {size:,} input tokens and {most - size:,} for the answer pass the "
                f"window of {window:,} by {most - window:,}: send less, or ask for fewer words"
            )


def contents_tokens(backend: Backend, call: Call) -> int:
    """Tokens of all contents, of tools, and of a schema where the model reads it; exact where the counter is.

    What tools take is an estimate.
    """
    contents = sum(backend.counter.count(message.content) for message in call.messages)
    read = not getattr(backend, "constrains", False)
    schema = schema_tokens(call.schema, backend.counter) if read else 0
    return contents + schema + tools_tokens(call, backend.counter)


class Halt:
    """Which runs have met an error that every further call of theirs would meet as well."""

    def __init__(self) -> None:
        self._answered: set[str] = set()
        self._vain: Counter[str] = Counter()
        self._errors: dict[str, CallError] = {}

    def check(self, call: Call) -> None:
        """Raise that error where the run of ``call`` has met one."""
        if call.tags.run in self._errors:
            raise self._errors[call.tags.run]

    def answered(self, call: Call) -> None:
        """A call of this run got its answer."""
        self._answered.add(call.tags.run)

    def failed(self, call: Call, error: CallError) -> None:
        """A call of this run ended in ``error``."""
        run = call.tags.run
        if not run:  # it belongs to no job that could be spared the rest
            return
        # Asked again it is about the same text, and what many share a prompt for will be asked alone.
        self._vain[run] += isinstance(error, IN_VAIN) and not call.take and call.items == 1
        if stops(error, answered=run in self._answered, vain=self._vain[run]):
            self._errors[run] = error


class Halting:
    """Sends nothing more of a run once an error has shown that every further call would fail the same way."""

    def __init__(self, inner: Complete, halt: Halt) -> None:
        self._inner = inner
        self._halt = halt

    async def complete(self, call: Call) -> Reply:
        """The reply, or at once the error that stopped the sending."""
        self._halt.check(call)
        try:
            reply = await self._inner(call)
        except CallError as error:
            self._halt.failed(call, error)
            raise
        self._halt.answered(call)
        return reply
