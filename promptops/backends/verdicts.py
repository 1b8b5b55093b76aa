"""From what a server answered to the error that it is: one table, shared by every backend and its doubles.

What a server writes is read for its codes and shown to people in one line; the key and whatever it echoes of the
prompt are taken out first.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from promptops.errors import (
    AccessError,
    CallError,
    QuotaError,
    RefusedError,
    RejectedError,
    ThrottledError,
    TransientError,
)
from promptops.types import Limits, Usage

_OUT_OF_CREDIT = frozenset({
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance",
    "insufficient_credits", "insufficient_user_quota", "credit_limit_reached", "account_suspended",
})  # fmt: skip
_FILTERED = frozenset({
    "content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation_blocked",
})  # fmt: skip
_NO_ACCESS = frozenset({"invalid_api_key", "model_not_found", "account_deactivated", "deploymentnotfound"})
_PASSING = frozenset({408, 409, 425})
_WRONG_DOOR = frozenset({401, 403, 404, 405, 407, 501})
_MENDS = {
    401: "set OPENAI_API_KEY to a key of this server",
    403: "use a key that may use this model",
    404: "check the model's name and OPENAI_BASE_URL",
    405: "check OPENAI_BASE_URL",
    407: "check the proxy's address and password",
    501: "check OPENAI_BASE_URL",
}
_NO_SUCH_PLACE = frozenset({404, 405, 501})
_VERSIONED = re.compile(r"/v\d")
_SHOWN = 200
_READ = 600
_ECHO = 16
"""Characters in a row that a server's message and a prompt must share to count as an echo."""

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no reply: its HTTP status, the server's words and codes, and the wait it asks for (seconds)."""

    status: int
    message: str = ""
    codes: frozenset[str] = frozenset()
    request_id: str | None = None
    retry_after: float | None = None
    billed: bool = False
    usage: Usage | None = None
    limits: Limits | None = None
    keyless: bool = False
    """Whether nobody had set a key to ask with."""


def error(place: str, answer: Answer) -> CallError:
    """The error that an answer is; its one line begins with ``place``, the model and where it is asked for."""
    kind = kind_of(answer.status, answer.codes, answer.message)
    message = re.sub(rf"\A\s*{answer.status}\b[\s:.,-]*", "", answer.message)  # some servers say it again in words
    said = f"{answer.status}: {message}" if message else str(answer.status)
    return kind(
        f"{place}: {_what(kind)} ({said}){_mend(kind, place, answer)}",
        status=answer.status,
        request_id=answer.request_id,
        retry_after=answer.retry_after,
        billed=answer.billed,
        usage=answer.usage,
        limits=answer.limits,
    )


def kind_of(status: int, codes: Iterable[str] = (), message: str = "") -> type[CallError]:
    """The class of error for an HTTP status and the codes beside it, which say more than the status where known."""
    known = {code.lower() for code in codes}
    if status == 402 or known & _OUT_OF_CREDIT:
        return QuotaError
    if known & _FILTERED:
        return RefusedError
    if status == 429:
        return RejectedError if message.lower().startswith("request too large") else ThrottledError
    if status in _WRONG_DOOR or status in range(300, 400) or known & _NO_ACCESS:
        return AccessError
    if status in range(400, 500) and status not in _PASSING:
        return RejectedError
    return TransientError


def _what(kind: type[CallError]) -> str:
    return {
        QuotaError: "the account is out of credit",
        RefusedError: "the provider's content filter refused this call",
        ThrottledError: "too many requests for now",
        AccessError: "no access",
        RejectedError: "the server rejected this call",
    }.get(kind, "the server failed")


def _mend(kind: type[CallError], place: str, answer: Answer) -> str:
    if kind is QuotaError:
        return "; add credit or raise the account's limit, then go on"
    if kind is not AccessError:
        return ""
    none = "no OPENAI_API_KEY was set; " if answer.status == 401 and answer.keyless else ""
    mend = _MENDS.get(answer.status, "check the key, the model and OPENAI_BASE_URL")
    unlike = answer.status in _NO_SUCH_PLACE and " at http" in place and not _VERSIONED.search(place)
    known = any(code.lower() in _NO_ACCESS for code in answer.codes)
    return f"; {none}{mend}" + (", which most often ends in /v1" if unlike and not known else "")


def read_error(body: object) -> tuple[str, frozenset[str]]:
    """The message and the codes in the JSON that servers send with an error, in any of its usual shapes."""
    if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping | str):
        body = body["error"]
    if isinstance(body, str):
        return ("" if body.lstrip().startswith("<") else body), frozenset()
    if not isinstance(body, Mapping):
        return "", frozenset()
    message = next((body[key] for key in ("message", "detail", "error_description") if body.get(key)), "")
    inner = body.get("innererror") or body.get("inner_error")
    codes = [body.get("code"), body.get("type"), inner.get("code") if isinstance(inner, Mapping) else None]
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False, default=str)
    return text, frozenset(code for code in codes if isinstance(code, str))


def one_line(text: str, hide: Iterable[str] = ()) -> str:
    """At most 200 printable characters of ``text`` in one line, without any longer run of what is to be hidden."""
    line = _flat(text[:_READ])
    for secret in hide:
        flat = _flat(secret)
        line = _without(line, flat)
        if "\\u" in line:
            line = _without(line, json.dumps(flat)[1:-1])
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _flat(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


def _without(line: str, secret: str) -> str:
    """``line`` with every run that it shares with ``secret`` put as an ellipsis."""
    least = min(_ECHO, len(secret))
    if least < 4:  # a prompt of three letters is in every other sentence
        return line
    kept: list[str] = []
    start = 0
    while start < len(line):
        end = start + least
        if end > len(line) or line[start:end] not in secret:
            kept.append(line[start])
            start += 1
            continue
        while end < len(line) and line[start : end + 1] in secret:
            end += 1
        kept.append("…")
        start = end
    return "".join(kept)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The wait in seconds that an answer's headers ask for, or ``None``.

    ``retry-after-ms`` and ``retry-after`` (seconds or an HTTP date) are the server's word; without them it is the
    reset of whatever allowance is said to be used up, or the later of those given. A server that also names its limits
    has said more than that: how long to wait then follows from them.
    """
    milliseconds = number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after")
    if asked is not None:
        seconds = number(asked)
        return until(asked, headers.get("date")) if seconds is None else seconds
    return _reset(headers)


def _reset(headers: Mapping[str, str]) -> float | None:
    if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
        return None
    resets: list[tuple[bool, float]] = []
    for kind in ("requests", "tokens"):
        span = duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
        if span is not None:
            resets.append((number(headers.get(f"x-ratelimit-remaining-{kind}")) == 0, span))
    return max(resets)[1] if resets else None


def duration(text: str) -> float | None:
    """Seconds in a span such as ``1s``, ``6m0s``, ``20ms`` or ``1.5``; ``None`` for anything else."""
    plain = number(text)
    if plain is not None:
        return plain
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def number(text: str | None) -> float | None:
    """A finite figure of 0 or more; ``None`` for anything else."""
    try:
        figure = float(text or "")
    except ValueError:
        return None
    return figure if math.isfinite(figure) and figure >= 0 else None


def until(date: str, now: str | None) -> float | None:
    """Seconds to an HTTP date, by the server's own clock where it says its time."""
    try:
        then = parsedate_to_datetime(date)
        start = parsedate_to_datetime(now) if now else datetime.now(tz=UTC)
        return max(0.0, (then - start).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
