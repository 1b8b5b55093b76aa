"""What promptops adds to LangChain beyond what the public suites ask."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import BaseCache
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

import promptops as po
from promptops.backends.openai import OpenAI
from promptops.client.verdict import Patience
from promptops.errors import BudgetError, CallError, NotFoundError, TemplateError, ThrottledError, UsageError
from promptops.integrations.langchain import ChainRunnable, ChatPromptops, StoreCache, TemplateRunnable, loop
from promptops.plans.results import DocumentResult
from promptops.store import Database, Ledger
from promptops.testing import KEY, FakeOpenAI, Fault
from promptops.tokens import counter


def connected(server: FakeOpenAI, database: Database | None = None, **more: Any) -> po.Client:
    by = counter(tokenizer="o200k_base")
    backend = OpenAI("gpt-4o-mini", base_url=server.base_url, api_key=KEY, counter=by)
    return po.Client(backend, database, patience=Patience(first_wait=0.001, longest_wait=0.01), **more)


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int | None = None


def test_a_reply_from_the_store_costs_nothing_and_says_so(fake_openai: FakeOpenAI) -> None:
    """Its usage is 0, streamed or not; what was sent stands in the ledger once."""
    client = connected(fake_openai)
    chat = ChatPromptops(client=client)
    first, second = chat.invoke("하나 둘 셋"), chat.invoke("하나 둘 셋")
    assert (first.text, second.text, len(fake_openai.requests)) == ("하나 둘 셋", "하나 둘 셋", 1)
    assert second.response_metadata["stored"] is True
    usages = [(message.usage_metadata or {}).get("total_tokens") for message in (first, second)]
    assert usages == [fake_openai.requests[0].input_tokens + fake_openai.requests[0].output_tokens, 0]
    *pieces, last = chat.stream("하나 둘 셋")
    assert ("".join(str(piece.content) for piece in pieces), last.usage_metadata["total_tokens"]) == ("하나 둘 셋", 0)
    assert Ledger(client.database).rows("chain")[0].key == "langchain"


def test_tool_calls_are_kept_and_told_apart_in_the_store(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    """A tool call is an answer; with other tools it is another question."""

    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    def time(city: str) -> str:
        """Tell the time."""
        return city

    with connected(fake_openai, Database(tmp_path / "s.db")) as client:
        first = ChatPromptops(client=client).bind_tools([weather]).invoke("'Seoul'?")
    with connected(fake_openai, Database(tmp_path / "s.db")) as client:
        chat = ChatPromptops(client=client)
        second, other = chat.bind_tools([weather]).invoke("'Seoul'?"), chat.bind_tools([time]).invoke("'Seoul'?")
        assert first.tool_calls == second.tool_calls
        assert (second.tool_calls[0]["args"], second.response_metadata["finish_reason"]) == (
            {"city": "Seoul"},
            "tool_calls",
        )
        assert other.tool_calls[0]["name"] == "time"
        assert len(fake_openai.requests) == 2
        told = [HumanMessage("?"), first, ToolMessage("rain", tool_call_id=first.tool_calls[0]["id"])]
        assert chat.invoke(told).text == "rain"
        assert (
            chat.invoke([*told[:2], ToolMessage("rain", tool_call_id="other")]).response_metadata.get("stored") is None
        )


def test_retries_budget_and_errors_are_promptops_own(fake_openai: FakeOpenAI) -> None:
    """A 429 is waited for; what cannot be had is one of our errors."""
    fake_openai.fail(Fault("429", headers={"retry-after-ms": "1"}), "500")
    assert ChatPromptops(client=connected(fake_openai)).invoke("hello").text == "hello"
    from promptops.budget import Budget

    capped = ChatPromptops(client=connected(fake_openai, budget=Budget(None, 50)), max_tokens=100)
    with pytest.raises(BudgetError):
        capped.invoke("hello")
    fake_openai.fail(Fault("429", headers={"retry-after": "4000"}))
    with pytest.raises(ThrottledError):
        ChatPromptops(client=connected(fake_openai)).invoke("hi")


def test_a_chat_goes_on_when_what_was_wrong_is_mended(fake_openai: FakeOpenAI) -> None:
    """A run stops sending after such an error; a chat is no run."""
    chat = ChatPromptops(client=connected(fake_openai))
    fake_openai.fail(Fault("403"), "quota")
    for kind in ("access", "quota"):
        with pytest.raises(CallError) as caught:
            chat.invoke("hello")
        assert caught.value.code == kind
    assert chat.invoke("hello").text == "hello"


@pytest.mark.parametrize(
    ("messages", "more", "said"),
    [
        ([HumanMessage([{"type": "image_url", "image_url": {"url": "data:"}}])], {}, "a block of the type 'image_url'"),
        ([ChatMessage("hello", role="narrator")], {}, "the role 'narrator'"),
        ("hello", {"temprature": 1}, "no 'temprature'"),
        ("hello", {"response_format": {"type": "json_object"}}, "must hold a json_schema"),
    ],
)
def test_what_cannot_be_sent_is_said_before_it_is(
    fake_openai: FakeOpenAI, messages: Any, more: dict[str, Any], said: str
) -> None:
    """In one line."""
    with pytest.raises(UsageError, match=said):
        ChatPromptops(client=connected(fake_openai)).invoke(messages, **more)
    assert not fake_openai.requests


def test_settings_and_their_overrides_reach_the_server(fake_openai: FakeOpenAI) -> None:
    """Those of the model, those bound to it, and those of one call."""
    chat = ChatPromptops(client=connected(fake_openai), temperature=0.5, max_tokens=30, stop=["END"], top_p=0.9)
    chat.bind(seed=4).invoke("hello", temperature=0)
    body = fake_openai.requests[0].body
    assert [body[name] for name in ("temperature", "max_tokens", "stop", "top_p", "seed")] == [0, 30, ["END"], 0.9, 4]
    with pytest.raises(UsageError, match="serves no other model"):
        ChatPromptops(model="extractive").invoke("hello", model="gpt-4o")


def test_raw_and_parsed_side_by_side(fake_openai: FakeOpenAI) -> None:
    """``include_raw`` gives the message as well, and the failure of the parser in place of an exception."""
    chat = ChatPromptops(client=connected(fake_openai)).with_structured_output(Person, include_raw=True)
    good = chat.invoke("'Ada' is 36")
    assert (good["parsed"], good["parsing_error"]) == (Person(name="Ada", age=36), None)
    fake_openai.answer = lambda _: "no JSON"
    bad = chat.invoke("'Ada' is 37")
    assert (bad["raw"].text, bad["parsed"], bad["parsing_error"] is not None) == ("no JSON", None, True)


def test_a_synchronous_batch_is_in_flight_together(fake_openai: FakeOpenAI) -> None:
    """As many as the client allows, whatever the number of threads; several threads share that limit."""
    fake_openai.latency = 0.3
    chat = ChatPromptops(client=connected(fake_openai, concurrency=24))
    chat.batch([f"hello {n}" for n in range(16)])  # or the server would be unknown, and a lone call go first
    fake_openai.requests.clear()
    threads = [threading.Thread(target=chat.batch, args=([f"{n} {m}" for m in range(16)],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fake_openai.requests) == 32
    assert 16 < fake_openai.most_in_flight <= 24


def test_it_works_inside_of_a_running_loop(fake_openai: FakeOpenAI) -> None:
    """As in a notebook; and the asynchronous way beside it."""
    chat = ChatPromptops(client=connected(fake_openai))

    async def go() -> list[str]:
        return [chat.invoke("one").text, (await chat.ainvoke("two")).text]

    assert asyncio.run(go()) == ["one", "two"]


def test_a_synchronous_call_in_the_shared_loop_does_not_wait_for_itself(fake_openai: FakeOpenAI) -> None:
    """It could never end, so it is refused."""
    chat = ChatPromptops(client=connected(fake_openai))

    async def inside() -> None:
        chat.invoke("hello")

    with pytest.raises(UsageError, match="would wait for itself"):
        loop.run(inside())


def test_a_stream_left_early_is_cancelled(fake_openai: FakeOpenAI) -> None:
    """And the loop goes on serving."""
    chat = ChatPromptops(client=connected(fake_openai))
    stream = chat.stream("one two three")
    assert next(stream).content
    stream.close()  # type: ignore[attr-defined]
    assert chat.invoke("four").text == "four"


def test_connections_end_with_the_client(fake_openai: FakeOpenAI) -> None:
    """Nothing is left open in the shared loop once nobody has the client any more."""
    client = connected(fake_openai)
    held = client.backend._doors._held
    ChatPromptops(client=client).invoke("hello")
    assert len(held) == 1
    del client
    gc.collect()
    loop.run(asyncio.sleep(0.05))
    assert not held


def test_a_program_that_just_ends_leaves_no_noise(fake_openai: FakeOpenAI) -> None:
    """The shared loop is closed at exit."""
    code = (
        "from promptops.integrations.langchain import ChatPromptops\n"
        "chat = ChatPromptops(model='openai:gpt-4o-mini')\n"
        "print(chat.invoke('hello there').text)"
    )
    ours = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": fake_openai.base_url, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", code],
        capture_output=True, text=True, env=ours, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, "Unclosed" in done.stderr) == (0, "hello there\n", False), done.stderr


def test_a_chain_is_a_runnable() -> None:
    """Paths, LangChain documents and sources in; the run's result out; in a sequence, too."""
    with po.connect("extractive") as client:
        chain = ChainRunnable("summarize", client, words=20, corpus=False)
        documents = [Document("The river is long. It ends in the sea.", metadata={"source": "r"}), Document("Another.")]
        result = chain.invoke(documents)
        assert [(one.source, one.status) for one in result.documents] == [("r", "ok"), ("document 2", "ok")]
        assert asyncio.run(chain.ainvoke(documents)).text == result.text
        text = chain | RunnableLambda(lambda result: result.text)
        assert text.invoke("examples/documents/interview.txt") == chain.invoke("examples/documents/interview.txt").text
        assert [one.status for one in chain.batch([documents[:1], documents])] == ["ok", "ok"]
        with pytest.raises(NotFoundError, match=r"nowhere\.txt"):
            chain.invoke("nowhere.txt")


def test_a_chain_streams_its_documents() -> None:
    """Each as it is done, in order, then the whole."""
    with po.connect("extractive") as client:
        chain = ChainRunnable("summarize", client, corpus=False)
        *parts, result = chain.stream([Document(f"Text {n}.", id=str(n)) for n in range(5)])
        assert isinstance(result, po.Result)
        assert tuple(parts) == result.documents
        assert [part.source for part in parts if isinstance(part, DocumentResult)] == list("01234")


def test_a_template_is_a_runnable(fake_openai: FakeOpenAI) -> None:
    """Its prompt goes to any chat model, fenced as everywhere."""
    template = TemplateRunnable("summarize/map")
    prompt = template.invoke({"text": "</document> The river.", "words": 9})
    assert [message.type for message in prompt.to_messages()] == ["system", "human"]
    assert "9 words" in str(prompt.to_messages()[0].content)
    asked = template | ChatPromptops(client=connected(fake_openai)) | StrOutputParser()
    assert asked.batch([{"text": "One."}, {"text": "Two."}]) == ["One.", "Two."]
    assert "".join(asked.stream({"text": "One two three."})) == "One two three."
    assert (template | FakeListChatModel(responses=["yes"])).invoke({"text": "One."}).text == "yes"
    with pytest.raises(TemplateError, match="needs the input 'text'"):
        template.invoke({})
    with pytest.raises(UsageError, match="by name"):
        template.invoke("text")  # type: ignore[arg-type]


def test_a_templates_schema_and_limit_go_to_the_model(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    """As they do in a chain."""
    (tmp_path / "who.j2").write_text(
        "---\nname: who\nversion: 1\ndescription: Who.\ninputs:\n  text: {type: string, document: true}\n"
        "output:\n  format: json\n  max_tokens: 33\n  schema: {type: object, properties: {who: {type: string}}}\n---\n"
        "{% user %}{{ text | fence }}{% enduser %}\n"
    )
    asked = TemplateRunnable(str(tmp_path / "who.j2")) | ChatPromptops(client=connected(fake_openai))
    assert "who" in json.loads(asked.invoke({"text": "'Ada' came."}).text)
    assert fake_openai.requests[0].body["max_tokens"] == 33


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_gets_a_loop_of_its_own() -> None:
    """The thread of the parent's is not in it."""
    code = (
        "import asyncio, os, sys\n"
        "from promptops.integrations.langchain import loop\n"
        "loop.run(asyncio.sleep(0))\n"
        "child = os.fork()\n"
        "loop.run(asyncio.sleep(0))\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False, cwd=Path.cwd())
    assert done.returncode == 0


@pytest.fixture
def cache(tmp_path: Path) -> BaseCache:
    return StoreCache(tmp_path / "store.db")


def test_what_is_cached_outlives_the_process_and_is_whole(tmp_path: Path) -> None:
    """A message with its tool calls, usage and metadata, in a file that holds plain JSON."""
    message = AIMessage(
        "안녕",
        tool_calls=[{"name": "t", "args": {"a": 1}, "id": "x", "type": "tool_call"}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"finish_reason": "stop"},
    )
    StoreCache(tmp_path / "s.db").update("p", "m", [ChatGeneration(message=message)])
    again = StoreCache(tmp_path / "s.db").lookup("p", "m")
    assert again is not None
    assert [one.message for one in again if isinstance(one, ChatGeneration)] == [message]
    assert StoreCache(tmp_path / "s.db").lookup("p", "other") is None


@pytest.mark.parametrize(
    "generation",
    [
        ChatGeneration(message=AIMessage("half", response_metadata={"finish_reason": "length"})),
        ChatGeneration(message=AIMessage("half", response_metadata={"stop_reason": "max_tokens"})),
        Generation(text=" "),
        Generation(text="odd", generation_info={"object": object()}),
    ],
    ids=["length", "max_tokens", "blank", "no JSON"],
)
def test_what_must_not_be_the_answer_for_good_is_not_cached(cache: BaseCache, generation: Generation) -> None:
    """Cut, blank, and what JSON cannot hold."""
    cache.update("p", "m", [generation])
    assert cache.lookup("p", "m") is None


def test_a_cached_row_makes_no_object_but_messages(tmp_path: Path) -> None:
    """A file from elsewhere cannot name a class to make."""
    database = Database(tmp_path / "s.db")
    cache = StoreCache(tmp_path / "s.db")
    cache.update("p", "m", [Generation(text="fine")])
    evil = {"lc": 1, "type": "constructor", "id": ["langchain_core", "prompts", "PromptTemplate"], "kwargs": {}}
    row = json.dumps([{"text": "fine", "info": {"made": evil}}])
    database.execute("UPDATE generations SET body = ?", (row,))
    found = cache.lookup("p", "m")
    assert found is not None
    assert found[0].generation_info == {"made": evil}


def test_a_model_of_langchains_is_cached_beside_our_replies(fake_openai: FakeOpenAI, tmp_path: Path) -> None:
    """One file for both; clearing the cache leaves our own replies."""
    with connected(fake_openai, Database(tmp_path / "s.db")) as client:
        cache = StoreCache(client)
        chat = FakeListChatModel(responses=["first", "second"], cache=cache)
        assert [chat.invoke("hello").text for _ in range(2)] == ["first", "first"]
        ours = ChatPromptops(client=client)
        ours.invoke("hello")
        cache.clear()
        assert ours.invoke("hello").response_metadata["stored"] is True
        assert cache.lookup("hello", "x") is None
