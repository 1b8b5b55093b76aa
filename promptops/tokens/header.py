"""The header of a GGUF file: its keys, and what tensors follow. The weights are never touched.

The header is a list of keys with typed values, then a list of tensors (the GGUF specification, versions 2 and 3, in the
ggml repository). Every count in it is held against the bytes that are left before anything is made of it, so that a
damaged or hostile header costs no memory.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptops.errors import NotFoundError, UsageError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LEAST = {"key": 13, "tensor": 32, "string": 8}
"""The fewest bytes that one of each takes in a file."""
_DIMENSIONS = 4
_ALIGNMENT = 32

_STRANGERS = (
    (b"", 0, "it is empty"),
    (b"version https://git-lfs", 0, "it is a git-lfs pointer; get the model itself with: git lfs pull"),
    (b"<", 0, "it is a web page, so the download went wrong; get it again"),
    (b"PK\x03\x04", 0, "it is a zip archive; unpack it"),
    (b"\x1f\x8b", 0, "it is compressed; unpack it"),
    (b"{", 8, "it is a safetensors file; convert it to GGUF"),
    (b"ggjt", 0, "it is of the older format GGML; convert it to GGUF"),
    (b"tjgg", 0, "it is of the older format GGML; convert it to GGUF"),
)
"""What files that are taken for a model begin with, at which byte, and what to say of them."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor's place: its sides (the row first), ggml's number of its type, and where its data begin."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True, slots=True)
class Header:
    """All keys with their values, all tensors, where their data begin in the file, and its size; in bytes."""

    values: dict[str, Any]
    tensors: tuple[Tensor, ...]
    data: int
    size: int


def read(path: Path) -> Header:
    """Read a GGUF file's header.

    Raises ``NotFoundError`` where there is no file and ``UsageError`` where it is no GGUF file that can be read here.
    """
    try:
        with path.open("rb") as file:
            _known(path, file.read(64))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data).header()
    except FileNotFoundError:
        raise NotFoundError(f"model file {str(path)!r} is not there") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, struct.error, IndexError) as error:
        raise UsageError(f"{path} is not a GGUF file that can be read: {' '.join(str(error).split())}") from None


def _known(path: Path, head: bytes) -> None:
    if head.startswith(_MAGIC):
        return
    for start, at, said in _STRANGERS:
        if head[at:].lstrip(b"\xef\xbb\xbf \r\n\t").startswith(start) if start else not head:
            raise UsageError(f"{path} is not a GGUF file: {said}")
    shown = head[:16].decode("ascii", "backslashreplace").replace("\n", " ")
    raise UsageError(f"{path} is not a GGUF file: it begins with {shown!r}; name a model in the format GGUF")


class _Reader:
    """Reads values one after another."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = len(_MAGIC)

    def header(self) -> Header:
        version = self._number("I")
        if version not in _VERSIONS:
            raise ValueError(_unread(version))
        tensors = self._count("tensor")
        values: dict[str, Any] = {}
        for _ in range(self._count("key")):
            key = self._string()
            values[key] = self._value(self._number("I"))
        found = tuple(self._tensor() for _ in range(tensors))
        step = values.get("general.alignment", _ALIGNMENT)
        if not isinstance(step, int) or step < 1:
            raise ValueError(f"its alignment is {step!r}")
        return Header(values, found, -(-self._at // step) * step, len(self._data))

    def _tensor(self) -> Tensor:
        name, sides = self._string(), self._number("I")
        if sides > _DIMENSIONS:
            raise ValueError(f"tensor {name!r} has {sides} dimensions")
        return Tensor(name, tuple(self._numbers("Q", sides)), self._number("I"), self._number("Q"))

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._list()
        if kind not in _NUMBERS:
            raise ValueError(f"a value has the unknown type {kind}")
        return self._number(_NUMBERS[kind])

    def _list(self) -> list[Any]:
        inner = self._number("I")
        if inner in _NUMBERS:
            code = _NUMBERS[inner]
            return self._numbers(code, self._count(code))
        if inner != _STRING:
            raise ValueError(f"a list holds values of the type {inner}")
        return [self._string() for _ in range(self._count("string"))]

    def _number(self, code: str) -> Any:
        return self._numbers(code, 1)[0]

    def _numbers(self, code: str, count: int) -> list[Any]:
        layout = struct.Struct(f"<{count}{code}")
        if self._at + layout.size > len(self._data):
            raise ValueError("it ends inside its header; is the download complete?")
        found = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return list(found)

    def _count(self, what: str) -> int:
        """A number of things that are still to come, which cannot be more than there are bytes for."""
        count = int(self._number("Q"))
        least = _LEAST.get(what) or struct.calcsize(f"<{what}")
        if count * least > len(self._data) - self._at:
            raise ValueError(f"it claims {count:,} values in {len(self._data):,} bytes; is the download complete?")
        return count

    def _string(self) -> str:
        size = int(self._number("Q"))
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise ValueError("it ends inside its header; is the download complete?")
        return self._data[start : self._at].decode("utf-8", "replace")


def _unread(version: int) -> str:
    if int.from_bytes(version.to_bytes(4, "little"), "big") in range(1, 100):
        return "its numbers are big-endian; it was made for another kind of machine"
    newer = "; a newer promptops may read it" if version > max(_VERSIONS) else "; convert the model again"
    return f"its version is {version}, not 2 or 3{newer}"
