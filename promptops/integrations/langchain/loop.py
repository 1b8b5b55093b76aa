"""One event loop in a thread of its own, for LangChain's synchronous methods.

All of them share it, so that calls from any number of threads share a client's connections, its limit of calls in
flight and its calls in flight.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import queue
import threading
import weakref
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from promptops.client import Client
from promptops.errors import UsageError
from promptops.types import Backend

T = TypeVar("T")

_lock = threading.Lock()
_watched: weakref.WeakSet[Client] = weakref.WeakSet()
_loop: asyncio.AbstractEventLoop | None = None


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, done in the loop with the context of the caller; interrupting the wait cancels it."""
    if _here() is not None:
        work.close()
        raise UsageError(
            "a synchronous call from inside of promptops' own loop would wait for itself; use the async one"
        )
    future = _start(work)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def each(items: AsyncIterator[T]) -> Iterator[T]:
    """The items of an asynchronous iterator as they come; ending early cancels what it waits for."""
    came: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    async def pump() -> None:
        try:
            async for item in items:
                came.put((True, item))
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    future = _start(pump())
    future.add_done_callback(lambda _: came.put((False, None)))
    try:
        while (got := came.get())[0]:
            yield got[1]
        future.result()
    finally:
        future.cancel()


def let_go_with(client: Client) -> None:
    """Close the connections that ``client`` has in the loop once nobody has it any more."""
    if client not in _watched:
        _watched.add(client)
        weakref.finalize(client, _let_go, client.backend).atexit = False


def _let_go(backend: Backend) -> None:
    if _loop is not None and not _loop.is_closed():
        work = backend.aclose()
        try:
            asyncio.run_coroutine_threadsafe(work, _loop)
        except RuntimeError:  # it was closed meanwhile, and its connections with it
            work.close()


def _start(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Like ``asyncio.run_coroutine_threadsafe``, with the caller's context, which tracing goes by."""
    outcome: Future[T] = Future()
    context = copy_context()
    loop = _running()

    def begin() -> None:
        task = loop.create_task(work, context=context)
        task.add_done_callback(settle)
        outcome.add_done_callback(lambda _: loop.call_soon_threadsafe(task.cancel) if outcome.cancelled() else None)

    def settle(task: asyncio.Task[T]) -> None:
        if outcome.done() or task.cancelled():
            outcome.cancel()
        elif (failure := task.exception()) is not None:
            outcome.set_exception(failure)
        else:
            outcome.set_result(task.result())

    loop.call_soon_threadsafe(begin)
    return outcome


def _here() -> asyncio.AbstractEventLoop | None:
    """The shared loop, where this is its thread."""
    try:
        return _loop if asyncio.get_running_loop() is _loop else None
    except RuntimeError:
        return None


def _forget() -> None:
    """A forked process has the loop, but not the thread that ran it."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _running() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _loop is None or _loop.is_closed():
            ready: Future[asyncio.AbstractEventLoop] = Future()
            over = asyncio.Event()

            async def main() -> None:
                ready.set_result(asyncio.get_running_loop())
                await over.wait()

            thread = threading.Thread(target=lambda: asyncio.run(main()), name="promptops-langchain", daemon=True)
            thread.start()
            _loop = ready.result()
            atexit.register(_stop, _loop, over, thread)
        return _loop


def _stop(loop: asyncio.AbstractEventLoop, over: asyncio.Event, thread: threading.Thread) -> None:
    """End the loop, which closes its connections."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(over.set)
    thread.join(2)
