"""The hosted backend against a server that others wrote: llama_cpp.server over a tiny model."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import promptops as po
from promptops.testing.tiny_gguf import tiny_gguf
from promptops.types import Call, Message, Sampling

pytest.importorskip("llama_cpp.server.app", reason="it needs the extra llama-cpp-python[server]")

WINDOW = 2048


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server on loopback: its address, and the model that it serves."""
    model = tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf", context=WINDOW)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--n_ctx", str(WINDOW)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_threads", "1"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/v1", server)
        yield f"http://127.0.0.1:{port}/v1", model
    finally:
        server.terminate()
        server.wait(30)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}/models").close()  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the server did not start")


def connect(served: tuple[str, Path]) -> po.Client:
    url, model = served
    return po.connect("openai:tiny", base_url=url, tokenizer=str(model), window=WINDOW)


def test_an_answer_is_counted_by_the_server_as_by_us(served: tuple[str, Path]) -> None:
    """To the token: what it adds around the messages is the same for every text."""

    async def ask() -> list[po.Reply]:
        with connect(served) as client:
            async with client.in_use():
                texts = ("hello", "다리와 강 🌉 " * 9)
                calls = [Call((Message("user", text),), 12, sampling=Sampling(temperature=0.0)) for text in texts]
                return [await client.complete(call) for call in calls]

    short, long = asyncio.run(ask())
    by = connect(served).backend.counter
    assert short.usage.input_tokens - by.count("hello") == long.usage.input_tokens - by.count("다리와 강 🌉 " * 9)
    assert (short.finish, short.usage.output_tokens, short.usage.estimated) == ("length", 12, False)


def test_a_run_goes_through_and_its_ledger_is_the_servers_word(served: tuple[str, Path]) -> None:
    """Whatever a model that babbles says."""
    with connect(served) as client:
        result = po.run("summarize", [po.Source("a", text="A river runs. " * 40)], client, words=10, corpus=False)
        (row,) = client.ledger.rows("run")
    assert result.status in {"ok", "incomplete"}
    assert result.text
    assert row.totals == result.usage
    assert not row.estimated
