"""Who waits to be sent, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from promptops.admission.limit import Share
from promptops.admission.width import Width

Key = tuple[str, bool]
"""A limit's kind, and whether a person told it."""

_REMEMBERED = 10_000
"""Documents whose place is kept."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One request that waits, is in flight, or is over.

    ``input`` and ``output`` are the tokens expected; ``document`` is whose it is, any value.
    """

    input: int
    output: int
    document: object = None
    longest_pause: float = 30.0
    """Seconds to wait at most after its rejection, where the server does not say how long."""
    order: tuple[int, int] = (0, 0)
    gone: bool = False
    """It no longer waits."""
    sent: float = 0.0
    number: int = 0
    """Of all that were sent to this server, from 1 on."""
    shares: dict[Key, Share] = field(default_factory=dict)

    def amount(self, kind: str) -> float:
        """What it is expected to take of a limit of this kind."""
        match kind:
            case "requests":
                return 1.0
            case "input_tokens":
                return float(self.input)
            case "output_tokens":
                return float(self.output)
            case _:
                return float(self.input + self.output)


class Line:
    """The requests of one client that wait, at most ``places`` of which are in flight.

    A ``growing`` line gets more places while the server answers no slower for it.

    Older documents go first, and within a document who came first, so that results arrive in the order of the folder.
    The last ones, which all find a place in the next round, go by length: a long one that begins last would be waited
    for by itself.
    """

    def __init__(self, places: int, *, growing: bool = False) -> None:
        self.places = places
        self._width = Width(places) if growing else None
        self.in_flight = 0
        self._heap: list[tuple[tuple[int, int], Ticket]] = []
        self._live = 0
        self._arrived = 0
        self._documents: dict[object, int] = {}

    def __len__(self) -> int:
        return self._live

    def join(self, ticket: Ticket) -> None:
        """Wait."""
        place = self._documents.get(ticket.document)
        if place is None:
            place = self._documents[ticket.document] = self._arrived
            if len(self._documents) > _REMEMBERED:
                del self._documents[next(iter(self._documents))]
        self._arrived += 1
        ticket.order = (place, self._arrived)
        self._live += 1
        heappush(self._heap, (ticket.order, ticket))

    def leave(self, ticket: Ticket) -> None:
        """Wait no longer."""
        if ticket.gone:
            return
        ticket.gone = True
        self._live -= 1
        if len(self._heap) > 2 * self._live:  # those that are gone must not be held until their turn would have come
            self._heap = [entry for entry in self._heap if not entry[1].gone]
            heapify(self._heap)

    def answered(self, ticket: Ticket, output: int, now: float) -> None:
        """A request was answered, with so many tokens."""
        if self._width is not None:
            busy = self._live > 0 and self.in_flight + 1 >= self.places
            self.places = self._width.answered(now - ticket.sent, output, busy=busy)

    def first(self) -> Ticket | None:
        """Who goes next, or ``None`` where nobody waits or no place is free."""
        while self._heap and self._heap[0][1].gone:
            heappop(self._heap)
        if not self._heap or self.in_flight >= self.places:
            return None
        head = self._heap[0][1]
        if self._live > self.places:
            return head
        waiting = [ticket for _, ticket in self._heap if not ticket.gone]
        return max(waiting, key=lambda ticket: (ticket.output, -ticket.order[0], -ticket.order[1]))
