"""The backend of llama:PATH.gguf: retries over crashes, streaming, cancelling, identity, wrong files."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import promptops as po
from promptops.backends.llama import Llama
from promptops.backends.spec import Options, backend
from promptops.client.verdict import Patience
from promptops.errors import (
    AccessError,
    NotFoundError,
    RejectedError,
    TemplateError,
    TransientError,
    UsageError,
    WindowError,
)
from promptops.local.options import parsed
from promptops.prices import FREE
from promptops.testing.tiny_gguf import BROKEN_TEMPLATE, tiny_gguf
from promptops.tokens import counter
from promptops.types import Call, Message

MOODY = str(Path(__file__).parent.parent / "local")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat model of 4,096 tokens of context."""
    return tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf", context=4096)


@pytest.fixture
def moody(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Llama]:
    """The backend over the engine that does as its prompt says."""
    monkeypatch.setenv("PYTHONPATH", MOODY)
    made = Llama(model, counter(tokenizer=str(model)), engine="moody_engine")
    yield made
    made.close()


def call(text: str, **more: Any) -> Call:
    return Call((Message("user", text),), 20, **more)


def client(made: Llama) -> po.Client:
    return po.Client(made, patience=Patience(first_wait=0.01))


def test_one_call_that_ends_the_process_does_not_end_the_run(moody: Llama) -> None:
    """Tried again, all others are answered; the ledger has a row for every attempt and no dollars."""

    async def ask() -> list[Any]:
        with client(moody) as connected:
            async with connected.in_use():
                texts = ["one", "two", "crash", "three"]
                replies = await asyncio.gather(
                    *(connected.complete(call(text)) for text in texts), return_exceptions=True
                )
            (row,) = connected.ledger.rows("model")
            return [*replies, row]

    one, two, crash, three, row = asyncio.run(ask())
    assert all(isinstance(reply, po.Reply) for reply in (one, two, three))
    assert isinstance(crash, RejectedError)
    assert "2 times by itself" in str(crash)
    assert (row.totals.calls, row.totals.usd) == (3, 0)
    assert row.failed >= 3


def test_a_killed_process_is_started_again_within_the_call(moody: Llama) -> None:
    """Nobody but the log and the ledger knows."""

    async def ask() -> po.Reply:
        with client(moody) as connected:
            async with connected.in_use():
                task = asyncio.create_task(connected.complete(call("slow at first")))
                await connected.complete(call("quick"))
                assert moody.pid is not None
                os.kill(moody.pid, signal.SIGKILL)
                await asyncio.sleep(0.2)
                task.cancel()
                return await connected.complete(call("quick again"))

    assert asyncio.run(ask()).text


def test_pieces_are_heard_in_the_event_loop_and_are_void_after_a_failure(moody: Llama) -> None:
    """In its own thread, before the reply."""
    heard: list[Any] = []

    class Ear:
        def piece(self, text: str) -> None:
            heard.append((text, threading.current_thread()))

        def again(self) -> None:
            heard.append("again")

    async def ask() -> po.Reply:
        reply = await moody.complete(call("one by one", listener=Ear()))
        await asyncio.sleep(0)
        return reply

    reply = asyncio.run(ask())
    assert "".join(text for text, _ in heard) == reply.text
    assert {thread for _, thread in heard} == {threading.current_thread()}


def test_a_cancelled_call_frees_the_engine(moody: Llama) -> None:
    """At once: another goes on, and closing finds nothing in flight."""

    async def ask() -> None:
        task = asyncio.create_task(moody.complete(call("slow")))
        await moody.complete(call("quick"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await moody.complete(call("quick"))
        pid = moody.pid
        moody.close()
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    asyncio.run(ask())


def test_a_call_has_the_time_it_is_given(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is cancelled, and another try may mend it."""
    monkeypatch.setenv("PYTHONPATH", MOODY)
    made = Llama(model, counter(tokenizer=str(model)), engine="moody_engine", timeout=0.5)

    async def ask() -> None:
        start = time.monotonic()
        with pytest.raises(TransientError, match=r"took more than 0\.5 seconds"):
            await made.complete(call("slow"))
        assert time.monotonic() - start < 5
        await made.complete(call("quick"))
        made.close()

    asyncio.run(ask())


def test_several_event_loops_share_one_process(moody: Llama) -> None:
    """One after another and at the same time, from threads."""
    pids: set[int | None] = set()

    async def ask(number: int) -> None:
        for turn in range(5):
            reply = await moody.complete(call(f"loop {number} turn {turn}"))
            assert reply.text
            pids.add(moody.pid)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(ask(n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 1


def test_a_client_keeps_the_model_loaded_between_runs(moody: Llama) -> None:
    """One process, whatever event loops come and go; it ends with the client, and the next one starts another."""
    pids: list[int | None] = []
    for _ in range(2):
        with po.connect(moody) as connected:
            for number in range(3):
                po.run("summarize", [po.Source(f"{number}", text=f"A river, {number}. " * 9)], connected, words=10)
                pids.append(moody.pid)
        assert moody.pid is None
    assert len(set(pids[:3])) == len(set(pids[3:])) == 1
    assert pids[0] != pids[3]
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_model_of_one_step_ends_with_the_run(moody: Llama) -> None:
    """Nobody else has it."""
    result = po.run("summarize", [po.Source("a", text="A river. " * 9)], "extractive", models={"map": moody}, words=10)
    assert result.usage.output_tokens > 0
    assert moody.pid is None


def test_one_that_nobody_closes_leaves_no_process(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes with the backend."""
    monkeypatch.setenv("PYTHONPATH", MOODY)
    made = Llama(model, counter(tokenizer=str(model)), engine="moody_engine")
    asyncio.run(made.complete(call("quick")))
    pid = made.pid
    assert pid is not None
    del made
    gc.collect()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
    else:
        pytest.fail("the process lives")


def test_it_is_known_by_its_content(model: Path, tmp_path: Path) -> None:
    """Wherever the file lies and whatever it is run with; not where answers would be others."""
    elsewhere = tmp_path / "copy.gguf"
    elsewhere.write_bytes(model.read_bytes())
    other = tiny_gguf(tmp_path / "other.gguf", context=4096, seed=1)
    one = backend(f"llama:{model}").identity
    assert one == backend(f"llama:{elsewhere},threads=1,sequences=2").identity
    assert (
        len({one, *(backend(f"llama:{spec}").identity for spec in (other, f"{model},kv=q8_0", f"{model},top_k=5"))})
        == 4
    )


def test_the_window_is_the_models_own_at_most(model: Path, tmp_path: Path) -> None:
    """As asked where that is no more; 8,192 tokens where nobody says."""
    assert backend(f"llama:{model}").window == 4096
    for spec, window in ((f"llama:{model}", 100_000), (f"llama:{model},context=4097", None)):
        with pytest.raises(UsageError, match=r"than the 4,096 that .*say --window 4096 at most"):
            backend(spec, Options(window=window))
    assert backend(f"llama:{model}", Options(window=1000)).window == 1000
    assert backend(f"llama:{model},context=2000").window == 2000
    assert backend(f"llama:{tiny_gguf(tmp_path / 'long.gguf', context=100_000)}").window == 8192


def test_it_costs_tokens_and_no_dollars(model: Path) -> None:
    """And planning starts no process."""
    made = backend(f"llama:{model}")
    assert made.price is FREE
    assert made.counter.exact
    estimate = po.plan("summarize", [po.Source("a", text="A river. " * 300)], f"llama:{model}", words=20)
    assert estimate.expected.usd == 0
    assert estimate.expected.input_tokens > 900
    assert made.pid is None  # type: ignore[attr-defined]


def test_options_of_the_model_are_for_calls_that_do_not_say_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a chain says of a step wins."""
    path, options = parsed(f"{model},temperature=0.5,top_k=3")
    made = Llama(path, counter(tokenizer=path), options=options)
    asked = call("x", take=1)
    said = made._frame(asked)["sampling"]
    assert (said["temperature"], said["top_k"], said["top_p"], said["seed"]) == (0.5, 3, 1.0, 1)
    said = made._frame(replace(asked, sampling=po_sampling(temperature=0.1, seed=7)))["sampling"]
    assert (said["temperature"], said["top_k"], said["seed"]) == (0.1, 3, 7)


def po_sampling(**given: Any) -> Any:
    from promptops.types import Sampling

    return Sampling(**given)


BAD = {
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
    "page": (b"<!DOCTYPE html><html>", "web page"),
    "text": (b"this is my model", "not a GGUF file"),
    "empty": (b"", "empty"),
    "newer": (b"GGUF\x09\0\0\0" + bytes(64), "version is 9"),
    "damaged": (b"GGUF\x03\0\0\0" + b"\xff" * 64, "claims"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_model_is_one_line(kind: str, tmp_path: Path) -> None:
    """Wrong usage, before anything is started."""
    content, said = BAD[kind]
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as failure:
        backend(f"llama:{path}")
    assert "\n" not in str(failure.value)
    assert "model.gguf" in str(failure.value)


def test_a_file_that_cannot_be_run_is_one_line(model: Path, tmp_path: Path) -> None:
    """Missing, cut short, without weights, with a broken template."""
    with pytest.raises(NotFoundError, match=r"nowhere\.gguf"):
        backend("llama:nowhere.gguf")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(model.read_bytes()[:-5000])
    with pytest.raises(UsageError, match="is cut"):
        backend(f"llama:{cut}")
    with pytest.raises(UsageError, match="no weights"):
        backend(f"llama:{tiny_gguf(tmp_path / 'vocabulary.gguf', kind='vocabulary')}")
    with pytest.raises(TemplateError, match="its chat template cannot be used"):
        backend(f"llama:{tiny_gguf(tmp_path / 'broken.gguf', template=BROKEN_TEMPLATE)}")
    with pytest.raises(NotFoundError, match=r"did you mean threads\?"):
        backend(f"llama:{model},thread=2")


def test_vectors_come_from_embedding_models_only(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty texts, texts over the window and chat models are refused before anything is sent."""
    monkeypatch.setenv("PYTHONPATH", MOODY)
    path = tiny_gguf(tmp_path / "embed.gguf", kind="embedding", context=512)
    made = Llama(path, counter(tokenizer=str(path)), engine="moody_engine")
    with po.connect(made) as connected:
        assert po.embed(["a", "다리"], connected)[0] == [1.0, 0.5]
        (row,) = connected.ledger.rows("step")
        assert (row.key, row.totals.calls, row.totals.input_tokens, row.totals.usd) == ("embed", 1, 7, 0)
        with pytest.raises(UsageError, match="text 2 of 2 is empty"):
            po.embed(["a", " "], connected)
        with pytest.raises(WindowError, match=r"text 1 of 1: .* pass the window of 512 by"):
            po.embed(["word " * 1000], connected)
        with pytest.raises(UsageError, match="a list of texts"):
            po.embed("a", connected)
        with pytest.raises(AccessError, match="is an embedding model"):
            asyncio.run(made.complete(call("x")))
    with pytest.raises(UsageError, match="is a chat model and gives no vectors"):
        po.embed(["a"], f"llama:{model}")
    with pytest.raises(UsageError, match="extractive gives no vectors"):
        po.embed(["a"], "extractive")
