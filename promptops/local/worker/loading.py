"""From frames to the engine's own values: the settings that it is loaded with, and each request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from promptops.errors import UsageError
from promptops.local.settings import EngineSettings, Lora
from promptops.local.worker.frames import Frame

ENGINE = "promptops.local.engine"
"""The module that has ``Engine`` and ``Request``."""


class EngineProtocol(Protocol):
    """What of an engine is used here; see ``promptops.local.engine``."""

    busy: bool
    window: int
    begin: int
    add_begin: bool

    def tokenize(self, text: str, special: bool = False) -> list[int]:
        """Ids of a text."""
        ...

    def submit(self, request: Any) -> None:
        """Begin a request."""
        ...

    def cancel(self, number: int) -> None:
        """End one at once; from any thread."""
        ...

    def step(self) -> Sequence[Any]:
        """Move on by one decode at most."""
        ...

    def embed(self, lists: list[list[int]]) -> Sequence[Sequence[float]]:
        """A vector for each list of ids."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine, and the module that it is from."""

    engine: EngineProtocol
    module: Any


def load(frame: Frame) -> Loaded:
    """The engine that a ``load`` frame asks for; raises ``UsageError`` in one line."""
    try:
        module = import_module(frame["engine"])
    except ImportError as failure:
        raise UsageError(f"local models need an extra: pip install 'promptops[local]' ({failure})") from None
    return Loaded(module.Engine(_settings(frame["settings"])), module)


def settings_frame(settings: EngineSettings) -> dict[str, Any]:
    """Settings as JSON can hold them."""
    plain = {name: getattr(settings, name) for name in EngineSettings.__dataclass_fields__}
    folder = settings.prefix_folder
    return plain | {
        "loras": [[lora.path, lora.scale] for lora in settings.loras],
        "prefix_folder": None if folder is None else str(folder),
    }


def _settings(plain: dict[str, Any]) -> EngineSettings:
    folder = plain["prefix_folder"]
    return EngineSettings(
        **plain
        | {
            "loras": tuple(Lora(path, scale) for path, scale in plain["loras"]),
            "prefix_folder": None if folder is None else Path(folder),
        }
    )


def request(module: Any, frame: Frame, tokens: tuple[int, ...], rules: str | None) -> Any:
    """The engine's own request for an ``ask`` frame."""
    said = dict(frame["sampling"])
    stop = tuple(said.pop("stop"))
    if "loras" in said:
        said["loras"] = tuple(Lora(path, scale) for path, scale in said["loras"])
    return module.Request(
        id=frame["id"], tokens=tokens, most=frame["most"], stop=stop, grammar=rules, expected=frame["expected"],
        shift=frame["shift"], stream=frame["stream"], **said,
    )  # fmt: skip
