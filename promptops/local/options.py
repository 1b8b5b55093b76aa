"""What may be said of a local model behind its path: ``model.gguf,threads=4,kv=q8_0,lora=style.gguf:0.5``."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptops.errors import NotFoundError, UsageError
from promptops.local.settings import CACHE_TYPES, Lora
from promptops.modelfile import split


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """``engine`` overrides fields of ``EngineSettings``, ``sampling`` is for calls that do not say it themselves.

    ``shift`` lets an answer go on past the window.
    """

    engine: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    shift: bool = False


def parsed(text: str) -> tuple[str, LocalOptions]:
    """The path or ``hf:`` name in ``text``, and the options behind it; raises ``UsageError`` for a wrong one."""
    path, parts = split(text)
    engine: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    shift = False
    for part in parts:
        name, _, value = part.partition("=")
        if name in _SAMPLING:
            sampling[name] = _converted(name, value, _SAMPLING[name])
        elif name == "shift":
            shift = _converted(name, value, _truth)
        else:
            _engine(engine, name, value)
    return path, LocalOptions(engine, sampling, shift)


def _engine(into: dict[str, Any], name: str, value: str) -> None:
    if name == "kv":
        into["key_type"] = into["value_type"] = _converted(name, value, _cache)
    elif name == "lora":
        into["loras"] = (*into.get("loras", ()), _converted(name, value, _lora))
    elif name in _ENGINE:
        to, convert = _ENGINE[name]
        into[to] = _converted(name, value, convert)
    else:
        known = [*_ENGINE, "kv", "lora", "shift", *_SAMPLING]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise NotFoundError(f"a llama model has no option {name!r}; {hint}(options: {', '.join(sorted(known))})")


def _converted(name: str, value: str, convert: Callable[[str], Any]) -> Any:
    try:
        return convert(value)
    except ValueError as failure:
        raise UsageError(f"llama model option {name}={value!r}: {failure}") from None


def _number(least: int) -> Callable[[str], int]:
    def convert(value: str) -> int:
        if not value.lstrip("-").isdecimal() or int(value) < least:
            raise ValueError(f"it must be a whole number, {least} or more")
        return int(value)

    return convert


def _between(least: float, most: float) -> Callable[[str], float]:
    def convert(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = least - 1
        if not least <= found <= most:
            raise ValueError(f"it must be a number from {least:g} to {most:g}")
        return found

    return convert


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise ValueError("it must be true or false")
    return value.lower() == "true"


def _cache(value: str) -> str:
    if value not in CACHE_TYPES:
        raise ValueError(f"it must be one of {', '.join(CACHE_TYPES)}")
    return value


def _lora(value: str) -> Lora:
    """A path, and a scale behind a colon; kept absolute, since the engine's process works elsewhere."""
    path, colon, scale = value.rpartition(":")
    try:
        factor = float(scale) if colon else 1.0
    except ValueError:
        path, factor = value, 1.0
    found = Path(path if colon and path != value else value).expanduser().resolve()
    if not found.is_file():
        raise ValueError("there is no such file")
    if not math.isfinite(factor):
        raise ValueError("its scale must be a number")
    return Lora(str(found), factor)


def _folder(value: str) -> Path:
    return Path(value).expanduser().resolve()


_ENGINE: dict[str, tuple[str, Callable[[str], Any]]] = {
    "threads": ("threads", _number(1)),
    "sequences": ("sequences", _number(1)),
    "context": ("context", _number(1)),
    "batch": ("batch", _number(1)),
    "micro_batch": ("micro_batch", _number(1)),
    "key": ("key_type", _cache),
    "value": ("value_type", _cache),
    "flash": ("flash_attention", _truth),
    "mmap": ("mmap", _truth),
    "mlock": ("mlock", _truth),
    "repack": ("repack", _truth),
    "gpu_layers": ("gpu_layers", _number(-1)),
    "lookup": ("lookup", _number(0)),
    "prefixes": ("prefix_folder", _folder),
}

_SAMPLING: dict[str, Callable[[str], Any]] = {
    "temperature": _between(0, 5),
    "top_p": _between(0, 1),
    "top_k": _number(0),
    "min_p": _between(0, 1),
    "seed": _number(0),
    "repeat_penalty": _between(0, 5),
    "frequency_penalty": _between(-2, 2),
    "presence_penalty": _between(-2, 2),
}
