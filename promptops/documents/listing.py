"""The sources of a large folder in little memory: as objects they would weigh 200 bytes each, as their paths 60."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from promptops.types import Source


class Listing(Sequence[Source]):
    """Sources with a path and no text, made anew each time one is asked for."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._bytes = bytearray()
        self._ends = array("Q", [0])
        self._sizes = array("Q")
        for source in sources:
            if source.path is None or source.text is not None:
                raise ValueError(f"{source.name!r} is no source on disk")
            self._bytes += _entry(source).encode("utf-8", "surrogatepass")
            self._ends.append(len(self._bytes))
            self._sizes.append(source.size)

    def __len__(self) -> int:
        return len(self._sizes)

    @overload
    def __getitem__(self, index: int) -> Source: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Source]: ...

    def __getitem__(self, index: int | slice) -> Source | Sequence[Source]:
        if isinstance(index, slice):
            return [self._source(number) for number in range(*index.indices(len(self)))]
        return self._source(range(len(self))[index])

    def __iter__(self) -> Iterator[Source]:
        return map(self._source, range(len(self)))

    def _source(self, number: int) -> Source:
        entry = self._bytes[self._ends[number] : self._ends[number + 1]].decode("utf-8", "surrogatepass")
        path, other, name = entry.partition("\0")
        return Source(name if other else path, path, size=self._sizes[number])


def _entry(source: Source) -> str:
    """Its path, and its name where that is another; no path holds a null character."""
    path = source.path or ""
    return path if source.name == path else f"{path}\0{source.name}"
