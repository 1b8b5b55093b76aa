"""How many calls are truly in flight, by the server's own record, beside bare aiohttp's.

    python benchmarks/in_flight.py [--allowed 64,256] [--rounds 3]

The server, in a process of its own, answers every call after 200 ms. It adds up how many calls it held at every moment;
*in flight* is the mean from the first call's arrival to the last one's end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

ROUNDS_OF_CALLS, LATENCY, KEY, MODEL = 15, 0.2, "key", "gpt-4o-mini"
REPLY = {
    "id": "c", "object": "chat.completion", "created": 1, "model": MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * 40}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1207, "completion_tokens": 41, "total_tokens": 1248},
}  # fmt: skip
Peer = Callable[[str, int, int], Awaitable[None]]


class Record:
    """The calls held at every moment, added up."""

    def __init__(self) -> None:
        self.held, self.sum, self.first, self.last = 0, 0.0, 0.0, 0.0

    def change(self, by: int) -> None:
        now = time.monotonic()
        self.first = self.first or now
        self.sum += self.held * (now - (self.last or now))
        self.held += by
        self.last = now


def serve(pipe: Connection) -> None:
    from aiohttp import web

    record, body = Record(), json.dumps(REPLY).encode()

    async def answer(request: web.Request) -> web.Response:
        record.change(1)
        await request.read()
        await asyncio.sleep(LATENCY)
        record.change(-1)
        return web.Response(body=body, content_type="application/json")

    async def main() -> None:
        application = web.Application()
        application.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        pipe.send(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        await asyncio.to_thread(pipe.recv)
        await runner.cleanup()

    asyncio.run(main())
    pipe.send(record.sum / (record.last - record.first))


def prompt(number: int) -> str:
    return f"{number} " + "word " * 1_200


async def bare_aiohttp(url: str, calls: int, allowed: int) -> None:
    import aiohttp

    gate = asyncio.Semaphore(allowed)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> None:
            body = {"model": MODEL, "max_tokens": 60, "messages": [{"role": "user", "content": prompt(number)}]}
            async with gate, session.post(f"{url}/chat/completions", json=body) as response:
                await response.json()

        await asyncio.gather(*map(one, range(calls)))


async def promptops(url: str, calls: int, allowed: int) -> None:
    import promptops as po
    from promptops.backends.openai import OpenAI
    from promptops.client import Client
    from promptops.tokens import counter

    backend = OpenAI(MODEL, base_url=url, api_key=KEY, counter=counter(MODEL))
    with Client(backend, concurrency=allowed) as client:
        asked = [po.Call((po.Message("user", prompt(number)),), 60) for number in range(calls)]
        await asyncio.gather(*map(client.complete, asked))
        await client.aclose()


async def openai_client(url: str, calls: int, allowed: int) -> None:
    import openai

    gate = asyncio.Semaphore(allowed)
    async with openai.AsyncOpenAI(base_url=url, api_key=KEY) as client:

        async def one(number: int) -> Any:
            async with gate:
                return await client.chat.completions.create(
                    model=MODEL, max_tokens=60, messages=[{"role": "user", "content": prompt(number)}]
                )

        await asyncio.gather(*map(one, range(calls)))


async def langchain(url: str, calls: int, allowed: int) -> None:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=url, api_key=KEY, max_tokens=60)
    await model.abatch([prompt(number) for number in range(calls)], {"max_concurrency": allowed})


PEERS: dict[str, Peer] = {
    "aiohttp": bare_aiohttp, "promptops": promptops, "openai": openai_client, "LangChain abatch": langchain,
}  # fmt: skip


def measure(peer: Peer, allowed: int) -> float:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    asyncio.run(peer(ours.recv(), ROUNDS_OF_CALLS * allowed, allowed))
    ours.send("done")
    mean: float = ours.recv()
    process.join()
    return mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--allowed", default="64,256")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS))
    options = parser.parse_args()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
    peers = options.peers.split(",")
    print(f"{'allowed':8}{'':20}{'in flight':>10}   ÷ {peers[0]}")
    for allowed in map(int, options.allowed.split(",")):
        for peer in peers:
            measure(PEERS[peer], 2)
        seen: dict[str, list[float]] = {peer: [] for peer in peers}
        for _ in range(options.rounds):
            for peer in peers:
                seen[peer].append(measure(PEERS[peer], allowed))
        for peer, means in seen.items():
            ratio = median(mean / first for mean, first in zip(means, seen[peers[0]], strict=True))
            print(f"{allowed:<8}{peer:20}{median(means):10.1f}   {ratio:5.2f}", flush=True)


if __name__ == "__main__":
    main()
