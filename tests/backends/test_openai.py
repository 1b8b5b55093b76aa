"""The openai backend against a real server on loopback: replies, every fault, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.backends import wire
from promptops.backends.completion import Reader
from promptops.backends.openai import OpenAI
from promptops.errors import (
    AccessError,
    CallError,
    QuotaError,
    RefusedError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnreachableError,
    UsageError,
)
from promptops.testing import KEY, MODEL, Answer, FakeOpenAI, Fault
from promptops.tokens import counter
from promptops.types import Allowance, Backend, Call, Limits, Listener, Message, Reply, Sampling, Usage

COUNTER = counter(tokenizer="o200k_base")
TEXT = "Rivers carry sediment to the sea, and 강은 흙을 바다로 나른다. " * 8


class Deaf:
    """A listener that does nothing with what it hears."""

    def piece(self, text: str) -> None:
        """The next characters."""

    def again(self) -> None:
        """The answer begins anew."""


def backend(server: FakeOpenAI, **options: Any) -> OpenAI:
    """A backend for the fake server."""
    given: dict[str, Any] = {"base_url": server.base_url, "api_key": KEY, "counter": COUNTER, "timeout": 5.0} | options
    return OpenAI(given.pop("model", MODEL), **given)


def call(limit: int = 80, **fields: Any) -> Call:
    """A call with a fenced document."""
    user = f"Summarize this.\n<document>\n{TEXT}\n</document>\nBriefly."
    return Call((Message("system", "You summarize."), Message("user", user)), limit, **fields)


def ask(one: OpenAI, what: Call | None = None) -> Reply:
    """One call in an event loop of its own."""

    async def go() -> Reply:
        try:
            return await one.complete(what or call())
        finally:
            await one.aclose()

    return asyncio.run(go())


def failure(one: OpenAI, what: Call | None = None) -> CallError:
    """The error that a call ends in, which is always one line without the key or the document."""
    with pytest.raises(CallError) as caught:
        ask(one, what)
    line = str(caught.value)
    assert "\n" not in line
    assert KEY not in line
    assert "Rivers" not in line
    assert line.startswith(one.name)
    return caught.value


# What comes back


def test_a_reply_comes_with_the_servers_own_counts(fake_openai: FakeOpenAI) -> None:
    """Text, finish, model, request id and usage are the server's."""
    reply = ask(backend(fake_openai))
    assert reply.text == " ".join(TEXT.split()[:40])
    assert (reply.finish, reply.model, reply.request_id) == ("stop", MODEL, "req_1")
    seen = fake_openai.requests[0]
    assert reply.usage == Usage(seen.input_tokens, 0, seen.output_tokens, 0, estimated=False)


def test_cached_and_reasoning_tokens_are_read(fake_openai: FakeOpenAI) -> None:
    """Input includes the cached, output the reasoning."""
    fake_openai.answer = lambda _: Answer("Done.", cached_tokens=64, reasoning_tokens=30)
    usage = ask(backend(fake_openai)).usage
    assert (usage.cached_input_tokens, usage.reasoning_tokens) == (64, 30)
    assert usage.output_tokens == COUNTER.count("Done.") + 30


def test_a_cut_answer_says_so(fake_openai: FakeOpenAI) -> None:
    """finish_reason length is a reply with finish length."""
    reply = ask(backend(fake_openai), call(5))
    assert (reply.finish, reply.usage.output_tokens) == ("length", 5)


@pytest.mark.parametrize("fault", ["no_usage", "zero_usage"])
def test_usage_that_no_server_sent_is_counted_and_marked(fake_openai: FakeOpenAI, fault: str) -> None:
    """Our count is the very number that the server billed, and is marked as an estimate."""
    fake_openai.fail(fault)
    usage = ask(backend(fake_openai)).usage
    seen = fake_openai.requests[0]
    assert usage.estimated
    assert (usage.input_tokens, usage.output_tokens) == (seen.input_tokens, seen.output_tokens)


def test_an_empty_answer_is_a_reply(fake_openai: FakeOpenAI) -> None:
    """It was paid for, and what to do about it is for the chain to say."""
    fake_openai.fail("empty")
    assert ask(backend(fake_openai)).text == ""


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}, Usage(9, 4, 2)),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 61,
             "completion_tokens_details": {"reasoning_tokens": 50}},
            Usage(9, 0, 52, 50),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 99}}, Usage(9, 9, 2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(9, 0, 2)),
    ],
)  # fmt: skip
def test_usage_in_the_dialects_of_other_servers(usage: Mapping[str, Any], read: Usage) -> None:
    """Cache hits by another name, and reasoning that is left out of the output, end in promptops' own words."""
    with _raw_server(_reply_with(usage=usage)) as url:
        assert ask(_at(url)).usage == read


@pytest.mark.parametrize("usage", ["none", [], {"prompt_tokens": "9"}, {"prompt_tokens": -1, "completion_tokens": 2}])
def test_usage_that_is_nonsense_is_counted(usage: object) -> None:
    """Counts that are no counts are replaced by ours, and marked."""
    with _raw_server(_reply_with(usage=usage)) as url:
        assert ask(_at(url)).usage.estimated


@pytest.mark.parametrize("listener", [None, Deaf()])
def test_log_probabilities_are_asked_for_and_read(fake_openai: FakeOpenAI, listener: Listener | None) -> None:
    """By the API's two words; whole and in pieces alike, and only where the call asks for them."""
    reply = ask(backend(fake_openai), call(sampling=Sampling(logprobs=2), listener=listener))
    assert reply.logprobs is not None
    assert "".join(one.token for one in reply.logprobs).startswith("Rivers carry")
    assert len(reply.logprobs) == reply.usage.output_tokens
    assert all((one.logprob, one.top) == (0.0, ((one.token, 0.0),)) for one in reply.logprobs)
    body = fake_openai.requests[-1].body
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
    assert ask(backend(fake_openai), call(sampling=Sampling(logprobs=0), listener=listener)).logprobs is not None
    assert "top_logprobs" not in fake_openai.requests[-1].body
    assert ask(backend(fake_openai), call(listener=listener)).logprobs is None


@pytest.mark.parametrize("said", [None, 3, {"content": None}, {"content": [3]}, {"content": [{"token": "a"}]}])
def test_log_probabilities_that_make_no_sense_are_none(said: object) -> None:
    """The answer is worth having without them."""
    body = {"choices": [{"message": {"content": "Yes."}, "logprobs": said}]}
    assert Reader("here", COUNTER).of(body, call(sampling=Sampling(logprobs=0))).logprobs is None


def test_an_answer_in_parts_is_one_text() -> None:
    """Some servers send a list of parts for the content."""
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    with _raw_server(_reply_with(message={"content": parts})) as url:
        assert ask(_at(url)).text == "one two"


# What is sent


def test_only_what_was_asked_is_sent(fake_openai: FakeOpenAI) -> None:
    """Without sampling or schema, the body holds the model, the messages and the limit."""
    ask(backend(fake_openai))
    body = fake_openai.requests[0].body
    assert set(body) == {"model", "messages", "max_tokens"}
    assert [one["role"] for one in body["messages"]] == ["system", "user"]


def test_sampling_and_schema_are_sent(fake_openai: FakeOpenAI) -> None:
    """Each field under the server's name; a schema as a strict response format named by its title."""
    schema = {"title": "Key points!", "type": "object", "properties": {}, "additionalProperties": False}
    ask(backend(fake_openai), call(sampling=Sampling(0.0, 0.5, 7, ("END",)), schema=schema))
    body = fake_openai.requests[0].body
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0.0, 0.5, 7, ["END"])
    shape = body["response_format"]["json_schema"]
    assert (shape["name"], shape["strict"], shape["schema"]) == ("Key_points", True, schema)


@pytest.mark.parametrize(
    ("model", "headroom"),
    [("gpt-4o", 0), ("gpt-4.1-mini", 0), ("llama3.1", 0), ("gpt-5-chat-latest", 0), ("o1-mini", 2048), ("o3", 2048),
     ("o4-mini-2025-04-16", 2048), ("gpt-5-mini", 2048), ("gpt-5.4", 2048), ("gpt-6-sol", 2048),
     ("openai/gpt-5", 2048), ("gpt-oss-20b", 2048), ("deepseek-reasoner", 2048), ("foo1", 0)],
)  # fmt: skip
def test_reasoning_models_get_room_to_think(fake_openai: FakeOpenAI, model: str, headroom: int) -> None:
    """What they spend unseen is asked for on top of the call's limit; others get the limit alone."""
    one = backend(fake_openai, model=model)
    assert one.reasoning == headroom
    ask(one, call(80))
    assert fake_openai.requests[0].body["max_tokens"] == 80 + headroom
    assert backend(fake_openai, model=model, reasoning=5).reasoning == 5


def test_the_official_host_gets_its_own_name_for_the_limit() -> None:
    """max_completion_tokens at OpenAI, and its identity is the bare spec; elsewhere the address is part of it."""
    official = OpenAI("gpt-4o", api_key="k", counter=COUNTER)
    assert official._body(call(80)).get("max_completion_tokens") == 80
    assert official.identity == "openai:gpt-4o"
    assert official.window == 128_000
    assert official.price is not None
    other = OpenAI("gpt-4o", base_url="http://10.0.0.1:8000/v1/", counter=COUNTER)
    assert other.identity == "openai:gpt-4o@http://10.0.0.1:8000/v1"
    assert "max_tokens" in other._body(call())


def test_the_reserve_for_a_prompt_covers_what_servers_count(fake_openai: FakeOpenAI) -> None:
    """Contents plus the overhead, per message and once more, are never less than the input that is billed."""
    for one in (backend(fake_openai), OpenAI("gpt-4o", api_key="k", counter=COUNTER)):
        for messages in (
            (Message("user", "hi"),),
            (Message("system", "a"), Message("user", "b"), Message("user", "c")),
        ):
            ask(backend(fake_openai), Call(messages, 5))
            reserve = sum(COUNTER.count(message.content) + one.overhead for message in messages) + one.overhead
            assert reserve >= fake_openai.requests[-1].input_tokens


def test_the_environment_means_what_it_means_to_the_client(openai_environment: FakeOpenAI) -> None:
    """OPENAI_BASE_URL and OPENAI_API_KEY are used without being passed."""
    assert ask(OpenAI(MODEL, counter=COUNTER)).text
    assert openai_environment.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_a_server_that_asks_for_no_key_needs_none(fake_openai: FakeOpenAI) -> None:
    """Elsewhere than at OpenAI a missing key is fine."""
    fake_openai.keys = None
    assert ask(OpenAI(MODEL, base_url=fake_openai.base_url, counter=COUNTER)).text


# What goes wrong


def test_no_key_for_the_official_host() -> None:
    """Nothing is sent; the error names what to set."""
    error = failure(OpenAI("gpt-4o", counter=COUNTER))
    assert type(error) is AccessError
    assert "set OPENAI_API_KEY" in str(error)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://host/v1", "https://", "http://h:99999/v1", "http://[::1/v1"]
)
def test_an_address_that_is_none(url: str) -> None:
    """A wrong base URL is found before anything is sent, and said with what it was given by."""
    with pytest.raises(
        UsageError, match=re.escape(f"--base-url (base_url=...) {url!r} is no address: it must be like")
    ):
        OpenAI("m", base_url=url, counter=COUNTER)


def test_an_address_of_the_environment_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named where it is the one that is wrong; what may be a secret is not shown."""
    monkeypatch.setenv("OPENAI_BASE_URL", "me:hunter2@host")
    with pytest.raises(UsageError, match=r"^OPENAI_BASE_URL is no address"):
        OpenAI("m", counter=COUNTER)


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    """It could not go out beside the key, and would be written into names and messages."""
    with pytest.raises(UsageError) as caught:
        OpenAI("m", base_url="https://me:hunter2@host/v1", counter=COUNTER)
    assert "hunter2" not in str(caught.value)


def test_a_key_that_no_header_can_carry(fake_openai: FakeOpenAI) -> None:
    """It is refused here, without being shown; whitespace around a key is no fault."""
    one = backend(fake_openai, api_key="sk-ключ")
    assert type(failure(one)) is AccessError
    assert fake_openai.requests == []
    assert ask(backend(fake_openai, api_key=f" {KEY}\n")).text


STATUSES = [
    (Fault("429"), ThrottledError, 429, None),
    (Fault("429", {"retry-after": "7"}), ThrottledError, 429, 7.0),
    (Fault("429", {"retry-after-ms": "1500"}), ThrottledError, 429, 1.5),
    (Fault("429", {"x-ratelimit-reset-tokens": "6m0s"}), ThrottledError, 429, 360.0),
    (Fault("429", {"retry-after": "600"}), ThrottledError, 429, 600.0),
    (Fault("quota"), QuotaError, 429, None),
    (Fault("402"), QuotaError, 402, None),
    (Fault("400"), RejectedError, 400, None),
    (Fault("400", code="content_filter"), RefusedError, 400, None),
    (Fault("413"), RejectedError, 413, None),
    (Fault("422"), RejectedError, 422, None),
    (Fault("401"), AccessError, 401, None),
    (Fault("403"), AccessError, 403, None),
    (Fault("404"), AccessError, 404, None),
    *((Fault(str(status)), TransientError, status, None) for status in (408, 409, 500, 502, 504, 529)),
    (Fault("503", {"retry-after": "2"}), TransientError, 503, 2.0),
]


@pytest.mark.parametrize(("fault", "kind", "status", "wait"), STATUSES, ids=lambda value: getattr(value, "kind", None))
def test_every_status_is_one_of_our_errors(
    fake_openai: FakeOpenAI, fault: Fault, kind: type[CallError], status: int, wait: float | None
) -> None:
    """Its class, status, request id and wait; and it was asked once, since nothing here retries."""
    fake_openai.fail(fault)
    error = failure(backend(fake_openai))
    assert (type(error), error.status, error.retry_after) == (kind, status, wait)
    assert (error.request_id, error.billed, error.usage) == ("req_failed", False, None)
    assert len(fake_openai.requests) == 1


def test_a_wrong_key_and_a_wrong_model(fake_openai: FakeOpenAI) -> None:
    """One line names the model, the address and the mend, though the server repeats the key."""
    wrong = backend(fake_openai, api_key="sk-wrong-key-0123456789")
    error = failure(wrong)
    assert (type(error), error.status) == (AccessError, 401)
    assert "set OPENAI_API_KEY" in str(error)
    assert "0123456789" not in str(error)
    fake_openai.models = ("another",)
    error = failure(backend(fake_openai))
    assert (type(error), error.status) == (AccessError, 404)
    assert fake_openai.base_url in str(error)


def test_a_path_that_is_not_there(fake_openai: FakeOpenAI) -> None:
    """A base URL without its /v1 is found out by the first call."""
    error = failure(backend(fake_openai, base_url=fake_openai.base_url.removesuffix("/v1")))
    assert (type(error), error.status) == (AccessError, 404)
    assert str(error).endswith(
        "no access (404: Not Found); check the model's name and OPENAI_BASE_URL, which most often ends in /v1"
    )


def test_a_server_that_wants_a_key_where_none_was_set(fake_openai: FakeOpenAI) -> None:
    """Many servers of one's own want none, so it is asked; where it is refused, that none was set is said."""
    error = failure(OpenAI("m", base_url=fake_openai.base_url, counter=COUNTER))
    assert (type(error), error.status) == (AccessError, 401)
    assert str(error).endswith("; no OPENAI_API_KEY was set; set OPENAI_API_KEY to a key of this server")
    error = failure(backend(fake_openai, api_key="sk-wrong"))
    assert "no OPENAI_API_KEY was set" not in str(error)


def test_an_error_that_repeats_the_prompt_does_not_show_it(fake_openai: FakeOpenAI) -> None:
    """What the server echoes of the document stays out of the message."""
    fake_openai.fail(Fault("400", message=f"invalid input: {TEXT}"))
    error = failure(backend(fake_openai))
    assert "invalid input" in str(error)
    assert "sediment" not in str(error)


BROKEN = [
    ("reset", TransientError, True),
    ("drop", TransientError, True),
    ("reset_body", TransientError, True),
    ("malformed", TransientError, True),
    ("not_object", TransientError, True),
    ("error200", TransientError, True),
    ("no_choices", TransientError, True),
    ("null_choices", TransientError, True),
    ("no_message", TransientError, True),
    ("html", AccessError, False),
    ("content_filter", RefusedError, True),
    ("refusal", RefusedError, True),
]


@pytest.mark.parametrize(("fault", "kind", "billed"), BROKEN)
def test_every_broken_answer_is_one_of_our_errors(
    fake_openai: FakeOpenAI, fault: str, kind: type[CallError], billed: bool
) -> None:
    """What may have been billed is marked so, wherever the server billed it, and the usage it told is kept."""
    fake_openai.fail(fault)
    one = backend(fake_openai)
    error = failure(one)
    assert (type(error), error.billed) == (kind, billed)
    seen = fake_openai.requests[0]
    assert error.billed or not seen.billed
    assert error.usage is None or error.usage.input_tokens == seen.input_tokens
    assert len(fake_openai.requests) == 1
    assert ask(one).text, "the backend goes on after a fault"


@pytest.mark.parametrize("fault", ["content_filter", "refusal", "no_choices"])
def test_a_refusal_that_was_billed_carries_its_usage(fake_openai: FakeOpenAI, fault: str) -> None:
    """The ledger can enter what the server counted though there is no reply."""
    fake_openai.fail(fault)
    error = failure(backend(fake_openai))
    seen = fake_openai.requests[0]
    assert error.usage == Usage(seen.input_tokens, 0, seen.output_tokens)


@pytest.mark.parametrize("listener", [None, Deaf()], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", ["refusal", "malformed", "error200"])
def test_a_200_that_is_no_reply_names_its_limits(fault: str, listener: Listener | None) -> None:
    """In its headers, as any other answer does."""
    named = {"x-ratelimit-limit-requests": "5", "x-ratelimit-remaining-requests": "0", "retry-after": "60"}
    with FakeOpenAI(headers=named) as server:
        server.fail(fault)
        error = failure(backend(server), call(listener=listener))
    assert (error.limits, error.retry_after) == (Limits(Allowance(5, 0, None)), 60)


def test_a_quota_error_inside_a_200(fake_openai: FakeOpenAI) -> None:
    """Gateways answer 200 with the upstream's error in the body."""
    fake_openai.fail(Fault("error200", code="insufficient_quota"))
    assert type(failure(backend(fake_openai))) is QuotaError
    with _raw_server(b'{"error": {"message": "slow down", "code": 429}}') as url:
        error = failure(_at(url))
    assert (type(error), error.status, error.billed) == (ThrottledError, 429, False)


def test_a_hung_connection_is_cut(fake_openai: FakeOpenAI) -> None:
    """A server that never answers costs the deadline and no more, and may have billed."""
    fake_openai.fail(Fault("hang", seconds=30))
    error = failure(backend(fake_openai, timeout=0.4))
    assert (type(error), error.billed, error.status) == (TransientError, True, None)
    assert len(fake_openai.requests) == 1


def test_a_body_that_drips_is_cut_as_well() -> None:
    """The deadline is for the whole answer, not for the next byte of it."""
    with _raw_server(_reply_with(), pause=0.1) as url:
        error = failure(_at(url, timeout=0.5))
    assert (type(error), error.billed) == (TransientError, True)


def test_the_deadline_grows_with_the_call(fake_openai: FakeOpenAI) -> None:
    """A long answer and a long prompt get longer, and none less than a minute."""
    one = backend(fake_openai, timeout=None)
    assert 60 < one._deadline(call(10)) < one._deadline(call(1000))
    longer = Call((Message("user", "x" * 400_000),), 10)
    assert one._deadline(longer) > one._deadline(call(10)) + 60


def test_nobody_listens() -> None:
    """A refused connection is unreachable, cannot have been billed, and names the address."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = failure(_at(f"http://127.0.0.1:{port}/v1"))
    assert (type(error), error.billed, error.status) == (UnreachableError, False, None)
    assert f"127.0.0.1:{port}" in str(error)
    assert "refused" in str(error)


def test_a_name_that_does_not_resolve() -> None:
    """An unknown host is unreachable, and says why."""
    error = failure(_at("http://nowhere.invalid/v1"))
    assert (type(error), error.billed) == (UnreachableError, False)
    assert "does not resolve" in str(error)


def test_tests_have_no_network() -> None:
    """An address that is not on loopback is as unreachable as on a machine that is not connected."""
    error = failure(_at("http://192.0.2.1/v1"))
    assert (type(error), error.billed) == (UnreachableError, False)
    with pytest.raises(OSError, match="may not use the network"), socket.socket() as direct:
        direct.connect(("192.0.2.1", 80))


def test_plain_http_where_tls_was_expected(fake_openai: FakeOpenAI) -> None:
    """https:// to a server that speaks http:// is told as that."""
    error = failure(backend(fake_openai, base_url=fake_openai.base_url.replace("http:", "https:")))
    assert (type(error), error.billed) == (UnreachableError, False)
    assert "TLS" in str(error)


def test_something_else_listens() -> None:
    """A server of another protocol is said to be one, and billed nothing."""
    with _raw_server(b"", head=b"220 mail ready\r\n\r\n") as url:
        error = failure(_at(url))
    assert (type(error), error.billed) == (UnreachableError, False)
    assert "speaks no HTTP" in str(error)


def test_plain_text_is_no_model_until_there_was_one(fake_openai: FakeOpenAI) -> None:
    """At first it is another server; later it may be a reply that a gateway broke, and was billed."""
    with _raw_server(b"It works!") as url:
        one = _at(url)
        assert type(failure(one)) is AccessError
        with pytest.raises(TransientError):
            one._reader.read(b'{"choices": []}', call())
        error = failure(one)
    assert (type(error), error.billed) == (TransientError, True)


def test_half_a_character_in_a_prompt(fake_openai: FakeOpenAI) -> None:
    """A lone surrogate cannot be sent; the call is rejected before it leaves."""
    error = failure(backend(fake_openai), Call((Message("user", "bad \ud800 text"),), 5))
    assert type(error) is RejectedError
    assert fake_openai.requests == []


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "usage", "error", "id", "model", "refusal", "finish_reason",
                         "prompt_tokens", "completion_tokens", "code", "text"]), inner, max_size=5),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_body_at_all_gets_past_the_reader(content: bytes) -> None:
    """Whatever a 200 holds, it is a reply or a CallError."""
    reader = OpenAI(MODEL, base_url="http://127.0.0.1:9/v1", counter=COUNTER)._reader
    try:
        reply = reader.read(content, call())
    except CallError as error:
        assert "\n" not in str(error)  # noqa: PT017 - a reply is as right as an error
    else:
        assert isinstance(reply.text, str)
        assert reply.usage.cached_input_tokens <= reply.usage.input_tokens
        assert reply.usage.reasoning_tokens <= reply.usage.output_tokens


# Every exception of the libraries beneath


MAPPED: dict[str, type[CallError]] = {
    "OpenAIError": TransientError,
    "APIError": TransientError,
    "APIStatusError": TransientError,
    "APITimeoutError": TransientError,
    "APIConnectionError": TransientError,
    "APIResponseValidationError": TransientError,
    "BadRequestError": RejectedError,
    "AuthenticationError": AccessError,
    "OAuthError": AccessError,
    "PermissionDeniedError": AccessError,
    "NotFoundError": AccessError,
    "ConflictError": TransientError,
    "UnprocessableEntityError": RejectedError,
    "RateLimitError": ThrottledError,
    "InternalServerError": TransientError,
    "LengthFinishReasonError": TransientError,
    "ContentFilterFinishReasonError": TransientError,
    "InvalidWebhookSignatureError": TransientError,
    "SubjectTokenProviderError": TransientError,
    "WebSocketConnectionClosedError": TransientError,
    "WebSocketQueueFullError": TransientError,
}
"""The last six belong to parts of the client that promptops does not use; they still end as one of ours."""


def _exported() -> list[type[Exception]]:
    names = {name for name in openai.__all__ if name.endswith(("Error", "Exception"))}
    found = (getattr(openai, name) for name in names)
    return sorted({kind for kind in found if inspect.isclass(kind) and issubclass(kind, Exception)}, key=str)


@pytest.mark.parametrize("kind", _exported(), ids=lambda kind: kind.__name__)
def test_every_exception_of_the_client_is_mapped(kind: type[Exception]) -> None:
    """A class that a new release adds fails here until someone has decided what it is."""
    exc = kind.__new__(kind)
    status = {"APIStatusError": 500, "InternalServerError": 500, "OAuthError": 401, "APIResponseValidationError": 200}
    code = getattr(kind, "status_code", None) or status.get(kind.__name__)
    if isinstance(code, int):
        response = _response_type()(code, request=None, headers={"x-request-id": "r1"})
        exc.__dict__.update(response=response, body={"message": "no"}, code=None, type=None)
    error = wire.of_exception(exc, "openai:m at http://h/v1")
    assert type(error) is MAPPED[kind.__name__]
    assert error.status == (code if isinstance(code, int) else None)


def _response_type() -> Any:
    """The response class of the HTTP library that this release of the client stands on: httpx, or httpx2 from 3.0."""
    base = next(kind for kind in openai.DefaultAioHttpClient.__mro__ if kind.__name__ == "AsyncClient")
    return sys.modules[base.__module__].Response


def _http_library() -> list[type[Exception]]:
    module = sys.modules[_response_type().__module__.partition(".")[0]]
    return sorted(
        {one for one in vars(module).values() if inspect.isclass(one) and issubclass(one, Exception)}, key=str
    )


def _aiohttp_exceptions() -> list[type[Exception]]:
    names = (getattr(aiohttp, name) for name in aiohttp.__all__)
    return sorted({one for one in names if inspect.isclass(one) and issubclass(one, Exception)}, key=str)


@pytest.mark.parametrize(
    "kind",
    [*_http_library(), *_aiohttp_exceptions(), json.JSONDecodeError, ssl.SSLError, ConnectionResetError, EOFError,
     BrokenPipeError, TimeoutError, OSError, UnicodeDecodeError],
    ids=lambda kind: f"{kind.__module__.partition('.')[0]}.{kind.__name__}",
)  # fmt: skip
def test_every_exception_of_the_transport_is_mapped(kind: type[Exception]) -> None:
    """The HTTP library's, aiohttp's and Python's own end as a CallError, retried only where that may help."""
    error = wire.of_exception(kind.__new__(kind), "openai:m at http://h/v1", seconds=3)
    assert isinstance(error, (TransientError, AccessError, RejectedError))
    assert error.billed is (type(error) is TransientError)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ssl.SSLCertVerificationError(1, "self-signed"), AccessError),
        (aiohttp.ServerDisconnectedError(), TransientError),
        (aiohttp.ClientPayloadError("cut"), TransientError),
        (aiohttp.ConnectionTimeoutError("slow"), UnreachableError),
        (aiohttp.SocketTimeoutError("slow"), TransientError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_cause_decides_and_not_its_wrapping(cause: Exception, kind: type[CallError]) -> None:
    """The transport calls any lost connection a connect time-out, which would pass a paid call off as unsent."""
    for wrapping in (openai.APITimeoutError.__new__(openai.APITimeoutError), aiohttp.ClientError("it failed")):
        wrapping.__cause__ = cause
        assert type(wire.of_exception(wrapping, "m")) is kind


def test_a_mistake_in_the_program_is_not_taken_for_a_fault(fake_openai: FakeOpenAI) -> None:
    """A TypeError of ours comes out as it is, rather than as something to try again."""
    one = backend(fake_openai)
    one._body = lambda _: undefined_name  # type: ignore[method-assign, name-defined, assignment]  # noqa: F821
    with pytest.raises(NameError):
        ask(one)


# Loops, threads, and what is left behind


def test_a_second_run_and_many_loops(fake_openai: FakeOpenAI) -> None:
    """One backend answers in one event loop after another, closed or not."""
    one = backend(fake_openai)
    for _ in range(3):
        assert ask(one).text
        assert asyncio.run(one.complete(call())).text
    assert one._doors._held == {}


def test_it_may_be_used_again_after_closing(fake_openai: FakeOpenAI) -> None:
    """Closing lets go of connections; the next call opens new ones."""

    async def go() -> None:
        one = backend(fake_openai)
        for _ in range(2):
            assert (await one.complete(call())).text
            await asyncio.gather(one.aclose(), one.aclose())
        await one.aclose()

    asyncio.run(go())


def test_threads_with_a_loop_each(fake_openai: FakeOpenAI) -> None:
    """Eighty calls from eight threads all come back."""
    one = backend(fake_openai)
    replies: list[Reply] = []

    async def some() -> None:
        replies.extend(await asyncio.gather(*(one.complete(call()) for _ in range(10))))

    threads = [threading.Thread(target=lambda: asyncio.run(some())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 80
    assert fake_openai.billed["calls"] == 80
    assert one._doors._held == {}


def test_many_at_once_really_are(fake_openai: FakeOpenAI) -> None:
    """Calls do not wait for each other's connections."""
    fake_openai.latency = 0.3
    one = backend(fake_openai, timeout=30)

    async def go() -> list[Reply]:
        return await asyncio.gather(*(one.complete(call()) for _ in range(150)))

    replies = asyncio.run(go())
    assert len(replies) == 150
    assert fake_openai.most_in_flight > 100


def test_counts_under_faults_add_up(fake_openai: FakeOpenAI) -> None:
    """What replies report, plus what errors report or leave possibly billed, covers all that the server billed."""
    fake_openai.rates = {"500": 0.1, "reset": 0.1, "reset_body": 0.1, "malformed": 0.1, "content_filter": 0.1}
    one = backend(fake_openai)

    async def go() -> list[Reply | BaseException]:
        return await asyncio.gather(*(one.complete(call()) for _ in range(60)), return_exceptions=True)

    known, lost = 0, 0
    for result in asyncio.run(go()):
        usage = result.usage if isinstance(result, Reply | CallError) else pytest.fail(f"{result!r}")
        known += usage.input_tokens if usage else 0
        lost += isinstance(result, CallError) and result.billed and usage is None
    billed = [seen for seen in fake_openai.requests if seen.billed]
    unheard = [seen for seen in billed if seen.fault in {"reset", "reset_body", "malformed"}]
    assert lost == len(unheard) > 0
    assert known == sum(seen.input_tokens for seen in billed) - sum(seen.input_tokens for seen in unheard)


def test_a_cancelled_call_leaves_nothing(fake_openai: FakeOpenAI) -> None:
    """Cancelling a call is not turned into an error, and the backend goes on."""
    fake_openai.fail(Fault("hang", seconds=30))
    one = backend(fake_openai)

    async def go() -> None:
        task = asyncio.create_task(one.complete(call()))
        while not fake_openai.requests:  # noqa: ASYNC110 - filled by another thread
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await one.complete(call())).text

    asyncio.run(go())


@pytest.mark.parametrize("closing", [True, False])
def test_nothing_is_left_open(fake_openai: FakeOpenAI, closing: bool) -> None:
    """No task, socket or session outlives the loop, whatever went wrong in it and whether or not it was closed."""
    one = backend(fake_openai, timeout=0.5)

    async def go() -> int:
        for fault in ("", "500", "reset", "reset_body", "malformed", Fault("hang", seconds=30)):
            if fault:
                fake_openai.fail(fault)
            await asyncio.gather(one.complete(call()), return_exceptions=True)
        if closing:
            await one.aclose()
        return len(asyncio.all_tasks()) - 1

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert asyncio.run(go()) == 0
        gc.collect()
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []


def test_importing_the_backend_imports_nothing_heavy() -> None:
    """Transport and prices cost a good part of a second, which only a call may cost."""
    heavy = "{'openai', 'aiohttp', 'genai_prices'}"
    code = f"import sys, promptops.backends.openai as o; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_it_is_a_backend(fake_openai: FakeOpenAI) -> None:
    """It has everything that a backend declares."""
    one = backend(fake_openai, window=7)
    assert all(hasattr(one, name) for name in Backend.__annotations__)
    assert one.window == 7


def test_prices_of_a_gateway_and_of_open_weights() -> None:
    """A gateway's OpenAI models have OpenAI's price; what a server runs itself has none."""
    url = "http://127.0.0.1:8000/v1"
    assert OpenAI("gpt-4o", base_url=url, counter=COUNTER).price is not None
    assert OpenAI("gpt-oss-20b", base_url=url, counter=COUNTER).price is None
    assert OpenAI("llama3.1", base_url=url, counter=COUNTER).price is None
    assert OpenAI("llama3.1", base_url=url, counter=COUNTER).window is None


def test_the_fake_server_from_a_shell(tmp_path: Path) -> None:
    """It prints its address, and its log has a line for every request, for tests that kill processes."""
    log = tmp_path / "billed.jsonl"
    command = [sys.executable, "-m", "promptops.testing", "--fault", "reset:0.5", "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        one = _at(process.stdout.readline().strip())

        async def go() -> None:
            await asyncio.gather(*(one.complete(call()) for _ in range(12)), return_exceptions=True)

        asyncio.run(go())
        process.kill()
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 12
    assert {row["fault"] for row in rows} == {"", "reset"}
    assert all(row["input_tokens"] > 0 for row in rows)


@pytest.mark.parametrize("fault", ["", "length", "reset_body"])
def test_the_fake_server_streams(fake_openai: FakeOpenAI, fault: str) -> None:
    """Server-sent events, with the usage at the end, and cut in the middle where asked."""
    if fault:
        fake_openai.fail(fault)
    with openai.OpenAI(base_url=fake_openai.base_url, api_key=KEY, max_retries=0) as client:
        stream = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": TEXT}],
            stream=True,
            stream_options={"include_usage": True},
        )
        if fault == "reset_body":
            with pytest.raises(Exception):  # noqa: B017, PT011 - whichever the client makes of it
                list(stream)
            return
        chunks = list(stream)
        assert [model.id for model in client.models.list()] == [MODEL]
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == COUNTER.count(said)


# Servers that are not the fake one


def _at(url: str, **options: Any) -> OpenAI:
    given: dict[str, Any] = {"api_key": KEY, "counter": COUNTER, "timeout": 5.0} | options
    return OpenAI(MODEL, base_url=url, **given)


def _reply_with(**changes: Any) -> bytes:
    message = {"role": "assistant", "content": "Well."} | changes.pop("message", {})
    reply = {"id": "c1", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return json.dumps(reply | changes).encode()


@contextmanager
def _raw_server(body: bytes, *, head: bytes | None = None, pause: float = 0.0) -> Iterator[str]:
    """A server that answers any connection with these bytes, one at a time where there is a pause (seconds)."""
    shown = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            _answer(connection, (shown if head is None else head), body, pause, over)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _answer(connection: socket.socket, head: bytes, body: bytes, pause: float, over: threading.Event) -> None:
    with connection:
        connection.settimeout(5)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        try:
            connection.sendall(head)
            for byte in body if pause else ():
                if over.wait(pause):
                    return
                connection.sendall(bytes([byte]))
            if not pause:
                connection.sendall(body)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:
            return
