"""One worker process as whoever started it sees it: starting it, talking to it, noticing its death.

Everything that can block has a thread of its own: one starts the process and reads from it, one writes to it, one moves
what native code prints to the log. The thread that starts it lives as long as the process, since on Linux the process
is ended with that thread, not only with all of us.
"""

from __future__ import annotations

import io
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

import promptops
from promptops.local.worker.frames import Frame, encode, frames

_LOG = logging.getLogger("promptops.local")

_WAITING = {"OMP_WAIT_POLICY": "passive"}
"""Threads of the library that wait for each other sleep. By default they spin, which where others use the processor too
keeps those from running that are waited for: calls then take ten times as long (``benchmarks/local.py --waiting``)."""

_PATIENCE = 5.0
"""Seconds that a process gets to end by itself."""


class Process:
    """A child that serves frames.

    ``heard`` gets each that it tells, ``died`` once the way it ended; both in a thread of this object's own.
    """

    def __init__(self, heard: Callable[[Frame], None], died: Callable[[str], None]) -> None:
        self._heard = heard
        self._died = died
        self._outbox: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = False
        self._owner = os.getpid()
        self.last_heard = time.monotonic()
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="promptops-worker", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The child's id, while there is one."""
        return self._child.pid if self._child is not None else None

    @property
    def ours(self) -> bool:
        """Whether this process started it; one that was forked off did not, whatever its memory says."""
        return self._owner == os.getpid()

    @property
    def debug(self) -> bool:
        """Whether anybody wants to know what native code prints."""
        return _LOG.isEnabledFor(logging.DEBUG)

    def tell(self, frame: Frame) -> None:
        """Send a frame; never waits."""
        self._outbox.put(frame)

    def kill(self) -> None:
        """End it at once; ``died`` is told."""
        if self._child is not None and self.ours:
            with suppress(OSError):
                self._child.kill()

    def close(self) -> None:
        """Ask it to end and wait until it has, for a few seconds at most, then end it at once."""
        self.let_go()
        if self.ours and not self.ended.wait(_PATIENCE):
            self.kill()
            self.ended.wait(_PATIENCE)

    def let_go(self) -> None:
        """Ask it to end, without waiting."""
        if self.ours:
            self._ending = True
            self._outbox.put({"kind": "end"})

    def forget(self) -> None:
        """In a process that was forked off: close our copies of its pipes, so that it sees its real owner's end."""
        if self._child is not None:
            _close(self._child)
            self._child.returncode = 0  # it is no child of ours

    def _live(self) -> None:
        try:
            child = self._child = _start()
        except OSError as failure:
            self._over(f"could not be started: {failure}")
            return
        helpers = [
            threading.Thread(target=_write, args=(child, self._outbox), daemon=True),
            threading.Thread(target=_log, args=(child.stderr,), daemon=True),
        ]
        for helper in helpers:
            helper.start()
        try:
            self._listen(child)
        except Exception:  # noqa: BLE001 - whatever it is, nobody may wait for it for good
            _LOG.exception("the local engine's process cannot be understood")
            child.kill()
        status = _waited(child)
        self._outbox.put(None)
        for helper in helpers:
            helper.join()
        _close(child)
        self._over("was closed" if self._ending else _how(status))

    def _listen(self, child: subprocess.Popen[bytes]) -> None:
        if child.stdout is not None:
            with _buffered(child.stdout) as stream:
                for frame in frames(stream):
                    self.last_heard = time.monotonic()
                    self._heard(frame)

    def _over(self, how: str) -> None:
        self._died(how)
        self.ended.set()


def _start() -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C in a terminal does not reach it."""
    home = Path(promptops.__file__).parent.parent
    return subprocess.Popen(  # noqa: S603 - it is this very Python
        [sys.executable, "-m", "promptops.local.worker", str(os.getpid())],
        cwd=home,  # where it finds the same promptops
        env=_WAITING | os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # a buffer would have a lock, which a forked process could find locked for good
        start_new_session=True,
    )


def _buffered(stream: IO[bytes]) -> BinaryIO:
    """For one reader only, who ends with the process."""
    return io.BufferedReader(cast("io.RawIOBase", stream))


def _waited(child: subprocess.Popen[bytes]) -> int:
    """Its status; it has closed its pipe, so it is ending."""
    try:
        return child.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _close(child: subprocess.Popen[bytes]) -> None:
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _write(child: subprocess.Popen[bytes], outbox: queue.SimpleQueue[Frame | None]) -> None:
    while (frame := outbox.get()) is not None:
        left = memoryview(encode(frame))
        with suppress(OSError, ValueError):  # it has ended, which the reading thread tells
            while left and child.stdin is not None:
                left = left[child.stdin.write(left) :]


def _log(stream: IO[bytes]) -> None:
    with _buffered(stream) as lines:
        for line in lines:
            _LOG.debug("%s", line.decode("utf-8", "replace").rstrip())


def _how(status: int) -> str:
    """A process's end in words."""
    if status >= 0:
        return f"ended by itself with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was ended by {name}" + (", perhaps for lack of memory" if name == "SIGKILL" else "")
