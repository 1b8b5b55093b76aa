"""The worker process: ``python -m promptops.local.worker PARENT``, where ``PARENT`` is the id of who started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress

_SET_DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of Linux's ``prctl``."""


def main() -> None:
    """Serve until the other end closes, whatever happens to whoever started it."""
    _die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to judge
    given, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    quiet = os.open(os.devnull, os.O_RDONLY)
    os.dup2(quiet, 0)
    os.dup2(2, 1)  # what native code prints must not get between the frames

    from promptops.local.worker.serving import serve

    serve(given, answers)


def _die_with(parent: int) -> None:
    """Ask the system to end this process when the parent's thread does; it may have ended already."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.name == "posix" and os.getppid() != parent:
        os._exit(0)


main()
