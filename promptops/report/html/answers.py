"""What the page shows of an answer: its sentences with the places they rest on, and the tree it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from promptops.plans.results import Citation, Flag, Node, Place
from promptops.types import Totals

DEEPEST = 24
"""Nodes below it stand side by side: browsers nest elements 512 deep at most, and people far less."""


@dataclass(frozen=True, slots=True)
class Named:
    """A place that a sentence rests on: the number of its document, and the one in brackets, where there is one."""

    document: int
    place: Place
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer: a sentence with what it rests on, or what stands between two."""

    text: str
    places: tuple[Named, ...] = ()
    flag: Flag | None = None

    @property
    def named(self) -> str:
        """The places as the page's script reads them: ``0:12-90 3:7-18``."""
        return " ".join(f"{one.document}:{one.place.start}-{one.place.end}" for one in self.places)


@dataclass(frozen=True, slots=True)
class Row:
    """One node of a tree, in the order of the page: each before those below it.

    ``below`` is what the node and all below it took together. After the node, ``closing`` of those that are open end.
    """

    node: Node
    below: Totals
    closing: int


def pieces(text: str, citations: Sequence[Citation], document: Callable[[Place], int | None]) -> Iterator[Piece]:
    """An answer in order and whole. ``document`` says which one a place is in, or ``None`` where it is in none."""
    done = 0
    for citation in sorted(citations, key=lambda citation: citation.start):
        start, end = max(citation.start, done), min(citation.end, len(text))
        if start >= end:
            continue
        if start > done:
            yield Piece(text[done:start])
        yield Piece(text[start:end], tuple(_named(citation, document)), citation.flag)
        done = end
    if done < len(text):
        yield Piece(text[done:])


def _named(citation: Citation, document: Callable[[Place], int | None]) -> Iterator[Named]:
    for place, number in zip_longest(citation.places, citation.numbers[: len(citation.places)]):
        found = document(place)
        if found is not None:
            yield Named(found, place, number)


def rows(roots: Sequence[Node]) -> list[Row]:
    """A forest as rows; without recursion, since a chain that refines nests as deep as it has parts."""
    nodes: list[Node] = []
    parents: list[int] = []
    depths: list[int] = []
    waiting = [(root, -1, 0) for root in reversed(roots)]
    while waiting:
        node, parent, depth = waiting.pop()
        waiting += [(child, len(nodes), depth + 1) for child in reversed(node.children)]
        nodes.append(node)
        parents.append(parent)
        depths.append(min(depth, DEEPEST))
    below = [node.usage for node in nodes]
    for index in range(len(nodes) - 1, -1, -1):
        if parents[index] >= 0:
            below[parents[index]] = below[parents[index]] + below[index]
    closing = [depth - following + 1 for depth, following in zip_longest(depths, depths[1:], fillvalue=0)]
    return [Row(*row) for row in zip(nodes, below, closing, strict=True)]
