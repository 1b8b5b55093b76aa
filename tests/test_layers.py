"""The house: imports go one way, and the package costs nothing to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import promptops

PACKAGE = Path(promptops.__file__).parent
ROOMS = [
    ["types", "shaped"],
    ["errors", "testing"],
    ["resources", "yamlfile", "text", "hub", "modelfile", "tokens", "prices", "tools"],
    ["documents", "counting", "chunking", "citing", "prompts", "extract", "local"],
    ["plans"],
    ["chains"],
    ["store", "budget", "ceilings", "admission"],
    ["backends"],
    ["client"],
    ["drivers", "amounts", "blocking"],
    ["api"],
    ["report"],
    ["integrations"],
    ["cli", "pytest_plugin"],
    ["__init__", "__main__"],
]
HEIGHT = {room: height for height, rooms in enumerate(ROOMS) for room in rooms}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("promptops"):
            tail = node.module.split(".")[1:]
            names = [tail[0]] if tail else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("promptops.")]
        yield from names


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_room_imports_a_higher_one(path: Path) -> None:
    """Lower rooms never know higher ones."""
    here = room(path)
    above = {name for name in imported(path) if name in HEIGHT and HEIGHT[name] > HEIGHT[here]}
    assert not above, f"{path.relative_to(PACKAGE)} imports {sorted(above)}"


def test_every_room_has_its_height() -> None:
    """A new room is given its place."""
    assert {room(path) for path in PACKAGE.rglob("*.py")} <= set(HEIGHT)


def test_importing_the_package_pulls_in_nothing_heavy() -> None:
    """Whoever imports promptops pays for what is used, when it is used."""
    heavy = "{'openai', 'langchain_core', 'llama_cpp', 'numpy', 'jinja2', 'pydantic', 'tiktoken', 'splintr'}"
    script = f"import sys, promptops; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
