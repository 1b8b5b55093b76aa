"""A rate limit as providers enforce it: what it lets through, what it says of itself, and who else draws on it.

It knows no clock: the time is given to it, in seconds, so that a test can run it by the clock on the wall or by one of
its own. With ``per`` a minute of the provider's is shorter than a minute, and everything else keeps its proportions.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

Kind = Literal["bucket", "sliding", "fixed"]

_HAIR = 1e-9


@dataclass(slots=True)
class _Pool:
    """One allowance: ``limit`` per ``per`` seconds."""

    kind: Kind
    limit: float
    per: float
    used: float = 0.0
    """Of a bucket, what is missing from it; of a window, what was taken in it."""
    at: float = 0.0
    taken: deque[tuple[float, float]] = field(default_factory=deque)

    def advance(self, now: float) -> None:
        if self.kind == "bucket":
            self.used = max(0.0, self.used - (now - self.at) * self.limit / self.per)
            self.at = max(self.at, now)
        elif self.kind == "sliding":
            while self.taken and self.taken[0][0] + self.per <= now + _HAIR:
                self.used -= self.taken.popleft()[1]
        elif now >= self.at + self.per:
            self.used, self.at = 0.0, now - (now - self.at) % self.per

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` is there."""
        over = self.used + min(amount, self.limit) - self.limit
        if over <= _HAIR:
            return 0.0
        if self.kind == "bucket":
            return over * self.per / self.limit
        if self.kind == "fixed":
            return self.at + self.per - now
        for moment, tokens in self.taken:
            over -= tokens
            if over <= _HAIR:
                return moment + self.per - now
        return self.per

    def take(self, amount: float, now: float) -> None:
        self.used += amount
        if self.kind == "sliding":
            self.taken.append((now, amount))

    def reset(self, now: float) -> float:
        """Seconds until all of it is there."""
        if self.kind == "bucket":
            return self.used * self.per / self.limit
        if self.kind == "fixed":
            return max(0.0, self.at + self.per - now)
        return max(0.0, self.taken[-1][0] + self.per - now) if self.taken else 0.0


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a request may pass; what the answer's headers say of the limits; seconds until it may pass."""

    allowed: bool
    headers: dict[str, str]
    wait: float = 0.0


class Limiter:
    """``requests`` and ``tokens`` per minute; ``None`` is no such limit.

    ``kind`` is a token ``bucket`` that starts full, a ``sliding`` window, or a ``fixed`` one. ``per`` is how many
    seconds a minute takes. ``announced`` puts the limits into headers, ``waits`` a retry-after into a 429. With
    ``counts_rejected`` a rejected request is taken from the allowance too. ``charges`` is ``most`` for input and the
    most output asked for, ``used`` for input and output. ``rival`` is the share of the limits that somebody else takes
    on the same key, in calls of ``rival_tokens``. ``changes`` are moments, in seconds after the first request, and what
    the limits are multiplied by from then on.
    """

    def __init__(
        self,
        *,
        requests: float | None = 600,
        tokens: float | None = 300_000,
        kind: Kind = "bucket",
        per: float = 60.0,
        announced: bool = True,
        waits: bool = True,
        counts_rejected: bool = False,
        charges: Literal["most", "used"] = "most",
        rival: float = 0.0,
        rival_tokens: float = 1_500,
        changes: tuple[tuple[float, float], ...] = (),
    ) -> None:
        limits = {"requests": requests, "tokens": tokens}
        self.charges = charges
        self.accepted = self.rejected = self.rival_accepted = 0
        self.taken = self.rival_tokens_taken = 0.0
        self.passed: list[tuple[float, float]] = []
        """When each request passed, and the tokens that it took."""
        self._pools = {name: _Pool(kind, limit, per) for name, limit in limits.items() if limit is not None}
        self._first = {name: pool.limit for name, pool in self._pools.items()}
        self._announced, self._waits, self._counts_rejected = announced, waits, counts_rejected
        self._changes = deque(sorted(changes))
        self._start: float | None = None
        self._rival_tokens = rival_tokens
        paces = [pool.limit / per / self._amount(name, rival_tokens) for name, pool in self._pools.items()]
        pace = min(paces, default=0.0)
        self._rival_every = 1 / (rival * pace) if rival and pace else None
        self._rival_next = 0.0

    def ask(self, tokens: float, now: float) -> Ruling:
        """One request of so many tokens, at ``now``."""
        wait = self.wait(tokens, now)
        if wait > 0:
            self.rejected += 1
            if self._counts_rejected:
                self._take_what_is_left(tokens, now)
            return Ruling(False, self._said(now) | self._told(wait), wait)
        self.accepted += 1
        self.taken += tokens
        self.passed.append((now, tokens))
        self._take(tokens, now)
        return Ruling(True, self._said(now))

    def wait(self, tokens: float, now: float) -> float:
        """Seconds until a request of so many tokens would pass, if nobody else asked."""
        self._advance(now)
        return max((pool.wait(self._amount(name, tokens), now) for name, pool in self._pools.items()), default=0.0)

    def allowed(self, now: float) -> float:
        """The tokens that a bucket has had to give until ``now``, while its limit did not change."""
        self._advance(now)
        pool = self._pools.get("tokens") or self._pools["requests"]
        return pool.limit + (now - (self._start or 0.0)) * pool.limit / pool.per

    def _amount(self, name: str, tokens: float) -> float:
        return tokens if name == "tokens" else 1.0

    def _take(self, tokens: float, now: float) -> None:
        for name, pool in self._pools.items():
            pool.take(self._amount(name, tokens), now)

    def _take_what_is_left(self, tokens: float, now: float) -> None:
        for name, pool in self._pools.items():
            pool.take(min(self._amount(name, tokens), max(0.0, pool.limit - pool.used)), now)

    def _advance(self, now: float) -> None:
        """Up to ``now``, with whatever happened meanwhile."""
        if self._start is None:
            self._start = self._rival_next = now
            for pool in self._pools.values():
                pool.at = now
        while self._rival_every is not None and self._rival_next <= now:
            self._to(self._rival_next)
            self._rival()
            self._rival_next += self._rival_every
        self._to(now)

    def _rival(self) -> None:
        at, tokens = self._rival_next, self._rival_tokens
        if all(pool.wait(self._amount(name, tokens), at) <= 0 for name, pool in self._pools.items()):
            self.rival_accepted += 1
            self.rival_tokens_taken += tokens
            self._take(tokens, at)

    def _to(self, now: float) -> None:
        while self._changes and self._start is not None and self._start + self._changes[0][0] <= now:
            moment, factor = self._changes.popleft()
            for name, pool in self._pools.items():
                pool.advance(self._start + moment)
                left = pool.limit - pool.used
                pool.limit = self._first[name] * factor
                pool.used = pool.limit - min(left, pool.limit) if pool.kind == "bucket" else pool.used
        for pool in self._pools.values():
            pool.advance(now)

    def _said(self, now: float) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, pool in self._pools.items() if self._announced else ():
            headers[f"x-ratelimit-limit-{name}"] = f"{pool.limit:.0f}"
            headers[f"x-ratelimit-remaining-{name}"] = str(max(0, int(pool.limit - pool.used + _HAIR)))
            headers[f"x-ratelimit-reset-{name}"] = f"{pool.reset(now):.3f}s"
        return headers

    def _told(self, wait: float) -> dict[str, str]:
        milliseconds = ceil(wait * 1000)
        told = {"retry-after-ms": str(milliseconds), "retry-after": f"{milliseconds / 1000:.3f}"}
        return told if self._waits else {}
