"""Computed prefixes, kept as the library's own state: in memory between calls, in files across runs.

A file is keyed by the model and the settings that shape its cache, and carries a checksum: a damaged one is ignored
and removed, since the library trusts what it is given.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import tempfile
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from promptops.local.engine.prefix import common

_MAGIC = b"PPFX0001"
_HEAD = struct.Struct("<8s32s32sII")
"""Magic, model key, checksum of all that follows, tokens, bytes of state."""
_SUFFIX = ".prefix"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Kept:
    """One prefix: its tokens, the adapters' key, and its state in memory or the file that has it."""

    tokens: list[int]
    adapters: str
    state: bytes | None
    file: Path | None = None


class Shelf:
    """Prefixes by their tokens; ``room`` is bytes in memory, ``files`` the most that the folder keeps."""

    def __init__(self, key: bytes, folder: Path | None, *, room: int = 64 * 2**20, files: int = 32) -> None:
        self._key = key
        self._folder = folder
        self._room = room
        self._files = files
        self._kept: OrderedDict[tuple[str, bytes], Kept] = OrderedDict()
        if folder is not None:
            self._list(folder)

    def __len__(self) -> int:
        return len(self._kept)

    def longest(self, prompt: list[int], adapters: str) -> tuple[Kept | None, int]:
        """The prefix that shares most with ``prompt``, and how many tokens."""
        best: tuple[Kept | None, int] = None, 0
        for kept in self._kept.values():
            if kept.adapters == adapters and (length := common(kept.tokens, prompt)) > best[1]:
                best = kept, length
        return best

    def has(self, tokens: list[int], adapters: str) -> bool:
        """Whether this very prefix is kept."""
        return (adapters, _packed(tokens)) in self._kept

    def state(self, kept: Kept) -> bytes | None:
        """Its state; ``None``, and forgotten, where the file cannot be used any more."""
        place = kept.adapters, _packed(kept.tokens)
        if kept.state is None and kept.file is not None:
            kept.state = self._read(kept.file)
        if kept.state is None:
            self._kept.pop(place, None)
            return None
        self._kept.move_to_end(place)
        state = kept.state
        self._fit()
        return state

    def drop(self, kept: Kept) -> None:
        """Forget it, in the folder as well."""
        self._kept.pop((kept.adapters, _packed(kept.tokens)), None)
        if kept.file is not None:
            kept.file.unlink(missing_ok=True)

    def put(self, tokens: list[int], adapters: str, state: bytes) -> None:
        """Keep a prefix; without adapters in a file too, where there is a folder."""
        file = self._write(tokens, state) if self._folder is not None and not adapters else None
        self._kept[adapters, _packed(tokens)] = Kept(list(tokens), adapters, state, file)
        self._fit()

    def _fit(self) -> None:
        """Let go of the states used longest ago; those in a file can be read again."""
        used = sum(len(kept.state) for kept in self._kept.values() if kept.state is not None)
        for place, kept in list(self._kept.items()):
            if used <= self._room:
                return
            if kept.state is None:
                continue
            used -= len(kept.state)
            kept.state = None
            if kept.file is None:
                del self._kept[place]

    def _list(self, folder: Path) -> None:
        for file in sorted(folder.glob(f"*{_SUFFIX}")):
            try:
                with file.open("rb") as stream:
                    magic, key, _, count, _ = _HEAD.unpack(stream.read(_HEAD.size))
                    tokens = stream.read(count * 4)
            except (OSError, struct.error):
                continue
            if magic == _MAGIC and key == self._key and len(tokens) == count * 4:
                self._kept["", tokens] = Kept(array("i", tokens).tolist(), "", None, file)

    def _read(self, file: Path) -> bytes | None:
        try:
            data = file.read_bytes()
            magic, key, checksum, count, size = _HEAD.unpack_from(data)
        except (OSError, struct.error):
            return None
        body = memoryview(data)[_HEAD.size :]
        sound = magic == _MAGIC and key == self._key and len(body) == count * 4 + size
        if not sound or hashlib.sha256(body).digest() != checksum:
            _log.debug("%s is damaged and was removed", file)
            file.unlink(missing_ok=True)
            return None
        return bytes(body[count * 4 :])

    def _write(self, tokens: list[int], state: bytes) -> Path | None:
        """Whole or not at all: written beside, then renamed. A folder that takes nothing costs only a debug line."""
        if self._folder is None:
            return None
        body = _packed(tokens) + state
        head = _HEAD.pack(_MAGIC, self._key, hashlib.sha256(body).digest(), len(tokens), len(state))
        name = hashlib.sha256(self._key + _packed(tokens)).hexdigest()[:32] + _SUFFIX
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as stream:
                stream.write(head + body)
            os.replace(stream.name, self._folder / name)  # noqa: PTH105 - the names are strings already
            self._thin()
        except OSError as failure:
            _log.debug("no prefix kept in %s: %s", self._folder, failure)
            return None
        return self._folder / name

    def _thin(self) -> None:
        """Remove the oldest files beyond the most."""
        if self._folder is None:
            return
        files = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda file: file.stat().st_mtime_ns)
        for file in files[: -self._files]:
            file.unlink(missing_ok=True)


def _packed(tokens: list[int]) -> bytes:
    return array("i", tokens).tobytes()
