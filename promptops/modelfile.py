"""Which file a local model's name means: a path or a name on the hub, ``llama:`` before it or not, and options behind.

Everything that takes such a name goes by this: the backend, ``inspect``, and whoever counts by a model's tokenizer.
"""

from __future__ import annotations

import os

KIND = "llama:"
HUB = "hf:"


def split(name: str) -> tuple[str, list[str]]:
    """A model's path or ``hf:`` name, and the options behind it: ``m.gguf,threads=4`` is ``m.gguf``, ``[threads=4]``.

    Commas, since a shell leaves them alone. A path that itself holds such an end wins where there is a file of that
    name.
    """
    name = name.removeprefix(KIND)
    parts = [name] if os.path.isfile(name) else name.split(",")  # noqa: PTH113 - counting does without pathlib
    start = next((number for number, part in enumerate(parts) if _is_option(part)), len(parts)) or 1
    return ",".join(parts[:start]), parts[start:]


def _is_option(part: str) -> bool:
    name, equals, _ = part.partition("=")
    return bool(equals) and name.isidentifier()


def model_file(name: str) -> str:
    """The path of the file that ``name`` means; one on the hub is fetched, unless it is in the hub's cache.

    Raises what ``promptops.hub.fetch`` raises. Whether a path leads anywhere is for whoever opens it.
    """
    path, _ = split(name)
    if not path.startswith(HUB):
        return path
    from promptops.hub import fetch

    return str(fetch(path))
