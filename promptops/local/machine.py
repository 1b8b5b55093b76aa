"""What this machine has for a local model: processor cores, free memory, and what its processor can do."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from promptops.errors import UsageError

_GROUPS = Path("/sys/fs/cgroup")
_PROBE_SECONDS = 20
_PROBE = """
import pathlib, tempfile
import llama_cpp
from promptops.testing.tiny_gguf import Shape, tiny_gguf
if b"AMX_INT8 = 1" in llama_cpp.llama_print_system_info():
    print("amx", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = tiny_gguf(pathlib.Path(folder, "tiny.gguf"), weights="Q8_0", shape=Shape(vocabulary=640))
        llama_cpp.Llama(str(path), n_ctx=64, n_threads=2, verbose=False).eval([1, 2, 3, 4, 5, 6, 7, 8])
"""
"""Decodes a tiny quantized model where the library multiplies in AMX tiles. Some compilers drop most of the stores to
the tile configuration, and such a build dies of it."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Physical ``cores`` that this process may use, free and all ``memory`` in bytes, the processor's ``features``.

    ``amx`` says that the installed library lays weights out for AMX tiles, ``faulty`` that it dies of them.
    """

    cores: int
    free: int
    memory: int
    features: frozenset[str] = frozenset()
    amx: bool = False
    faulty: bool = False


def this() -> Machine:
    """This machine, as far as its containers let this process use it.

    Raises ``UsageError`` where the extra ``local`` is missing.
    """
    try:
        import psutil
    except ImportError:
        raise UsageError("measuring this machine needs an extra: pip install 'promptops[local]'") from None
    memory = psutil.virtual_memory()
    limit = _limit()
    features = _features()
    amx, faulty = _amx() if "amx_int8" in features else (False, False)
    return Machine(
        cores=_cores(psutil.cpu_count(logical=False)),
        free=min(memory.available, limit[1]) if limit else memory.available,
        memory=min(memory.total, limit[0]) if limit else memory.total,
        features=features,
        amx=amx,
        faulty=faulty,
    )


def _cores(physical: int | None) -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = min(physical or allowed, allowed)
    for group in _groups():
        with suppress(OSError, ValueError):
            quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
            cores = min(cores, -(-int(quota) // int(period)))
    return max(1, cores)


def _limit() -> tuple[int, int] | None:
    """The tightest container's memory and what is left of it; the page cache counts as left."""
    found = [limit for group in _groups() if (limit := _limit_of(group))]
    return min(found, key=lambda limit: limit[1]) if found else None


def _limit_of(group: Path) -> tuple[int, int] | None:
    for most, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):
            limit = int((group / most).read_text(encoding="ascii"))
            taken = int((group / used).read_text(encoding="ascii"))
            counted = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
            return limit, max(0, limit - taken + int(counted.get(cache, 0)))
    return None


def _groups() -> list[Path]:
    """This process's control groups of version 2 and 1, from its own to the root."""
    found: list[Path] = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, kinds, path = line.split(":", 2)
            root = _GROUPS if not kinds else _GROUPS / kinds
            if not kinds or "memory" in kinds.split(","):
                own = root / path.lstrip("/")
                found += [own, *(above for above in own.parents if above.is_relative_to(root))]
    return found


def _features() -> frozenset[str]:
    """The flags of the processor as Linux names them; what every such processor has where nobody tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    return frozenset({"asimddp"} if platform.machine().lower() in {"arm64", "aarch64"} else {"avx2"})


@lru_cache(maxsize=1)
def _amx() -> tuple[bool, bool]:
    """Whether the library uses AMX, and whether it dies of it: tried in a process of its own."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False, False
    amx, died = b"amx" in done.stdout, done.returncode < 0
    return amx, amx and died
