"""tiktoken as the oracle, made to work offline by promptops' own export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import tiktoken
from tiktoken_ext import openai_public

from promptops.tokens import export

ENCODINGS = sorted(openai_public.ENCODING_CONSTRUCTORS)


@pytest.fixture(scope="session")
def tiktoken_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory of tiktoken's files, all written by ``export``, that tiktoken reads while it is in use."""
    directory = tmp_path_factory.mktemp("tiktoken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(directory))
        for name in ENCODINGS:
            export(name)
        yield directory


@pytest.fixture(scope="session")
def oracle(tiktoken_cache: Path) -> Callable[[str], tiktoken.Encoding]:
    """Tiktoken's own encodings by name."""
    return cache(tiktoken.get_encoding)
