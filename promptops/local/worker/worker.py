"""The engine's process as one thing that can be asked, whatever happens to the process.

It is started with the first call and again after a death. The calls in flight at a death fail, and are suspects: each
goes alone when it is asked again, so that one which ends the process ends nobody else's call with it. What has done so
twice alone is refused.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field

from promptops.errors import AccessError, EngineError, RejectedError, TransientError
from promptops.local.worker.frames import Frame
from promptops.local.worker.process import Process

_ALONE = 2
"""Deaths with one call alone in flight that show it to be the cause."""
_STARTS = 2
"""Deaths in a row before the model was loaded after which it is not tried again."""

_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


@dataclass(slots=True, eq=False)
class Asked:
    """One thing that is asked of the engine: its frame, what tells it from others, and where its answer goes."""

    frame: Frame
    cause: Hashable
    piece: Callable[[str], None] | None = None
    answer: Future[Frame] = field(default_factory=Future)


class Worker:
    """Asks the engine in its process; safe to use from any thread.

    ``load`` is the frame that begins a process, ``name`` stands at the head of every error, and ``silence`` is the
    seconds without a sign of life after which a process with calls in flight counts as hung.
    """

    def __init__(self, load: Frame, name: str, *, silence: float) -> None:
        self._load = load
        self._name = name
        self.silence = silence
        self._renew()
        _workers.add(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._process: Process | None = None
        self._ready = self._ever_ready = False
        self._unable: str | None = None
        self._failed_starts = 0
        self._number = 0
        self._waiting: deque[Asked] = deque()
        self._going: dict[int, Asked] = {}
        self._suspects: set[Hashable] = set()
        self._alone: Counter[Hashable] = Counter()

    @property
    def pid(self) -> int | None:
        """The process's id, while there is one."""
        return None if self._process is None else self._process.pid

    def ask(self, asked: Asked) -> None:
        """Ask; ``asked.answer`` gets the frame that answers, or an error. Never waits."""
        with self._lock:
            if self._alone[asked.cause] >= _ALONE:
                asked.answer.set_exception(self._guilty())
                return
            self._waiting.append(asked)
            self._send()

    def cancel(self, asked: Asked) -> None:
        """Nobody waits for it any more: the engine drops it at once."""
        with self._lock:
            if asked in self._waiting:
                self._waiting.remove(asked)
            for number, going in list(self._going.items()):
                if going is asked and self._process is not None:
                    self._process.tell({"kind": "cancel", "id": number})

    def watch(self) -> None:
        """End the process if it has been silent for too long; whoever waits for an answer calls this now and then."""
        with self._lock:
            process = self._process
            if process is not None and self._going and time.monotonic() - process.last_heard > self.silence:
                process.kill()

    def close(self, *, even_busy: bool = False) -> None:
        """End the process unless calls of others are in flight; the next call starts another. Waits for it."""
        with self._lock:
            process = self._process
            busy = any(not asked.answer.done() for asked in (*self._going.values(), *self._waiting))
            if process is None or (busy and not even_busy):
                return
            self._process = None
            self._going.clear()  # those that are left are cancelled, and the engine has not said so yet
        process.close()

    def forget(self) -> None:
        """In a process that was forked off: what is started belongs to whom we were forked from."""
        if self._process is not None:
            self._process.forget()
        self._renew()

    def _send(self) -> None:
        """Hand on what waits: a suspect by itself, anything else side by side."""
        while self._waiting:
            suspect = self._waiting[0].cause in self._suspects
            if self._going and (suspect or next(iter(self._going.values())).cause in self._suspects):
                return
            process = self._process or self._start()
            asked = self._waiting.popleft()
            self._number += 1
            self._going[self._number] = asked
            if len(self._going) == 1:
                process.last_heard = time.monotonic()  # it had nothing to say before
            process.tell({**asked.frame, "id": self._number})

    def _start(self) -> Process:
        """A process, which does not keep this object: one that nobody has any more lets its process go."""
        self._ready = False
        started: list[Process] = []
        hear, mourn = weakref.WeakMethod(self._hear), weakref.WeakMethod(self._mourn)
        process = Process(
            lambda frame: (method := hear()) and method(started, frame),
            lambda how: (method := mourn()) and method(started, how),
        )
        started.append(process)
        self._process = process
        process.tell({**self._load, "debug": process.debug})
        weakref.finalize(self, process.let_go).atexit = False
        return process

    def _hear(self, started: list[Process], frame: Frame) -> None:
        """Take a frame in, unless it is from a process that is not ours any more."""
        with self._lock:
            if self._process in started:
                self._heard(frame)

    def _mourn(self, started: list[Process], how: str) -> None:
        """The same for a process's end."""
        with self._lock:
            if self._process in started:
                self._died(how)

    def _heard(self, frame: Frame) -> None:
        kind = frame["kind"]
        if kind == "ready":
            self._ready, self._ever_ready, self._failed_starts = True, True, 0
        elif kind == "unable":
            self._unable = frame["message"]
        elif kind == "piece":
            asked = self._going.get(frame["id"])
            if asked is not None and asked.piece is not None:
                asked.piece(frame["text"])
        elif kind != "alive":
            self._answered(frame)

    def _answered(self, frame: Frame) -> None:
        asked = self._going.pop(frame["id"], None)
        if asked is not None:
            self._suspects.discard(asked.cause)
            self._alone.pop(asked.cause, None)
            _settle(asked.answer, frame)
        self._send()

    def _died(self, how: str) -> None:
        """Fail what was in flight and go on with what waits."""
        self._process = None
        going, self._going = list(self._going.values()), {}
        error: Callable[[], Exception] = self._gone(how)
        if self._ready:
            self._suspects |= {asked.cause for asked in going}
            if len(going) == 1:
                self._alone[going[0].cause] += 1
                if self._alone[going[0].cause] >= _ALONE:
                    error = self._guilty
        for asked in going:
            _settle(asked.answer, error())
        self._send()

    def _gone(self, how: str) -> Callable[[], Exception]:
        """Which error the death is to those in flight.

        Every call would meet one that no load survives: the model cannot be run, or not any more where it could.
        """
        vain = AccessError if self._ever_ready else EngineError
        unable, self._unable = self._unable, None
        if unable is not None:
            return lambda: vain(f"{self._name}: {unable}")
        self._failed_starts += not self._ready
        if self._failed_starts >= _STARTS:
            return lambda: vain(f"{self._name}: cannot be loaded: its process {how}, {_STARTS} times")
        when = "" if self._ready else " while it loaded the model"
        return lambda: TransientError(f"{self._name}: the local engine's process {how}{when}")

    def _guilty(self) -> Exception:
        return RejectedError(f"{self._name}: this call has ended the local engine's process {_ALONE} times by itself")


def _settle(answer: Future[Frame], outcome: Frame | Exception) -> None:
    """Answer, unless whoever asked has gone."""
    if not answer.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def _after_fork() -> None:
    for worker in list(_workers):
        worker.forget()


def _at_exit() -> None:
    for worker in list(_workers):
        worker.close(even_busy=True)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
