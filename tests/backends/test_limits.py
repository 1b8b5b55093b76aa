"""The rate limits that servers name, in headers and in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.backends.limits import read_limits, worded_wait
from promptops.types import Allowance, Limits


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        ({}, None),
        ({"content-type": "text/html", "x-ratelimit-limit-requests": "many"}, None),
        ({"x-ratelimit-reset-tokens": "6m0s"}, None),
        (
            {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-limit-tokens": "150000",
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            Limits(Allowance(60, 59, 1), Allowance(150_000, 149_984, 360)),
        ),
        ({"X-RateLimit-Remaining-Tokens": "12"}, Limits(tokens=Allowance(None, 12, None))),
        ({"x-ratelimit-limit-input-tokens": "5"}, Limits(input_tokens=Allowance(5, None, None))),
        ({"anthropic-ratelimit-output-tokens-limit": "5"}, Limits(output_tokens=Allowance(5, None, None))),
    ],
)
def test_headers(headers: dict[str, str], limits: Limits | None) -> None:
    """OpenAI's names and Anthropic's, in either case; nonsense is nothing."""
    assert read_limits(headers) == limits


@pytest.mark.parametrize("shape", ["iso", "epoch"])
def test_a_reset_that_is_a_moment(shape: str) -> None:
    """Some say when, not how long."""
    then = datetime.now(tz=UTC) + timedelta(seconds=30)
    said = then.isoformat() if shape == "iso" else f"{then.timestamp():.0f}"
    found = read_limits({"anthropic-ratelimit-requests-remaining": "3", "anthropic-ratelimit-requests-reset": said})
    assert found is not None
    assert found.requests is not None
    assert found.requests.reset == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("message", "limits"),
    [
        (
            "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 1500.",
            Limits(tokens=Allowance(30_000, 1_000, 58)),
        ),
        ("Rate limit reached on requests per day. Limit: 200 / day.", Limits(requests=Allowance(200, 0, 86_400))),
        ("Too many requests", None),
        ("on tokens per min (TPM): Limit 0, Used 0", None),
    ],
)
def test_words(message: str, limits: Limits | None) -> None:
    """What a 429 says where there are no headers."""
    assert read_limits({}, message) == limits


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 1.2s. Visit https://…", 1.2),
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 6m0s.", 360),
        ("retry after 7 seconds", 7),
        ("Please try again later", None),
    ],
)
def test_a_wait_in_words(message: str, seconds: float | None) -> None:
    """In any of the usual spellings."""
    assert worded_wait(message) == (None if seconds is None else pytest.approx(seconds))


@given(st.dictionaries(st.sampled_from([
    "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "date",
    "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-reset",
]), st.text(max_size=30)), st.text(max_size=80))  # fmt: skip
def test_nonsense_is_read_without_an_error(headers: dict[str, str], message: str) -> None:
    """Whatever a gateway puts there."""
    assert isinstance(read_limits(headers, message), Limits | None)
    worded_wait(message)
