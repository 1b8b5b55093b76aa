"""The worker process: ``python -m promptops.local.worker PARENT``, where ``PARENT`` is the id of who started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
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

    status = 1
    try:
        serve(given, answers)
        status = 0
    except Exception:  # noqa: BLE001 - into the log, with everything else
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(status)  # a thread still reads, which Python would wait for


def _die_with(parent: int) -> None:
    """Ask the system to end this process when the parent's thread does; it may have ended already."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.name == "posix" and os.getppid() != parent:
        os._exit(0)


main()
