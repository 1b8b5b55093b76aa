"""The engine in a process of its own: what crashes there is an error of the calls in flight here, and nothing more.

``python -m promptops.local.worker`` is that process (``serving``); ``Worker`` is its other end. Between them go
frames of JSON, over the process's standard input and output; whatever the native library prints goes to the log.
"""

from __future__ import annotations

from promptops.local.worker.worker import Asked, Worker

__all__ = ["Asked", "Worker"]
