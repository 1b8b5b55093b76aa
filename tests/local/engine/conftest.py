"""Tiny models for the engine, and a way to open it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.engine.support import Open


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A model whose greedy replies are decided by wide margins, a random one, one for vectors, one without weights."""
    pytest.importorskip("llama_cpp", reason="the engine needs the extra 'local'")
    pytest.importorskip("gguf", reason="tiny models are written by the extra 'local'")
    from promptops.testing.tiny_gguf import tiny_gguf

    folder = tmp_path_factory.mktemp("models")
    kinds = {"sure": "separated", "random": "chat", "vectors": "embedding", "vocabulary": "vocabulary"}
    return {name: str(tiny_gguf(folder / f"{name}.gguf", kind=kind)) for name, kind in kinds.items()}  # type: ignore[arg-type]


@pytest.fixture
def engine(models: dict[str, str]) -> Iterator[Open]:
    """Opens engines and closes them."""
    from promptops.local.engine import Engine
    from promptops.local.settings import EngineSettings

    opened: list[Engine] = []

    def open_one(model: str = "sure", **settings: Any) -> Engine:
        chosen: dict[str, Any] = {"context": 512, "sequences": 4, "threads": 1, "repack": False} | settings
        opened.append(Engine(EngineSettings(models.get(model, model), **chosen)))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
