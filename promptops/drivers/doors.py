"""The client of each step: the run's own, or one beside it where the step has a model of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from promptops.client import Client
from promptops.drivers.job import Job
from promptops.types import Call, Reply, Tags, Totals


class Doors:
    """Sends each call to the model of its step; all share the run's store and budget."""

    def __init__(self, job: Job, client: Client) -> None:
        self._job = job
        self._client = client
        first, *others = job.backends()
        self._clients = {first.identity: client, **{one.identity: client.beside(one) for one in others}}

    async def complete(self, call: Call) -> Reply:
        """Answer one call; raises what ``Client.complete`` raises."""
        return await self._clients[self._job.asked(call).identity].complete(call)

    @asynccontextmanager
    async def open(self, heard: Callable[[Tags, Totals], None]) -> AsyncIterator[None]:
        """Tell ``heard`` of every attempt; at the end the other models let go of connections, and end what they run."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self._client.listening(heard))  # and so to those beside it
            for client in self._clients.values():
                if client is not self._client:
                    await stack.enter_async_context(client.in_use())
                    stack.push_async_callback(asyncio.to_thread, client.end)
            yield
