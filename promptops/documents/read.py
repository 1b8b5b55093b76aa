"""The bytes of one file: never a file in the middle of a change, never a pipe that waits for ever."""

from __future__ import annotations

import errno
import os
import stat
import sys
from threading import Lock
from weakref import WeakKeyDictionary

from promptops.errors import DocumentError

TRIES = 3
_STDIN: WeakKeyDictionary[object, bytes | str] = WeakKeyDictionary()
_STDIN_LOCK = Lock()
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_KINDS = (
    (stat.S_ISFIFO, "is a named pipe; pass - and redirect it to standard input"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file; pass - to read standard input"),
    (stat.S_ISBLK, "is a device, not a file"),
)


def read(path: str) -> bytes:
    """The content of a regular file, all from one version of it.

    Raises:
        DocumentError: it is not a regular file, cannot be read, is gone, or changed during each of three readings.
    """
    try:
        for _ in range(TRIES):
            data = _read_once(path)
            if data is not None:
                return data
    except OSError as error:
        raise DocumentError(_why(path, error)) from error
    except MemoryError as error:
        message = "is too large for this machine's memory; split it"
        raise DocumentError(message) from error
    message = f"was changed during each of {TRIES} readings; wait until it is written, then run again"
    raise DocumentError(message)


def read_stdin() -> bytes | str:
    """All of standard input: bytes, or the text where a program has put a text stream in its place.

    It can be read only once and is remembered, since an estimate and the run after it both read every document.
    """
    if sys.stdin is None:
        message = "is closed; name a file"
        raise DocumentError(message)
    with _STDIN_LOCK:
        if sys.stdin not in _STDIN:
            try:
                _STDIN[sys.stdin] = getattr(sys.stdin, "buffer", sys.stdin).read()
            except (OSError, ValueError) as error:
                message = f"cannot be read: {error}"
                raise DocumentError(message) from error
        return _STDIN[sys.stdin]


def _read_once(path: str) -> bytes | None:
    """``None`` where the file changed meanwhile."""
    # Looked at before it is opened, since opening a pipe lets its writer go on, to nobody; and opened without
    # blocking, in case that a pipe has taken its place since.
    _require_regular(path, os.stat(path))  # noqa: PTH116 -- the path may hold what Path would rewrite
    descriptor = os.open(path, _READ)
    with os.fdopen(descriptor, "rb", buffering=0, closefd=True) as file:
        before = os.fstat(descriptor)
        _require_regular(path, before)
        data = file.readall()
        after = os.fstat(descriptor)
    # Files such as those of /proc say that they are empty; what they give is then what they hold.
    whole = len(data) == after.st_size or not after.st_size
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return data if whole and same else None


def _require_regular(path: str, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        os.listdir(path)  # noqa: PTH208 -- raises what kept `find` from searching it
        message = "is a folder; it could not be searched before, so run again"
        raise DocumentError(message)
    raise DocumentError(_kind(status))


def _kind(status: os.stat_result) -> str:
    return next((kind for test, kind in _KINDS if test(status.st_mode)), "is not a regular file")


def _why(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        link = os.path.islink(path)  # noqa: PTH114 -- the path may hold what Path would rewrite
        return "is a link to a file that does not exist" if link else "is not there any more; it was when the run began"
    if isinstance(error, PermissionError):
        return "cannot be read: permission denied; give yourself the right to read it"
    if error.errno == errno.EISDIR:
        return "is a folder, not a file"
    if error.errno == errno.ENXIO:
        return "is a socket, not a file"
    return f"cannot be read: {error.strerror or error}"
