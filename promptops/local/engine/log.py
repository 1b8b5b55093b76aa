"""The native library's chatter: into ``logging`` at debug level, never to the terminal; its last errors at hand."""

from __future__ import annotations

import ctypes
import logging
import re
from collections import deque
from typing import Any

_log = logging.getLogger("promptops.local.llama")
_ERROR, _CONTINUED = 4, 5
_LEVELS = {1: "debug", 2: "info", 3: "warning", _ERROR: "error"}
_EMPTY = {"failed to load model", "failed to initialize the context"}
"""What it says beside a reason."""
_PREFACE = re.compile(r"error loading model: |failed to apply lora adapter: ")
_UNKNOWN = re.compile(r"unknown (?:model architecture|pre-tokenizer)")
_NEWER = "; a newer llama-cpp-python may know it"
_complaints: deque[str] = deque(maxlen=8)
_callback: Any = None
_last = 0


def listen() -> None:
    """Take the library's log over, and forget what it complained of so far."""
    import llama_cpp

    global _callback  # noqa: PLW0603 - the library has one log per process, and holds only a pointer
    if _callback is None:
        _callback = llama_cpp.llama_log_callback(_hear)
    llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))
    _complaints.clear()


def reason() -> str:
    """What the library last complained of, in one line."""
    lines = [line.split(": ", 1)[-1] if line.startswith("llama_") else line for line in _complaints]
    telling = [line for line in lines if line not in _EMPTY] or lines
    said = _PREFACE.sub("", "; ".join(dict.fromkeys(telling))).rstrip(": ")
    return (said + _NEWER if _UNKNOWN.search(said) else said) or "the library gave no reason"


def _hear(level: int, text: bytes, _: Any) -> None:
    global _last  # noqa: PLW0603 - a continued line has the level of the one before
    line = text.decode("utf-8", "replace").strip()
    _last = _last if level == _CONTINUED else level
    if not line.strip(". "):
        return
    if _last == _ERROR:
        _complaints.append(line)
    _log.debug("%s: %s", _LEVELS.get(_last, "note"), line)
