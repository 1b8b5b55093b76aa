"""When to try again, in tenacity's terms."""

from __future__ import annotations

from collections import Counter

from tenacity import AsyncRetrying, RetryCallState, retry_base, wait_exponential, wait_random
from tenacity.wait import wait_base

from promptops.client.verdict import Patience, Verdict, again, verdict
from promptops.errors import CallError


class _Verdict(retry_base):
    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._seen: Counter[type[BaseException]] = Counter()

    def __call__(self, state: RetryCallState) -> bool:
        """Each kind of failure has its own count: many waits for a place are no reason to give up on one 500."""
        error = state.outcome.exception() if state.outcome else None
        if error is None:
            return False
        self._seen[type(error)] += 1
        return again(error, self._seen[type(error)], self._patience)


class _AsTold(wait_base):
    """Exponential with jitter and a bound; where the server said how long, that and a little more.

    A throttled call does not wait here but in admission, which knows when the next may be sent and whose turn it is.
    """

    def __init__(self, patience: Patience) -> None:
        first = patience.first_wait
        self._spread = wait_exponential(multiplier=first, max=patience.longest_wait) + wait_random(0, first)

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if error is not None and verdict(error) is Verdict.THROTTLED:
            return 0.0
        told = error.retry_after if isinstance(error, CallError) else None
        spread = self._spread(state)
        return spread if told is None else told + min(spread, 1.0)


def retrying(patience: Patience) -> AsyncRetrying:
    """A fresh retry; its last error is raised as it is."""
    return AsyncRetrying(retry=_Verdict(patience), wait=_AsTold(patience), reraise=True)
