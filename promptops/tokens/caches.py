"""Fills tiktoken's own cache from the vocabularies at hand, so that tiktoken works without a network.

tiktoken fetches each vocabulary from a fixed address, keeps it in a directory under the SHA-1 of that address, and
checks its SHA-256. Both stand in ``tiktoken_ext.openai_public``; they are read from there by running its constructors
with a reader of ours in place of the one that fetches.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from promptops.errors import TokenizerError
from promptops.tokens.gpt2 import ranks_file
from promptops.tokens.registry import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable

_END = "<|endoftext|>"
_END_RANK = 50256
_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]


def export(name: str, directory: str | Path | None = None) -> list[Path]:
    """Write the files that tiktoken needs for the encoding ``name``; returns their paths.

    They go to ``directory``, else to ``TIKTOKEN_CACHE_DIR``, else to the directory that tiktoken uses by itself. Each
    is written only after its SHA-256 proves to be the one that tiktoken expects. ``TokenizerError`` where ``name`` is
    not an encoding of tiktoken's, where a hash differs, or where the directory cannot be written.
    """
    target = Path(directory) if directory is not None else cache_directory()
    paths = []
    for address, digest in _sources(name):
        data = _content(address)
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise TokenizerError(f"{address} as rebuilt here has sha256 {found}, but tiktoken expects {digest}")
        paths.append(_write(target / hashlib.sha1(address.encode()).hexdigest(), data))  # noqa: S324 - a file name
    return paths


def cache_directory() -> Path:
    """Where tiktoken looks for its files."""
    named = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    return Path(named) if named else Path(tempfile.gettempdir()) / "data-gym-cache"


def _sources(name: str) -> list[tuple[str, str]]:
    """The addresses and SHA-256 digests of what tiktoken fetches for one encoding."""
    from tiktoken_ext import openai_public

    constructor: Callable[[], object] | None = openai_public.ENCODING_CONSTRUCTORS.get(name)
    if constructor is None:
        known = ", ".join(sorted(openai_public.ENCODING_CONSTRUCTORS))
        raise TokenizerError(f"tiktoken has no encoding {name!r} to export; it has {known}")
    seen: list[tuple[str, str]] = []

    def ranks(tiktoken_bpe_file: str, expected_hash: str) -> dict[bytes, int]:
        seen.append((tiktoken_bpe_file, expected_hash))
        return {}

    def merges(
        vocab_bpe_file: str, encoder_json_file: str, vocab_bpe_hash: str, encoder_json_hash: str
    ) -> dict[bytes, int]:
        seen.extend([(vocab_bpe_file, vocab_bpe_hash), (encoder_json_file, encoder_json_hash)])
        return {}

    with mock.patch.multiple(openai_public, load_tiktoken_bpe=ranks, data_gym_to_mergeable_bpe_ranks=merges):
        constructor()
    return seen


def _content(address: str) -> bytes:
    stem = address.rpartition("/")[2]
    if stem == "vocab.bpe":
        return _merges_file()
    if stem == "encoder.json":
        return _encoder_file()
    name = stem.removesuffix(".tiktoken")
    return ranks_file(name) if name in {"r50k_base", "p50k_base"} else _ranks_of(name)


def _ranks_of(name: str) -> bytes:
    """The ``.tiktoken`` file of a bundled vocabulary, from the bytes of each of its tokens."""
    import splintr

    found = vocabulary(name)
    reserved = set(splintr.Tokenizer.from_pretrained(name).special_tokens().values())
    ranks = (rank for rank in range(found.size) if rank not in reserved)
    lines = ((found.token_bytes(rank), rank) for rank in ranks)
    return b"".join(b"%s %d\n" % (base64.b64encode(spelling), rank) for spelling, rank in lines if spelling)


def _ranks() -> list[bytes]:
    return [base64.b64decode(line.split()[0]) for line in ranks_file("gpt2").splitlines()]


def _letters() -> dict[int, str]:
    """GPT-2's way to write each byte as one printable character."""
    letters = {byte: chr(byte) for byte in _PRINTABLE}
    letters |= {byte: chr(256 + n) for n, byte in enumerate(byte for byte in range(256) if byte not in letters)}
    return letters


def _merges_file() -> bytes:
    """GPT-2's merges in order: each token of more than one byte, as the two that it is made of."""
    tokens = _ranks()
    order = {token: rank for rank, token in enumerate(tokens)}
    letters = _letters()
    lines = ["#version: 0.2"]
    for token in tokens[256:]:
        pair = _halves(token, order)
        lines.append(" ".join("".join(letters[byte] for byte in half) for half in pair))
    return ("\n".join(lines) + "\n").encode()


def _halves(token: bytes, order: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The last two parts of a token when its bytes are merged by every lower rank."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        ranks = [order.get(left + right, _END_RANK) for left, right in pairwise(parts)]
        at = ranks.index(min(ranks))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], parts[1]


def _encoder_file() -> bytes:
    letters = _letters()
    table = {"".join(letters[byte] for byte in token): rank for rank, token in enumerate(_ranks())}
    return json.dumps({**table, _END: _END_RANK}).encode()


def _write(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            part.write(data)
        Path(part.name).replace(path)
    except OSError as error:
        raise TokenizerError(f"cannot write tiktoken's file {path}: {error.strerror}") from None
    return path
