"""What to do about a failed attempt, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from promptops.errors import (
    AccessError,
    CallError,
    QuotaError,
    RefusedError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnreachableError,
)


class Verdict(Enum):
    """What an error means for the attempts to come.

    ``TRANSIENT`` passes by itself, ``THROTTLED`` when the server says; ``QUOTA`` ends all sending; ``REFUSED`` ends
    this call only; ``WRONG`` was said for good, of this call or of every one.
    """

    TRANSIENT = "transient"
    THROTTLED = "throttled"
    QUOTA = "quota"
    REFUSED = "refused"
    WRONG = "wrong"


_VERDICTS: tuple[tuple[type[CallError], Verdict], ...] = (
    (TransientError, Verdict.TRANSIENT),
    (ThrottledError, Verdict.THROTTLED),
    (QuotaError, Verdict.QUOTA),
    (RefusedError, Verdict.REFUSED),
    (RejectedError, Verdict.WRONG),
    (AccessError, Verdict.WRONG),
)


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


def verdict(error: BaseException) -> Verdict:
    """What an attempt's ``error`` means; whatever is not known is wrong, since another try could be paid for again."""
    return next((verdict for kind, verdict in _VERDICTS if isinstance(error, kind)), Verdict.WRONG)


def again(error: BaseException, attempt: int, patience: Patience) -> bool:
    """Whether to try again after an attempt of a call ended in ``error``, the ``attempt``-th that ended so."""
    if isinstance(error, CallError) and not error.sent:
        return False
    match verdict(error):
        case Verdict.TRANSIENT:
            most = patience.unreachable if isinstance(error, UnreachableError) else patience.attempts
            return attempt < most
        case Verdict.THROTTLED:
            told = error.retry_after if isinstance(error, CallError) else None
            return attempt < patience.throttled and (told or 0) <= patience.longest_told
        case _:
            return False


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
