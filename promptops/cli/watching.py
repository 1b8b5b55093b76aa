"""What tells a watching run that a document has changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from promptops.errors import UsageError

_PART = ".part"
_LOOK = 200
"""Milliseconds between two looks at what the system has told."""


def changes(paths: Sequence[str], written: Sequence[Path]) -> Iterator[None]:
    """One item whenever something under ``paths`` has been written, named or removed and it has been still since.

    What a run itself has ``written`` is no change. Raises ``UsageError`` where a path cannot be watched, or the
    extra is not installed.
    """
    try:
        import watchfiles
    except ImportError:
        raise UsageError("--watch needs the extra: pip install 'promptops[watch]'") from None
    if "-" in paths:
        raise UsageError("standard input cannot be watched; name files or folders")
    ours = [path.resolve() for path in written]

    def counts(_: object, name: str) -> bool:
        path = Path(name)
        return path.suffix != _PART and not any(path.resolve().is_relative_to(place) for place in ours)

    folders = {path if path.is_dir() else path.parent for path in map(Path, paths)}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} cannot be watched: there is no such folder")
    found = watchfiles.watch(
        *folders, watch_filter=counts, raise_interrupt=True, yield_on_timeout=True, rust_timeout=_LOOK
    )
    next(found)  # it looks from now on, so that what is edited during the first run is not missed
    return (None for changed in found if changed)
