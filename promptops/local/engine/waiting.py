"""Which waiting call goes next.

The longest expected answer first, so that calls which will end together are decoded together and no long one is left
to be decoded alone (the grouping by predicted length of S3, Jin et al. 2023; longest first after Graham 1969). A call
that was overtaken often enough goes before all others.
"""

from __future__ import annotations

from promptops.local.engine.values import Request

Key = tuple[tuple[str, float], ...]
"""The adapters that a call is computed with; calls of different ones cannot share a decode."""


class Waiting:
    """The calls that have no sequence yet. ``patience`` is how often one may be overtaken."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._calls: dict[int, tuple[Request, Key]] = {}
        self._overtaken: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, number: int) -> bool:
        return number in self._calls

    def requests(self) -> list[Request]:
        """All of them, in the order they came."""
        return [request for request, _ in self._calls.values()]

    def add(self, request: Request, key: Key = ()) -> None:
        """Put a call at the end."""
        self._calls[request.id] = request, key
        self._overtaken[request.id] = 0

    def remove(self, number: int) -> Request | None:
        """Take a call out, wherever it stands."""
        self._overtaken.pop(number, None)
        found = self._calls.pop(number, None)
        return found[0] if found else None

    def take(self, running: Key | None) -> Request | None:
        """The next call that can be decoded beside those of adapters ``running`` (``None``: nothing runs)."""
        if not self._calls:
            return None
        oldest, key = next(iter(self._calls.values()))
        due = self._overtaken[oldest.id] >= self._patience
        if running is None:
            running = key
        if due and key != running:
            return None  # it waits for those that run; nobody else may come between
        chosen = oldest if due else self._longest(running)
        if chosen is not None:
            self._pass(chosen)
            self.remove(chosen.id)
        return chosen

    def _longest(self, running: Key) -> Request | None:
        fitting = [request for request, key in self._calls.values() if key == running]
        return max(fitting, key=lambda request: request.length, default=None)  # the first of equals: the oldest

    def _pass(self, chosen: Request) -> None:
        for number in self._calls:
            if number == chosen.id:
                return
            self._overtaken[number] += 1
