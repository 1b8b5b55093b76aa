"""The table from answers to errors, and what of a server's words is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.backends.verdicts import Answer, duration, error, kind_of, one_line, read_error, retry_after
from promptops.errors import (
    AccessError,
    CallError,
    QuotaError,
    RefusedError,
    RejectedError,
    ThrottledError,
    TransientError,
)


@pytest.mark.parametrize(
    ("status", "codes", "kind"),
    [
        (429, (), ThrottledError),
        (429, ("rate_limit_exceeded",), ThrottledError),
        (429, ("insufficient_quota",), QuotaError),
        (429, ("billing_hard_limit_reached",), QuotaError),
        (403, ("billing_not_active",), QuotaError),
        (402, (), QuotaError),
        (401, (), AccessError),
        (403, (), AccessError),
        (404, (), AccessError),
        (405, (), AccessError),
        (302, (), AccessError),
        (400, ("model_not_found",), AccessError),
        (400, (), RejectedError),
        (400, ("context_length_exceeded",), RejectedError),
        (413, (), RejectedError),
        (415, (), RejectedError),
        (422, (), RejectedError),
        (400, ("content_filter",), RefusedError),
        (400, ("ResponsibleAIPolicyViolation",), RefusedError),
        *((status, (), TransientError) for status in (408, 409, 425, 500, 502, 503, 504, 520, 524, 529)),
    ],
)
def test_statuses_and_codes_decide_the_error(status: int, codes: tuple[str, ...], kind: type[CallError]) -> None:
    """Each status gets its class, and a code that says more wins over it."""
    assert kind_of(status, codes) is kind


def test_a_request_over_the_rate_limit_itself_is_not_worth_another_try() -> None:
    """A 429 that says the request alone is too large will be one again."""
    assert kind_of(429, ("rate_limit_exceeded",), "Request too large for gpt-4o on tokens per min") is RejectedError


@pytest.mark.parametrize("said", ["404: Not Found", "404 Not Found", " 404 - Not Found", "Not Found"])
def test_a_status_is_said_once(said: str) -> None:
    """Some servers repeat it in words; and an address without a version is the likeliest reason."""
    line = str(error("openai:m at http://h", Answer(404, said)))
    assert "no access (404: Not Found); " in line
    assert line.endswith(", which most often ends in /v1")
    assert "/v1" not in str(error("openai:m at http://h", Answer(404, said, frozenset({"model_not_found"}))))
    assert not str(error("openai:m at http://h/v1", Answer(404, "404 is its name"))).endswith("/v1")


@given(st.integers(200, 599), st.text(max_size=400))
def test_every_answer_makes_an_error_of_one_line(status: int, message: str) -> None:
    """Whatever a server says, the error is one line that begins with the place and keeps the status."""
    made = error("openai:m at http://h/v1", Answer(status, one_line(message)))
    assert isinstance(made, CallError)
    assert made.status == status
    assert str(made).startswith("openai:m at http://h/v1: ")
    assert len(str(made).splitlines()) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 99 Oct 2026 07:27:00 GMT"}, None),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-reset-requests": "20ms"}, 360.0),
        (
            {
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-reset-requests": "20ms",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-remaining-tokens": "500",
            },
            0.02,
        ),
    ],
)
def test_the_wait_asked_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds, seconds, dates and the reset of a spent allowance are read; nonsense is no wait."""
    assert retry_after(headers) == pytest.approx(seconds)


def test_a_date_without_the_servers_clock_is_measured_by_ours() -> None:
    """A date a minute ahead is a wait of about a minute."""
    then = format_datetime(datetime.now(tz=UTC) + timedelta(seconds=60), usegmt=True)
    waited = retry_after({"retry-after": then})
    assert waited is not None
    assert 50 < waited <= 60


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3s", 3723), ("1.5s", 1.5), ("2d", 172800), ("7", 7), ("0s", 0),
     ("", None), ("s", None), ("1x", None), ("1s later", None), ("later 1s", None)],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    """The spans of rate-limit headers become seconds, anything else None."""
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("body", "message", "codes"),
    [
        ({"error": {"message": "no", "code": "c", "type": "t"}}, "no", {"c", "t"}),
        ({"message": "no", "code": "c"}, "no", {"c"}),
        ({"error": "just text"}, "just text", set()),
        ("plain text", "plain text", set()),
        ("<html>502</html>", "", set()),
        ({"detail": [{"loc": ["body"], "msg": "bad"}]}, '[{"loc": ["body"], "msg": "bad"}]', set()),
        ({"error": {"message": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "x",
         {"ResponsibleAIPolicyViolation"}),
        (None, "", set()),
        ([], "", set()),
        ({"error": {"code": 12}}, "", set()),
    ],
)  # fmt: skip
def test_errors_are_read_in_every_usual_shape(body: object, message: str, codes: set[str]) -> None:
    """OpenAI's, Azure's, FastAPI's, Ollama's and plain text: the message and the codes come out."""
    assert read_error(body) == (message, frozenset(codes))


@given(st.text(max_size=100), st.text(min_size=20, max_size=300), st.integers(0, 280), st.text(max_size=100))
def test_what_a_server_echoes_of_a_prompt_is_not_shown(before: str, prompt: str, start: int, after: str) -> None:
    """No run of 20 or more characters of the prompt stands in the message that people see."""
    shown = one_line(before + prompt[start:] + after, [prompt])
    flat = " ".join(prompt.split())
    assert not any(flat[at : at + 20] in shown for at in range(len(flat) - 19))
    assert len(shown) <= 201


def test_the_key_is_not_shown() -> None:
    """A server that repeats the key it was given does not make us print it."""
    assert one_line("Incorrect API key provided: sk-abcdef.", ["sk-abcdef"]) == "Incorrect API key provided: …."


def test_an_escaped_echo_is_not_shown_either() -> None:
    """Korean that comes back as JSON escapes is recognized."""
    prompt = "한국어 문서의 내용은 비밀입니다"
    echoed = prompt.encode("unicode_escape").decode()
    shown = one_line(f"bad input: {echoed}", [prompt])
    assert "\\ud55c\\uad6d\\uc5b4" not in shown
