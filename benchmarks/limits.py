"""Against rate limits: 300 calls of about 1,500 tokens, 600 requests and 300,000 tokens a minute, beside others.

    python benchmarks/limits.py [--variants bucket,halved] [--peers promptops,langchain] [--rounds 3] [--scale 8]

The server is the fake provider in a process of its own; with ``--scale 8`` a minute takes it 7.5 s. *Ideal* is the time
of somebody who knows the limits beforehand and sends each call as soon as it may pass; with a rival on the same key it
is the time by which the limit had given, beside what the rival took, as many tokens as were used.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from promptops.testing import KEY, MODEL, FakeOpenAI, Limiter

CALLS, OUTPUT, LATENCY, PLACES = 300, 200, 0.8, 64
VARIANTS: dict[str, dict[str, Any]] = {
    "bucket": {},
    "halved": {"changes": ((10.0, 0.5),)},
    "unannounced": {"announced": False},
    "unannounced, no retry-after": {"announced": False, "waits": False},
    "rival": {"rival": 0.3},
    "sliding": {"kind": "sliding"},
    "rejected counted": {"counts_rejected": True},
}
Peer = Callable[[str, list[str], float], Awaitable[int]]


def limiter(variant: str, scale: float) -> Limiter:
    options = dict(VARIANTS[variant])
    options["changes"] = tuple((moment / scale, factor) for moment, factor in options.get("changes", ()))
    return Limiter(per=60 / scale, **options)


def serve(variant: str, scale: float, pipe: Connection) -> None:
    """The server's process: says its address, then what it saw."""
    limits = limiter(variant, scale)
    with FakeOpenAI(latency=LATENCY / scale, limiter=limits) as server:
        pipe.send(server.base_url)
        pipe.recv()
        last = limits.passed[-1][0] if limits.passed else 0.0
        left = limits.allowed(last) - limits.rival_tokens_taken
        pipe.send((limits.rejected, [tokens for _, tokens in limits.passed], limits.taken / left))


@dataclass
class Outcome:
    ratio: float
    rejected: int
    lost: int


def ideal(variant: str, scale: float, charges: list[float]) -> float:
    """Seconds for somebody who knows."""
    limits, now = limiter(variant, scale), 0.0
    for charge in charges:
        while (wait := limits.wait(charge, now)) > 0:
            now += wait + 1e-6
        limits.ask(charge, now)
    return now + LATENCY / scale


def measure(peer: Peer, variant: str, scale: float) -> Outcome:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(variant, scale, theirs), daemon=True)
    process.start()
    url = ours.recv()
    start = time.monotonic()
    answered = asyncio.run(peer(url, prompts(), scale))
    seconds = time.monotonic() - start
    ours.send("done")
    rejected, charges, used = ours.recv()
    process.join()
    ratio = 1 / used if "rival" in VARIANTS[variant] else seconds / ideal(variant, scale, charges)
    return Outcome(ratio, rejected, CALLS - answered)


def warm(peer: Peer) -> None:
    """Import and load what it needs, at a server without limits."""
    with FakeOpenAI() as server:
        asyncio.run(peer(server.base_url, prompts()[:2], 100.0))


def prompts() -> list[str]:
    return [f"<document>\n{number} " + "word " * (1280 + number % 7 * 6) + "\n</document>" for number in range(CALLS)]


async def counted(tasks: list[Awaitable[Any]]) -> int:
    """How many came back with an answer."""
    return sum(not isinstance(one, BaseException) for one in await asyncio.gather(*tasks, return_exceptions=True))


async def promptops(url: str, texts: list[str], scale: float) -> int:  # noqa: ARG001 - all peers take the same
    import promptops as po
    from promptops.backends.openai import OpenAI
    from promptops.client import Client
    from promptops.tokens import counter

    backend = OpenAI(MODEL, base_url=url, api_key=KEY, counter=counter(MODEL))
    with Client(backend, concurrency=PLACES) as client:
        calls = [po.Call((po.Message("user", text),), OUTPUT, expected_output_tokens=60) for text in texts]
        try:
            return await counted([client.complete(call) for call in calls])
        finally:
            await client.aclose()


def openai_client(url: str, **options: Any) -> Any:
    import openai

    return openai.AsyncOpenAI(base_url=url, api_key=KEY, http_client=openai.DefaultAioHttpClient(), **options)


async def bare(url: str, texts: list[str], places: int) -> int:
    """The openai client behind a semaphore."""
    gate = asyncio.Semaphore(places)
    async with openai_client(url) as client:

        async def one(text: str) -> Any:
            async with gate:
                return await client.chat.completions.create(
                    model=MODEL, max_tokens=OUTPUT, messages=[{"role": "user", "content": text}]
                )

        return await counted([one(text) for text in texts])


async def openai_64(url: str, texts: list[str], scale: float) -> int:  # noqa: ARG001
    return await bare(url, texts, 64)


async def openai_8(url: str, texts: list[str], scale: float) -> int:  # noqa: ARG001
    return await bare(url, texts, 8)


async def tenacity(url: str, texts: list[str], scale: float) -> int:
    """As OpenAI's cookbook has it."""
    from tenacity import retry, stop_after_attempt, wait_random_exponential

    async with openai_client(url, max_retries=0) as client:

        @retry(wait=wait_random_exponential(min=1 / scale, max=60 / scale), stop=stop_after_attempt(6))
        async def one(text: str) -> Any:
            return await client.chat.completions.create(
                model=MODEL, max_tokens=OUTPUT, messages=[{"role": "user", "content": text}]
            )

        return await counted([one(text) for text in texts])


async def _langchain(url: str, texts: list[str], **options: Any) -> int:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=MODEL, base_url=url, api_key=KEY, max_tokens=OUTPUT, **options)
    answers = await model.abatch(texts, return_exceptions=True)
    return sum(not isinstance(answer, BaseException) for answer in answers)


async def langchain(url: str, texts: list[str], scale: float) -> int:  # noqa: ARG001
    return await _langchain(url, texts)


async def langchain_limited(url: str, texts: list[str], scale: float) -> int:
    """Told the true rate: 300,000 tokens a minute are 200 of these calls."""
    from langchain_core.rate_limiters import InMemoryRateLimiter

    pace = InMemoryRateLimiter(requests_per_second=200 / 60 * scale, check_every_n_seconds=0.01)
    return await _langchain(url, texts, rate_limiter=pace)


async def litellm_retries(url: str, texts: list[str], scale: float) -> int:  # noqa: ARG001
    import litellm

    litellm.suppress_debug_info = True
    return await counted([
        litellm.acompletion(
            f"openai/{MODEL}", [{"role": "user", "content": text}], api_base=url, api_key=KEY, max_tokens=OUTPUT,
            num_retries=6,
        )
        for text in texts
    ])  # fmt: skip


async def litellm_router(url: str, texts: list[str], scale: float) -> int:
    import litellm

    litellm.suppress_debug_info = True
    given = {"model": f"openai/{MODEL}", "api_base": url, "api_key": KEY, "rpm": 600 * scale, "tpm": 300_000 * scale}
    router = litellm.Router([{"model_name": "m", "litellm_params": given}], num_retries=6)
    return await counted(
        [router.acompletion("m", [{"role": "user", "content": text}], max_tokens=OUTPUT) for text in texts]
    )


PEERS: dict[str, Peer] = {
    "promptops": promptops,
    "LangChain abatch": langchain,
    "LangChain InMemoryRateLimiter": langchain_limited,
    "LiteLLM num_retries=6": litellm_retries,
    "LiteLLM Router": litellm_router,
    "openai, 64 at once": openai_64,
    "openai, 8 at once": openai_8,
    "tenacity random exponential": tenacity,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default=";".join(VARIANTS), help="names, parted by ;")
    parser.add_argument("--peers", default=";".join(PEERS), help="names, parted by ;")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--scale", type=float, default=8.0)
    options = parser.parse_args()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it would ask the network for its prices
    print(f"{'':34}{'':32}time ÷ ideal   429s   lost")
    for variant in options.variants.split(";"):
        peers = options.peers.split(";")
        for peer in peers:
            warm(PEERS[peer])
        seen: dict[str, list[Outcome]] = {peer: [] for peer in peers}
        for _ in range(options.rounds):
            for peer in peers:
                seen[peer].append(measure(PEERS[peer], variant, options.scale))
        for peer, outcomes in seen.items():
            ratio = median(outcome.ratio for outcome in outcomes)
            rejected = "–".join(sorted({f"{one.rejected}" for one in outcomes}, key=int))
            lost = max(outcome.lost for outcome in outcomes)
            print(f"{variant:34}{peer:32}{ratio:12.3f}   {rejected:>6}  {lost:5}", flush=True)


if __name__ == "__main__":
    main()
