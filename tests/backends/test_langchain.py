"""LangChain chat models as backends."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

import promptops as po
from promptops.backends.langchain import LangChain, load
from promptops.backends.openai import OpenAI
from promptops.errors import (
    CallError,
    NotFoundError,
    PromptopsError,
    RefusedError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnreachableError,
    UsageError,
)
from promptops.integrations.langchain import ChatPromptops
from promptops.testing import KEY, FakeOpenAI, Fault
from promptops.tokens import counter
from promptops.types import Call, Message, Sampling, Tool, ToolCall

COUNTER = counter(tokenizer="o200k_base")
CALL = Call((Message("system", "be brief"), Message("user", "hello")), 50)


class Model(BaseChatModel):
    """A real subclass that answers what it is told to."""

    message: Any = None
    failure: Any = None
    seen: list[Any] = []
    stops: Any = None

    @property
    def _llm_type(self) -> str:
        return "test"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **more: Any
    ) -> ChatResult:
        self.seen.append((messages, more))
        self.stops = stop
        if self.failure is not None:
            raise self.failure
        return ChatResult(generations=[ChatGeneration(message=self.message)])


def ask(model: Model) -> po.Reply:
    return asyncio.run(LangChain("m:a", model, COUNTER, 8_000).complete(CALL))


def test_messages_limits_and_usage_pass_through() -> None:
    """Roles go in; text, finish, cached and reasoning tokens come out."""
    usage = {
        "input_tokens": 9,
        "output_tokens": 4,
        "total_tokens": 13,
        "input_token_details": {"cache_read": 5},
        "output_token_details": {"reasoning": 2},
    }
    message = AIMessage("hi", usage_metadata=usage, response_metadata={"finish_reason": "length"})
    model = Model(message=message, seen=[])
    reply = ask(model)
    assert (reply.text, reply.finish, reply.usage) == ("hi", "length", po.Usage(9, 5, 4, 2))
    messages, more = model.seen[0]
    assert [part.type for part in messages] == ["system", "human"]
    assert more["max_tokens"] == 50


def test_usage_is_counted_and_marked_where_the_model_reports_none() -> None:
    """An estimate says that it is one."""
    usage = ask(Model(message=AIMessage("hi there"))).usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (3, 2, True)


def test_its_exceptions_arrive_as_ours() -> None:
    """By status where it has one, else as a failed call that may have been billed."""
    slow = RuntimeError("slow down")
    slow.status_code = 429  # type: ignore[attr-defined]
    with pytest.raises(ThrottledError):
        ask(Model(failure=slow))
    with pytest.raises(CallError, match="OSError: gone") as failure:
        ask(Model(failure=OSError("gone")))
    assert failure.value.billed


def test_two_models_of_one_class_do_not_share_replies() -> None:
    """What they are set to is part of their identity; the addresses of their parts are not."""
    one, other = (LangChain("m:a", Model(message=None, failure=text), COUNTER) for text in ("x", "y"))
    again = LangChain("m:a", Model(message=None, failure="x"), COUNTER)
    assert one.identity == again.identity != other.identity


def test_a_spec_names_a_model_a_class_or_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And anything else is refused in one line."""
    (tmp_path / "shelf.py").write_text(
        "from langchain_core.language_models import FakeListChatModel\n"
        "model = FakeListChatModel(responses=['a summary.'])\n"
        "def make(): return model\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load("shelf:model") is load("shelf:make")
    with pytest.raises(UsageError, match="not a LangChain chat model"):
        load("shelf:number")
    with pytest.raises(NotFoundError, match="nothing"):
        load("shelf:nothing")
    with pytest.raises(NotFoundError, match="no_such_module"):
        load("no_such_module:model")
    with pytest.raises(UsageError, match="write it as langchain:"):
        load("shelf")
    with po.connect("langchain:shelf:model", tokenizer="o200k_base", window=8_000) as client:
        result = po.run("summarize", [po.Source("a", text="Some text.")], client)
    assert (result.text, result.usage.usd) == ("a summary.", None)
    sys.modules.pop("shelf")


def test_how_to_sample_is_passed_on() -> None:
    """All that a chain file can say."""
    model = Model(message=AIMessage("hi"), seen=[])
    call = replace(CALL, sampling=Sampling(temperature=0.1, top_p=0.5, seed=3, stop=("END",)))
    asyncio.run(LangChain("m:a", model, COUNTER, 8_000).complete(call))
    more = model.seen[0][1]
    assert (more["temperature"], more["top_p"], more["seed"], model.stops) == (0.1, 0.5, 3, ["END"])


def test_what_a_model_is_set_to_is_not_written_down() -> None:
    """The store keeps the identity, and a setting can be a key."""
    assert "sk-secret" not in LangChain("m:a", Model(failure="sk-secret"), COUNTER).identity


@pytest.mark.parametrize("line", ["raise KeyError('MY_KEY')", "def model(): raise ValueError('no key\\nset one')", "("])
def test_a_model_that_cannot_be_made_is_said_in_one_line(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its module raises."""
    (tmp_path / "broken_shelf.py").write_text(f"{line}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_shelf", raising=False)
    with pytest.raises(UsageError, match="langchain:broken_shelf:model cannot be made: ") as failure:
        load("broken_shelf:model")
    assert "\n" not in str(failure.value)


class Raw(BaseChatModel):
    """A model over the openai client as it is, as provider packages are built."""

    base_url: str

    @property
    def _llm_type(self) -> str:
        return "raw"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **more: Any
    ) -> ChatResult:
        with openai.OpenAI(base_url=self.base_url, api_key=KEY, max_retries=0, timeout=0.2) as client:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello there"}])
        raise AssertionError


def test_a_providers_exception_keeps_what_it_knows(fake_openai: FakeOpenAI) -> None:
    """Status, request id and the wait that the server asks for; the class by the table of all backends."""
    headers = {"x-request-id": "req_7", "retry-after": "3"}
    fake_openai.fail(Fault("429", headers=headers, message="slow down"))
    backend = LangChain("m:a", Raw(base_url=fake_openai.base_url), COUNTER, 8_000)
    with pytest.raises(ThrottledError, match="slow down") as caught:
        asyncio.run(backend.complete(CALL))
    error = caught.value
    assert (error.status, error.request_id, error.retry_after, error.billed) == (429, "req_7", 3.0, False)
    fake_openai.fail("quota", Fault("500"), Fault("hang", seconds=2), "drop")
    for kind, billed in (("quota", False), ("transient", False), ("transient", True), ("transient", True)):
        with pytest.raises(CallError) as caught_too:
            asyncio.run(backend.complete(CALL))
        assert (caught_too.value.code, caught_too.value.billed) == (kind, billed)


def test_a_server_that_is_not_there_is_unreachable() -> None:
    """Nothing was billed."""
    with pytest.raises(UnreachableError, match="cannot be reached") as caught:
        asyncio.run(LangChain("m:a", Raw(base_url="http://127.0.0.1:9/v1"), COUNTER, 8_000).complete(CALL))
    assert not caught.value.billed


def test_exceptions_of_other_shapes_are_read_too() -> None:
    """Botocore holds its answer as a dict, Google's libraries only a code."""
    slow = RuntimeError("An error occurred (ThrottlingException)")
    slow.response = {  # type: ignore[attr-defined]
        "Error": {"Code": "ThrottlingException", "Message": "Too many tokens"},
        "ResponseMetadata": {"HTTPStatusCode": 429, "RequestId": "aws-1", "HTTPHeaders": {"Retry-After": "2"}},
    }
    with pytest.raises(ThrottledError, match="Too many tokens") as caught:
        ask(Model(failure=slow))
    assert (caught.value.request_id, caught.value.retry_after) == ("aws-1", 2.0)
    down = RuntimeError("UNAVAILABLE")
    down.code = 503  # type: ignore[attr-defined]
    with pytest.raises(TransientError, match="UNAVAILABLE"):
        ask(Model(failure=down))


@pytest.mark.parametrize(
    ("about", "finish"),
    [
        ({"stop_reason": "max_tokens"}, "length"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"done_reason": "length"}, "length"),
        ({"finish_reason": "model_length"}, "length"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({"finish_reason": "STOP"}, "stop"),
        ({"stopReason": "max_tokens"}, "length"),
    ],
)
def test_each_providers_word_for_how_an_answer_ended(about: dict[str, str], finish: str) -> None:
    """OpenAI, Anthropic, Google, Ollama, Mistral and Bedrock have their own."""
    assert ask(Model(message=AIMessage("hi", response_metadata=about))).finish == finish


@pytest.mark.parametrize("about", [{"stop_reason": "refusal"}, {"finish_reason": "SAFETY"}])
def test_a_refusal_is_a_refusal(about: dict[str, str]) -> None:
    """Billed by its usage."""
    usage = {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6}
    with pytest.raises(RefusedError) as caught:
        ask(Model(message=AIMessage("", response_metadata=about, usage_metadata=usage)))
    assert caught.value.usage == po.Usage(5, 0, 1, 0)


def test_zeros_for_usage_are_no_usage() -> None:
    """A reply is not free because nobody counted."""
    zeros = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    assert ask(Model(message=AIMessage("hi there", usage_metadata=zeros))).usage.estimated


SCHEMA = {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}


def there_and_back(server: FakeOpenAI) -> LangChain:
    """A backend over a chat model over a client of the fake provider."""
    client = po.Client(OpenAI("gpt-4o-mini", base_url=server.base_url, api_key=KEY, counter=COUNTER))
    return LangChain("m:a", ChatPromptops(client=client), COUNTER, 8_000)


@pytest.mark.parametrize("listening", [True, False])
def test_a_schema_goes_to_models_that_take_one(fake_openai: FakeOpenAI, *, listening: bool) -> None:
    """As the provider's own JSON schema; the reply is its JSON."""
    heard: list[str] = []

    class Ear:
        piece = staticmethod(heard.append)
        again = heard.clear

    call = replace(CALL, schema=SCHEMA, listener=Ear() if listening else None)
    reply = asyncio.run(there_and_back(fake_openai).complete(call))
    assert json.loads(reply.text) == {"who": "hello"}
    assert "".join(heard) == (reply.text if listening else "")
    asked = fake_openai.requests[0].body
    assert asked["response_format"]["json_schema"]["schema"]["properties"] == SCHEMA["properties"]
    assert (asked["max_tokens"], bool(asked.get("stream"))) == (50, listening)


def test_tools_go_there_and_back(fake_openai: FakeOpenAI) -> None:
    """Offered, asked for, and answered."""
    backend = there_and_back(fake_openai)
    call = replace(CALL, tools=(Tool("greet", "Greets.", SCHEMA),), tool_choice="required")
    reply = asyncio.run(backend.complete(call))
    (asked,) = reply.tool_calls
    assert (asked.name, json.loads(asked.arguments), reply.usage.estimated) == ("greet", {"who": "hello"}, False)
    told = (*call.messages, Message("assistant", "", (asked,)), Message("tool", "done", tool_call_id=asked.id))
    again = asyncio.run(backend.complete(replace(call, messages=told, tool_choice="auto")))
    assert (again.tool_calls, again.text) == ((), "done")
    sent = fake_openai.requests[1].body["messages"]
    assert [one["role"] for one in sent] == ["system", "user", "assistant", "tool"]
    assert (sent[2]["tool_calls"][0]["id"], sent[3]["tool_call_id"]) == (asked.id, asked.id)


def test_what_a_model_cannot_be_given_is_refused_in_one_line() -> None:
    """Before anything is sent."""
    backend = LangChain("m:a", Model(message=AIMessage("hi")), COUNTER, 8_000)
    for more in ({"schema": SCHEMA}, {"tools": (Tool("t"),)}, {"schema": SCHEMA, "tools": (Tool("t"),)}):
        with pytest.raises(RejectedError, match="m:a") as caught:
            asyncio.run(backend.complete(replace(CALL, **more)))
        assert "\n" not in str(caught.value)


def test_a_listener_hears_a_stream(fake_openai: FakeOpenAI) -> None:
    """Through ``astream``, with the usage of its end."""
    backend = there_and_back(fake_openai)
    heard: list[str] = []

    class Ear:
        piece = staticmethod(heard.append)
        again = heard.clear

    long = replace(CALL, messages=(Message("user", "one two three four five"),), listener=Ear())
    reply = asyncio.run(backend.complete(long))
    assert "".join(heard) == reply.text == "one two three four five"
    assert len([piece for piece in heard if piece]) == 5
    seen = fake_openai.requests[0]
    assert reply.usage == po.Usage(seen.input_tokens, 0, seen.output_tokens, 0)


def test_our_own_errors_pass_as_they_are(fake_openai: FakeOpenAI) -> None:
    """A model that is a client of ours loses nothing of them."""
    fake_openai.fail(Fault("404", code="model_not_found"))
    with pytest.raises(PromptopsError) as caught:
        asyncio.run(there_and_back(fake_openai).complete(CALL))
    assert (caught.value.code, getattr(caught.value, "status", None)) == ("access", 404)


def test_broken_arguments_arrive_as_they_were_written() -> None:
    """For whoever asked to judge."""
    broken = [{"name": "greet", "args": "{", "id": "1", "error": None, "type": "invalid_tool_call"}]
    assert ask(Model(message=AIMessage("", invalid_tool_calls=broken))).tool_calls == (ToolCall("1", "greet", "{"),)
