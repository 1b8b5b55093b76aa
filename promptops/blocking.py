"""Asynchronous work for scripts and notebooks, which wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end; in a thread of its own where this one already has an event loop, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    return _in_thread(coroutine)


def _in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run in another thread; interrupting this one ends it there too, since it may be spending money."""
    going: list[asyncio.Task[T]] = []

    async def work() -> T:
        going.append(asyncio.get_running_loop().create_task(coroutine))
        return await going[0]

    with ThreadPoolExecutor(1, "promptops") as threads:
        outcome = threads.submit(lambda: asyncio.run(work()))
        try:
            return outcome.result()
        except KeyboardInterrupt:
            for task in going:
                with suppress(RuntimeError):  # it has ended meanwhile
                    task.get_loop().call_soon_threadsafe(task.cancel)
            raise
