"""Text and JSON that any stream can take, whatever its encoding."""

from __future__ import annotations

import codecs
import json
import re
from typing import IO, Any

_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """A file's name as text that can be encoded, whatever its bytes."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text)


def dumps(value: Any, stream: IO[str] | None = None) -> str:
    """JSON as people and pipes read it: any script as itself, unless ``stream`` has an encoding that lacks some.

    Half characters (lone surrogates), which no encoding has, are escaped.
    """
    if stream is not None and not _holds_any_script(stream):
        return json.dumps(value)
    return _SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _holds_any_script(stream: IO[str]) -> bool:
    encoding = getattr(stream, "encoding", None)
    return encoding is None or codecs.lookup(encoding).name.startswith("utf")
