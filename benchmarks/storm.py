"""What is lost, and what is paid twice, where a fifth of all requests meets a fault; and how much of a budget is used.

    python benchmarks/storm.py [--calls 100]

Each fault of the fake provider in turn, and some HTTP statuses. *Lost*: calls without a usable answer in the end.
*Again*: requests for a prompt that had been answered already. *Off*: tokens by which the ledger's known sums differ
from what the server billed and told. promptops is a run of a chain, and another where the first is not complete, as a
person would once the fault is mended; LangChain is ``abatch`` with six retries, openai the bare client behind a
semaphore with its own two. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

import promptops as po
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.testing import FAULTS, KEY, FakeOpenAI, Fault
from promptops.types import Tags, Totals

IN_FLIGHT = 64
TIMEOUT = 1.0
STATUSES = ("429", "500", "502", "503", "504", "529")
UNHEARD = {"drop", "reset", "reset_body", "hang", "malformed", "not_object", "error200"}
USABLE = {"", "slow", "no_usage", "zero_usage"}
Send = Callable[[FakeOpenAI, int], Awaitable[list[Any]]]


def text(number: int) -> str:
    return f"<document>\nText {number} says so. {'One more line of it. ' * 40}\n</document>"


def connected(server: FakeOpenAI, **options: Any) -> Client:
    backend = po.connect("openai:gpt-4o-mini", base_url=server.base_url, timeout=TIMEOUT, **options)
    return Client(
        backend.backend, backend.database, budget=backend.budget, concurrency=IN_FLIGHT,
        patience=Patience(first_wait=0.02, longest_wait=0.2),
    )  # fmt: skip


async def promptops(server: FakeOpenAI, calls: int) -> list[Any]:
    sources = [po.Source(f"{number}", text=text(number)) for number in range(calls)]
    with connected(server) as client:
        result = await po.arun("summarize", sources, client, corpus=False)
        if result.status != "ok":
            server.mend()
            server.runs = 2  # type: ignore[attr-defined]
            result = await po.arun("summarize", sources, client, corpus=False)
        rows = client.ledger.rows("model")
    server.known = Totals.sum(row.totals for row in rows if not row.possibly_billed)  # type: ignore[attr-defined]
    return [document.text if document.status == "ok" else "" for document in result.documents]


async def openai(server: FakeOpenAI, calls: int) -> list[Any]:
    from openai import AsyncOpenAI, DefaultAioHttpClient

    places = asyncio.Semaphore(IN_FLIGHT)
    client = AsyncOpenAI(base_url=server.base_url, api_key=KEY, timeout=TIMEOUT, http_client=DefaultAioHttpClient())

    async def one(number: int) -> str:
        async with places:
            asked: Any = [{"role": "user", "content": text(number)}]
            reply = await client.chat.completions.create(model="gpt-4o-mini", messages=asked, max_tokens=80)
            return reply.choices[0].message.content or "" if reply.choices[0].finish_reason == "stop" else ""

    async with client:
        return await asyncio.gather(*map(one, range(calls)), return_exceptions=True)


async def langchain(server: FakeOpenAI, calls: int) -> list[Any]:
    from langchain_openai import ChatOpenAI

    options: Any = {"base_url": server.base_url, "api_key": KEY, "max_tokens": 80, "timeout": TIMEOUT, "max_retries": 6}
    model = ChatOpenAI(model="gpt-4o-mini", **options)
    asked: list[Any] = [text(number) for number in range(calls)]
    replies = await model.abatch(asked, config={"max_concurrency": IN_FLIGHT}, return_exceptions=True)
    return [getattr(reply, "content", "") if _whole(reply) else "" for reply in replies]


def _whole(reply: Any) -> bool:
    return getattr(reply, "response_metadata", {}).get("finish_reason") == "stop"


CONTESTANTS: dict[str, Send] = {"promptops": promptops, "openai": openai, "langchain": langchain}
NEEDS = {"langchain": "langchain_openai"}


def stormed(send: Send, fault: str, calls: int) -> tuple[int, int, str]:
    """Calls lost, requests sent again though answered, and tokens that the ledger is off, after how many runs."""
    with FakeOpenAI() as server:
        seconds = 0.2 if fault == "slow" else 30.0
        server.fail(*[Fault(fault if turn % 5 == 2 else "", seconds=seconds) for turn in range(calls)])
        answers = asyncio.run(send(server, calls))
        answered = Counter(str(seen.body["messages"]) for seen in server.requests if seen.fault in USABLE)
        told = [seen for seen in server.requests if seen.billed and seen.fault not in UNHEARD]
    lost = sum(not (isinstance(answer, str) and answer.strip()) for answer in answers)
    known: Totals | None = getattr(server, "known", None)
    billed = sum(seen.input_tokens + seen.output_tokens for seen in told)
    off = "" if known is None else f"{abs(known.tokens - billed)} · {getattr(server, 'runs', 1)}"
    return lost, sum(answered.values()) - len(answered), off


def storm(names: list[str], calls: int) -> None:
    print(
        f"| {calls} calls, of 20 % each | " + " | ".join(f"{name}: lost · again" for name in names) + " | off · runs |"
    )
    print("|---|" + "---|" * (len(names) + 1))
    sums: dict[str, Counter[str]] = {name: Counter() for name in names}
    for fault in (*FAULTS, *STATUSES):
        found = {name: stormed(CONTESTANTS[name], fault, calls) for name in names}
        for name, (lost, again, _) in found.items():
            sums[name].update(lost=lost, again=again)
        shown = " | ".join(f"{lost} · {again}" for lost, again, _ in found.values())
        print(f"| {fault} | {shown} | {found['promptops'][2]} |", flush=True)
    print("| **all** | " + " | ".join(f"**{sums[name]['lost']} · {sums[name]['again']}**" for name in names) + " | |")


async def through(client: Client, calls: int) -> list[Any]:
    asked = [po.Call((po.Message("user", text(number)),), 80, tags=Tags("run")) for number in range(calls)]
    try:
        return await asyncio.gather(*map(client.complete, asked), return_exceptions=True)
    finally:
        await client.aclose()


def budget(calls: int) -> None:
    """What is spent of a cap at two fifths of the job, by the server's own count."""
    from promptops.tokens import counter

    count = counter(tokenizer="o200k_base").count
    print(f"\n| budget, {calls} calls | cap in tokens | spent | share | time |\n|---|---|---|---|---|")
    cap = sum(count(text(number)) + 7 + 40 for number in range(calls)) * 2 // 5
    for in_flight in (1, 16, 64):
        with FakeOpenAI(latency=0.02) as server, connected(server, max_tokens=cap) as client:
            client.concurrency = in_flight
            start = time.monotonic()
            asyncio.run(through(client, calls))
            spent = server.billed["input_tokens"] + server.billed["output_tokens"]
            shown = f"{spent:,} | {spent / cap:.3f} | {time.monotonic() - start:.1f} s"
            print(f"| {in_flight} in flight | {cap:,} | {shown} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100)
    options = parser.parse_args()
    storm([name for name in CONTESTANTS if find_spec(NEEDS.get(name, name))], options.calls)
    budget(4 * options.calls)


if __name__ == "__main__":
    main()
