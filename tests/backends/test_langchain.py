"""LangChain chat models as backends."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

import promptops as po
from promptops.backends.langchain import LangChain, load
from promptops.errors import CallError, NotFoundError, ThrottledError, UsageError
from promptops.tokens import counter
from promptops.types import Call, Message, Sampling

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
