"""Processor time per call at 64 in flight and no latency, beside the clients that others use.

    python benchmarks/overhead.py [--calls 640] [--rounds 5] [--only promptops,openai]

Each contestant sends the same prompts of 6 kB, every one different after a common system message, from a process of its
own to a server in another; counted is the processor time of the contestant's process, user and system, from after its
first 64 calls to its last. Rounds are interleaved, and a ratio is the median of its rounds' ratios. *promptops* is the
whole path: store and ledger in a file, a budget in US dollars, exact counts. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

IN_FLIGHT = 64
KEY = "k"
MODEL = "gpt-4o-mini"
SYSTEM = "Summarize the document in a few sentences, in its own language, without adding anything. " * 6
ANSWER = "The rivers carry sediment to the sea, and the delta grows by a hand's breadth every year. " * 6

Send = Callable[[int], Awaitable[object]]


@cache
def prompt(number: int) -> str:
    """About 5.5 kB of words that no other prompt has in this order; made before the clock runs."""
    words = ("river", "delta", "sediment", "harbour", "flood", "season", "bridge", "valley", "water", "stone")
    order = [words[(number * 7 + place * place + place * number) % len(words)] for place in range(880)]
    return f"Document {number}. " + " ".join(order)


def messages(number: int) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt(number)}]


async def serve() -> None:
    """As little of a server as will do, so that it never keeps a client waiting."""
    usage = {"prompt_tokens": 1_000, "completion_tokens": 120, "total_tokens": 1_120}
    message = {"role": "assistant", "content": ANSWER, "refusal": None}
    body = json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}], "usage": usage,
    }).encode()  # fmt: skip
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                length = asked.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
                await reader.readexactly(int(length))
                writer.write(head + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def spread(send: Send, numbers: range) -> None:
    """Send them all, 64 at a time."""
    left = iter(numbers)

    async def worker() -> None:
        for number in left:
            await send(number)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


async def timed(send: Send, calls: int) -> float:
    for number in range(IN_FLIGHT + calls):
        prompt(number)
    await spread(send, range(IN_FLIGHT))
    start = time.process_time()
    await spread(send, range(IN_FLIGHT, IN_FLIGHT + calls))
    return time.process_time() - start


async def promptops(url: str, calls: int) -> float:
    import promptops as po
    from promptops.types import Tags

    def call(number: int) -> po.Call:
        tags = Tags("run", "summarize", "map", "summarize/map@1", f"{number}.md")
        return po.Call(tuple(po.Message(**one) for one in messages(number)), 200, tags=tags)  # type: ignore[arg-type]

    with tempfile.TemporaryDirectory() as folder:
        connection = {"base_url": url, "max_usd": 100, "concurrency": IN_FLIGHT}
        with po.connect(f"openai:{MODEL}", store=Path(folder) / "store.db", **connection) as client:
            taken = await timed(lambda number: client.complete(call(number)), calls)
            await client.aclose()
    return taken


async def aiohttp(url: str, calls: int) -> float:
    """A bare POST and its JSON."""
    from aiohttp import ClientSession, TCPConnector

    async with ClientSession(connector=TCPConnector(limit=IN_FLIGHT)) as session:

        async def send(number: int) -> Any:
            body = {"model": MODEL, "messages": messages(number), "max_tokens": 200}
            async with session.post(f"{url}/chat/completions", json=body) as response:
                return (await response.json())["choices"][0]["message"]["content"]

        return await timed(send, calls)


async def _openai(url: str, calls: int, **options: Any) -> float:
    import openai

    async with openai.AsyncOpenAI(base_url=url, api_key=KEY, **options) as client:

        async def send(number: int) -> Any:
            return await client.chat.completions.create(model=MODEL, messages=messages(number), max_tokens=200)  # type: ignore[arg-type]

        return await timed(send, calls)


async def openai(url: str, calls: int) -> float:
    from openai import DefaultAioHttpClient

    return await _openai(url, calls, http_client=DefaultAioHttpClient())


async def openai_default(url: str, calls: int) -> float:
    return await _openai(url, calls)


async def langchain(url: str, calls: int) -> float:
    """``abatch``, which is how LangChain says to send many."""
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=url, api_key=KEY, max_tokens=200)  # type: ignore[arg-type, call-arg]
    config: Any = {"max_concurrency": IN_FLIGHT}

    async def batch(numbers: range) -> None:
        asked: list[Any] = [[tuple(one.values()) for one in messages(number)] for number in numbers]
        await model.abatch(asked, config=config)

    for number in range(IN_FLIGHT + calls):
        prompt(number)
    await batch(range(IN_FLIGHT))
    start = time.process_time()
    await batch(range(IN_FLIGHT, IN_FLIGHT + calls))
    return time.process_time() - start


async def litellm(url: str, calls: int) -> float:
    import litellm as lite

    lite.suppress_debug_info = True

    async def send(number: int) -> Any:
        return await lite.acompletion(
            f"openai/{MODEL}", messages(number), base_url=url, api_key=KEY, max_tokens=200, num_retries=3
        )

    return await timed(send, calls)


async def litellm_router(url: str, calls: int) -> float:
    from litellm import Router

    place = {"model": f"openai/{MODEL}", "api_base": url, "api_key": KEY}
    router = Router(model_list=[{"model_name": MODEL, "litellm_params": place}], num_retries=3)

    async def send(number: int) -> Any:
        return await router.acompletion(MODEL, messages(number), max_tokens=200)  # type: ignore[arg-type]

    return await timed(send, calls)


CONTESTANTS: dict[str, Callable[[str, int], Awaitable[float]]] = {
    "promptops": promptops,
    "aiohttp": aiohttp,
    "openai": openai,
    "openai_default": openai_default,
    "langchain": langchain,
    "litellm": litellm,
    "litellm_router": litellm_router,
}
NEEDS = {"langchain": "langchain_openai", "litellm_router": "litellm"}


def measured(name: str, url: str, calls: int) -> float:
    """Milliseconds of processor time per call, in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--url", url, "--calls", str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def rounds(names: list[str], url: str, calls: int, number: int) -> Iterator[dict[str, float]]:
    for turn in range(number):
        order = names[turn % len(names) :] + names[: turn % len(names)]
        yield {name: measured(name, url, calls) for name in order}


def report(names: list[str], seen: list[dict[str, float]]) -> None:
    bases = [base for base in ("aiohttp", "openai", "langchain") if base in names]
    print("| processor time per call | ms |" + "".join(f" ÷ {base} |" for base in bases))
    print("|---|---|" + "---|" * len(bases))
    for name in names:
        ratios = [statistics.median(one[name] / one[base] for one in seen) for base in bases]
        middle = statistics.median(one[name] for one in seen)
        print(f"| {name} | {middle:.2f} |" + "".join(f" {ratio:.2f} |" for ratio in ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--one", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
    elif options.one:
        print(asyncio.run(CONTESTANTS[options.one](options.url, options.calls)) / options.calls * 1e3)  # type: ignore[arg-type]
    else:
        names = options.only.split(",") if options.only else list(CONTESTANTS)
        names = [name for name in names if find_spec(NEEDS.get(name, name.removesuffix("_default")))]
        with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1" if server.stdout else ""
            try:
                report(names, list(rounds(names, url, options.calls, options.rounds)))
            finally:
                server.kill()


if __name__ == "__main__":
    main()
