"""Frames: a length in four bytes, then so much JSON. No pickles, so neither end can make the other run anything."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

Frame = dict[str, Any]

_LENGTH = struct.Struct("<I")


def encode(frame: Frame) -> bytes:
    """One frame as bytes. Half characters travel as escapes and arrive as they were."""
    body = json.dumps(frame, separators=(",", ":")).encode("ascii")
    return _LENGTH.pack(len(body)) + body


def frames(stream: BinaryIO) -> Iterator[Frame]:
    """The frames of ``stream`` until it ends; one that is cut short is dropped, since whoever wrote it is dead."""
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        body = stream.read(length)
        if len(body) < length:
            return
        yield json.loads(body)
