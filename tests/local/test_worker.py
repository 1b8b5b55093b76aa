"""The worker: real processes that crash, hang, are killed and are left behind by whoever started them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from promptops.errors import CallError, EngineError, RejectedError, TransientError
from promptops.local.settings import EngineSettings
from promptops.local.worker import Asked, Worker
from promptops.local.worker.loading import settings_frame

HERE = Path(__file__).parent
PATIENCE = 30


def load(path: str = "model.gguf") -> dict[str, Any]:
    return {"kind": "load", "engine": "moody_engine", "settings": settings_frame(EngineSettings(path))}


def asked(text: str, *, piece: Any = None) -> Asked:
    sampling = {"temperature": 0.0, "stop": []}
    frame = {
        "kind": "ask", "pieces": [text], "most": 20, "sampling": sampling, "schema": None, "expected": None,
        "shift": False, "stream": piece is not None,
    }  # fmt: skip
    return Asked(frame, text, piece)


def ask(worker: Worker, *texts: str) -> list[Future[dict[str, Any]]]:
    every = [asked(text) for text in texts]
    for one in every:
        worker.ask(one)
    return [one.answer for one in every]


def outcome(answer: Future[dict[str, Any]]) -> Any:
    try:
        return answer.result(PATIENCE)["text"]
    except CallError as failure:
        return type(failure)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends within reason."""
    until = time.monotonic() + PATIENCE
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not alive(pid)


@pytest.fixture(autouse=True)
def moody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's process finds the engine of these tests."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(load(), "llama:model.gguf", silence=60)
    yield made
    made.close(even_busy=True)


def test_it_starts_with_the_first_call_and_ends_when_closed(worker: Worker) -> None:
    """And starts again with the next."""
    assert worker.pid is None
    (first,) = ask(worker, "a river")
    assert outcome(first) == "a river"
    pid = worker.pid
    assert pid is not None
    worker.close()
    assert gone(pid)
    (second,) = ask(worker, "a bridge 다리")
    assert outcome(second) == "a bridge 다리"
    assert worker.pid != pid


def test_one_process_serves_every_thread(worker: Worker) -> None:
    """Answers find whoever asked."""
    found: dict[str, Any] = {}

    def use(name: str) -> None:
        found[name] = outcome(ask(worker, name)[0])

    threads = [threading.Thread(target=use, args=(f"thread {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {f"thread {number}": f"thread {number}" for number in range(8)}


def test_closing_leaves_the_calls_of_others_alone(worker: Worker) -> None:
    """One event loop is done while another still waits."""
    slow, quick = ask(worker, "slow", "quick")
    assert outcome(quick) == "quick"
    worker.close()
    assert not slow.done()
    assert worker.pid is not None
    assert alive(worker.pid)


def test_a_kill_is_an_error_of_the_calls_in_flight_and_nothing_more(worker: Worker) -> None:
    """They can be asked again at once."""
    answers = ask(worker, "slow one", "slow two")
    assert outcome(ask(worker, "quick")[0]) == "quick"
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    for answer in answers:
        with pytest.raises(TransientError, match="was ended by SIGKILL, perhaps for lack of memory"):
            answer.result(PATIENCE)
    assert outcome(ask(worker, "again")[0]) == "again"


def test_a_call_that_ends_the_process_again_and_again_fails_alone(worker: Worker) -> None:
    """The first time it takes the others with it; they are asked again, and answered."""
    texts = ["one", "two", "crash", "three"]
    done: dict[str, Any] = {}
    for _ in range(6):
        open_ = [text for text in texts if done.get(text, TransientError) is TransientError]
        done |= dict(zip(open_, map(outcome, ask(worker, *open_)), strict=True))
    assert done == {"one": "one", "two": "two", "three": "three", "crash": RejectedError}
    assert worker.pid is not None or outcome(ask(worker, "more")[0]) == "more"


def test_a_guilty_call_is_refused_without_a_process(worker: Worker) -> None:
    """It has been tried alone, twice."""
    for _ in range(2):
        outcome(ask(worker, "crash")[0])
    (answer,) = ask(worker, "crash")
    assert answer.done()
    with pytest.raises(RejectedError, match="2 times by itself"):
        answer.result()


def test_a_hung_decode_is_ended() -> None:
    """After so long without a sign of life; a call that merely takes long gives signs."""
    worker = Worker(load(), "llama:model.gguf", silence=1.2)
    (answer,) = ask(worker, "hang")
    until = time.monotonic() + PATIENCE
    while not answer.done() and time.monotonic() < until:
        worker.watch()
        time.sleep(0.02)
    assert outcome(answer) is TransientError
    (slow,) = ask(worker, "slow")
    for _ in range(75):
        worker.watch()
        time.sleep(0.02)
    assert not slow.done()
    worker.close(even_busy=True)


def test_a_cancelled_call_leaves_the_engine(worker: Worker) -> None:
    """So that closing finds nothing in flight."""
    slow = asked("slow")
    worker.ask(slow)
    assert outcome(ask(worker, "quick")[0]) == "quick"
    worker.cancel(slow)
    assert slow.answer.result(PATIENCE)["finish"] == "cancelled"
    pid = worker.pid
    worker.close()
    assert pid is not None
    assert gone(pid)


def test_pieces_arrive_before_the_answer(worker: Worker) -> None:
    """In order."""
    heard: list[str] = []
    streamed = asked("one by one", piece=heard.append)
    worker.ask(streamed)
    assert streamed.answer.result(PATIENCE)["text"] == "".join(heard) == "one by one"


def test_native_chatter_goes_to_the_log(
    worker: Worker, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """At debug level; neither stream of ours gets a line, and no frame is torn."""
    with caplog.at_level(logging.DEBUG, "promptops.local"):
        assert outcome(ask(worker, "chatter")[0]) == "chatter"
        worker.close()
    assert {"native words on standard output", "native words on standard error"} <= set(caplog.messages)
    assert capfd.readouterr() == ("", "")


def test_what_the_engine_refuses_fails_that_call_only(worker: Worker) -> None:
    """In its own words."""
    bad, good = ask(worker, "fail", "fine")
    assert bad.result(PATIENCE)["message"] == "it was told to fail"
    assert outcome(good) == "fine"


def test_a_model_that_cannot_be_loaded_is_an_error_that_stops() -> None:
    """Every call would fail the same way; so would every start after two that ended in a crash."""
    worker = Worker(load("unloadable.gguf"), "llama:unloadable.gguf", silence=60)
    with pytest.raises(EngineError, match=r"llama:unloadable\.gguf: it is not to be loaded"):
        ask(worker, "x")[0].result(PATIENCE)
    deadly = Worker(load("deadly.gguf"), "llama:deadly.gguf", silence=60)
    with pytest.raises(TransientError, match="was ended by SIGABRT while it loaded the model"):
        ask(deadly, "x")[0].result(PATIENCE)
    with pytest.raises(EngineError, match="2 times"):
        ask(deadly, "x")[0].result(PATIENCE)
    assert worker.pid is deadly.pid is None


PARENT = """
import sys, time
sys.path.insert(0, {here!r})
from test_worker import ask, load
from promptops.local.worker import Worker
worker = Worker(load(), "llama:model.gguf", silence=60)
(answer,) = ask(worker, {text!r})
quick, = ask(worker, "quick") if {text!r} == "slow" else (None,)
while worker.pid is None or (quick and not quick.done()): time.sleep(.01)
print(worker.pid, flush=True)
{then}
"""


def parent(text: str, then: str) -> tuple[subprocess.Popen[str], int]:
    script = PARENT.format(here=str(HERE), text=text, then=then)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("text", ["slow", "hang"])
def test_a_parent_killed_leaves_no_worker_behind(text: str) -> None:
    """Whether it was decoding or hung."""
    process, pid = parent(text, "time.sleep(60)")
    assert alive(pid)
    process.kill()
    process.wait()
    process.stdout.close()  # type: ignore[union-attr]
    assert gone(pid)


def test_a_parent_that_ends_takes_its_worker_along() -> None:
    """Without being told to close it, and without a word."""
    process, pid = parent("slow", "")
    assert process.wait(PATIENCE) == 0
    process.stdout.close()  # type: ignore[union-attr]
    assert gone(pid)


def test_ctrl_c_is_the_parents_alone() -> None:
    """The whole group of processes gets it from a terminal; the worker is in none of ours."""
    process, pid = parent("slow", "time.sleep(60)")
    assert os.getpgid(pid) != os.getpgid(process.pid)
    os.kill(pid, signal.SIGINT)
    time.sleep(0.1)
    assert alive(pid)
    process.kill()
    process.wait()
    process.stdout.close()  # type: ignore[union-attr]


FORKED = """
pid = os.fork()
if pid == 0:
    assert worker.pid is None
    assert ask(worker, "forked")[0].result(30)["text"] == "forked"
    worker.close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert ask(worker, "still here")[0].result(30)["text"] == "still here"
worker.cancel(one)
worker.close()
"""


def test_a_forked_process_has_a_worker_of_its_own() -> None:
    """And the one it was forked from keeps its own, with the call in flight."""
    then = "import os\nfrom test_worker import asked\none = asked('slow')\nworker.ask(one)" + FORKED
    process, _ = parent("first", then)
    assert process.wait(PATIENCE) == 0
    process.stdout.close()  # type: ignore[union-attr]


def test_a_worker_that_nobody_has_any_more_ends(worker: Worker) -> None:
    """Without being closed."""
    lost = Worker(load(), "llama:model.gguf", silence=60)
    assert outcome(ask(lost, "x")[0]) == "x"
    pid = lost.pid
    assert pid is not None
    del lost
    assert gone(pid)
