"""How much is sent to a server before it has shown that it takes it."""

from __future__ import annotations

from math import ceil, log2

_STEP = 0.25
"""Seconds after which a server that rejected nothing is trusted with twice as many requests: rejections are quick."""

_PAUSE = 0.1
"""Seconds."""

_DOUBTFUL = 1_000
"""Requests that may be under way to a server in doubt; trusted with more, it is not in doubt any more."""


class Trust:
    """One request at first, then more with every answer and every moment without a rejection.

    So it begins with an unknown server, and again after a rejection, since all who were told to wait would otherwise
    wake together.
    """

    def __init__(self, *, gentle: bool) -> None:
        self._doubt = gentle
        self._since: float | None = None
        self._sent = 0
        self._credit = 0
        self._rejected_at = 0.0
        self._in_a_row = 0

    def wait(self, now: float) -> float:
        """Seconds until one more may be sent."""
        if not self._doubt or self._since is None or self._sent <= self._credit:
            return 0.0
        wanted = self._sent + 1 - self._credit
        if wanted > _DOUBTFUL:
            self._doubt = False
            return 0.0
        return max(0.0, self._since + ceil(log2(wanted)) * _STEP - now)

    def send(self, now: float) -> None:
        """One is sent."""
        if self._since is None:
            self._since = now
        self._sent += 1

    def accept(self, sent: float, *, announced: bool) -> None:
        """One that was sent at ``sent`` was let through, by a server whose limits are known or are not."""
        if sent >= self._rejected_at:
            self._in_a_row = 0
        if self._since is not None and sent >= self._since:
            self._doubt = self._doubt and not announced
            self._credit += 2

    def pause(self, sent: float, now: float, longest: float) -> float:
        """Seconds for which nothing is to be sent after a rejection: none after the first, then more and more.

        Where the limits explain each rejection, and yet the next request is rejected too, they do not explain enough.
        """
        if sent >= self._rejected_at:
            self._rejected_at = now
            self._in_a_row += 1
        return min(_PAUSE * 2.0 ** (self._in_a_row - 2), longest) if self._in_a_row > 1 else 0.0

    def reject(self, until: float) -> None:
        """One was rejected, and nothing is to be sent until then."""
        self._doubt = True
        self._since, self._sent, self._credit = until, 0, 0
