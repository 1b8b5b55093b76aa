"""What the README and the examples show is run, so that it stays true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from promptops.testing import KEY, FakeOpenAI

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def run(command: list[str], server: FakeOpenAI | None, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """In a folder that has nothing but the examples, with a server of ours in the provider's place."""
    if not (tmp_path / "examples").exists():
        (tmp_path / "examples").symlink_to(ROOT / "examples")
    ours = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY} if server else {}
    environment = {
        **os.environ,
        **ours,
        "PROMPTOPS_STORE": str(tmp_path / "store.db"),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("code", blocks("python"))
def test_the_readmes_python_runs(code: str, fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    """Each block by itself, from top to bottom."""
    done = run([sys.executable, "-c", code], fake_openai, tmp_path)
    assert done.returncode == 0, done.stderr


def commands() -> list[str]:
    lines = "\n".join(blocks("bash")).splitlines()
    return [line for line in lines if line.startswith("promptops ") and "ledger" not in line]


@pytest.mark.parametrize("line", commands())
def test_the_readmes_commands_run(line: str, fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    """As they stand there, and the ledger after them."""
    done = run([sys.executable, "-m", *shlex.split(line)], fake_openai, tmp_path)
    assert done.returncode == 0, done.stderr
    ledger = run([sys.executable, "-m", "promptops", "ledger", "--by", "document"], fake_openai, tmp_path)
    assert ledger.returncode == 0, ledger.stderr


@pytest.mark.parametrize("block", blocks("console"))
def test_the_readme_shows_what_is_printed(block: str, tmp_path: Path) -> None:
    """To the token and the character; prices are other people's to change."""
    line, shown = block.split("\n", 1)
    done = run([sys.executable, "-m", *shlex.split(line.removeprefix("$ "))], None, tmp_path)
    assert re.sub(r"\$\S+", "$", done.stdout) == re.sub(r"\$\S+", "$", shown)


def test_the_readmes_template_is_the_examples() -> None:
    """One text, in both places."""
    (shown,) = blocks("jinja")
    assert shown == (ROOT / "examples/own_chain/templates/minutes/actions.j2").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_the_examples_run(script: Path, fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    """Each script, without a key."""
    done = run([sys.executable, str(script)], fake_openai, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not fake_openai.requests
