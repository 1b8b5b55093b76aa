"""A prompt cache as providers have one: what a prompt has in common with one already answered is read from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from promptops.testing.answers import ids

LEAST = 1024
STEP = 128
"""Tokens from which a beginning is kept, and in which it grows."""

_AROUND = (-1, -1, -1, -1)
"""What stands around each message in a prompt, so that borders count."""


class Prefixes:
    """The beginnings of prompts that were answered, for each model."""

    def __init__(self) -> None:
        self._kept: set[bytes] = set()

    def cached(self, body: Mapping[str, Any]) -> int:
        """Tokens of this request that the cache holds."""
        found = 0
        for tokens, digest in _beginnings(body):
            if digest not in self._kept:
                break
            found = tokens
        return found

    def keep(self, body: Mapping[str, Any]) -> None:
        """Its reply is finished, so that from now on others find its beginning."""
        self._kept.update(digest for _, digest in _beginnings(body))


def _beginnings(body: Mapping[str, Any]) -> Iterator[tuple[int, bytes]]:
    """Every beginning that can be kept, the shortest first: its tokens and a digest."""
    schema = json.dumps(body.get("response_format"), sort_keys=True)
    read = [token for one in body["messages"] for token in (*_AROUND, one["role"], *ids(str(one["content"])))]
    digest = hashlib.sha256(f"{body['model']}\0{schema}".encode())
    for end in range(STEP, len(read) + 1, STEP):
        digest.update(repr(read[end - STEP : end]).encode())
        if end >= LEAST:
            yield end, digest.digest()
