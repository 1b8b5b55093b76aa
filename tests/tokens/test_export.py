"""tiktoken's cache, filled from here, so that tiktoken works without a network."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiktoken_ext import openai_public

from promptops.errors import TokenizerError
from promptops.tokens import caches, export

ENCODINGS = sorted(openai_public.ENCODING_CONSTRUCTORS)


@pytest.mark.parametrize("name", ENCODINGS)
def test_tiktoken_reads_what_was_exported(name: str, tmp_path: Path) -> None:
    """In a process of its own, with only this encoding's files and a proxy that leads nowhere, tiktoken encodes."""
    paths = export(name, tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    code = (
        f"import tiktoken; e = tiktoken.get_encoding({name!r}); assert e.decode(e.encode('한글 text')) == '한글 text'"
    )
    environment = {**os.environ, "TIKTOKEN_CACHE_DIR": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_the_directory_is_tiktokens_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a directory, files go where tiktoken looks."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "made"))
    (path,) = export("r50k_base")
    assert path.parent == tmp_path / "made"
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith("306cd27f")
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    assert caches.cache_directory().name == "data-gym-cache"


def test_a_wrong_rebuild_is_never_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What does not have the hash that tiktoken expects stays out of its cache."""
    monkeypatch.setattr(caches, "ranks_file", lambda _: b"IQ== 0\n")
    with pytest.raises(TokenizerError, match="sha256"):
        export("r50k_base", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_not_tiktokens_is_an_error(tmp_path: Path) -> None:
    """The message lists what can be exported."""
    with pytest.raises(TokenizerError, match=r"llama3.*o200k_base"):
        export("llama3", tmp_path)


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file in the place of the directory is named."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(TokenizerError, match="taken"):
        export("r50k_base", tmp_path / "taken")
