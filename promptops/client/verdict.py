"""What to do about a failed attempt, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from promptops.errors import (
    AccessError,
    CallError,
    QuotaError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnreachableError,
)


class Verdict(Enum):
    """``AGAIN`` and ``WAIT`` are worth another attempt; ``STOP`` ends all sending; ``NO`` ends this call only."""

    AGAIN = "again"
    WAIT = "wait"
    NO = "no"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call is tried. Times in seconds."""

    attempts: int = 6
    unreachable: int = 3
    throttled: int = 30
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_told: float = 300.0
    """A server that asks for a longer wait than this gets none: the call fails, and running again goes on."""


def verdict(error: BaseException, attempt: int, patience: Patience) -> Verdict:
    """What to do after an attempt of a call ended in ``error``, the ``attempt``-th that ended so."""
    if isinstance(error, ThrottledError):
        told_too_long = (error.retry_after or 0) > patience.longest_told
        return Verdict.NO if told_too_long or attempt >= patience.throttled else Verdict.WAIT
    if isinstance(error, UnreachableError):
        return Verdict.AGAIN if attempt < patience.unreachable else Verdict.NO
    if isinstance(error, TransientError):
        return Verdict.AGAIN if attempt < patience.attempts else Verdict.NO
    if isinstance(error, (QuotaError, AccessError)):
        return Verdict.STOP
    return Verdict.NO


HOPELESS = 3
"""One document can be too much for a server; so many calls in vain, and none answered, are no accident."""

IN_VAIN = (RejectedError, TransientError, ThrottledError)
"""Errors that may be the server's: it took the call for wrong, or failed at every attempt that patience allows."""


def stops(error: CallError, *, answered: bool, vain: int) -> bool:
    """Whether no further call is worth sending after ``error``.

    Where nothing has been ``answered`` yet, an unreachable server, or one that several calls were sent to in ``vain``,
    will not do better next time either.
    """
    if isinstance(error, (QuotaError, AccessError)):
        return True
    return not answered and (isinstance(error, UnreachableError) or vain >= HOPELESS)
