"""Answers heard while they are written, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import promptops as po
from promptops.backends.events import Assembled, Events
from promptops.backends.openai import OpenAI
from promptops.client.verdict import Patience
from promptops.errors import AccessError, CallError, RefusedError, TransientError
from promptops.store import Database, Ledger
from promptops.testing import KEY, Answer, FakeOpenAI, Fault
from promptops.tokens import counter
from promptops.tools import asked
from promptops.types import Call, Message

COUNTER = counter(tokenizer="o200k_base")
TEXT = "강은 길고 the river is long, and it 🦀 ends in the sea."
CALL = Call((Message("user", TEXT),), 100)


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.times = 0

    def piece(self, text: str) -> None:
        self.heard.append(text)

    def again(self) -> None:
        self.heard.clear()
        self.times += 1

    @property
    def text(self) -> str:
        return "".join(self.heard)


def connected(server: FakeOpenAI, **more: Any) -> po.Client:
    backend = OpenAI("gpt-4o-mini", base_url=server.base_url, api_key=KEY, counter=COUNTER, window=8_000, **more)
    return po.Client(backend, Database(), patience=Patience(first_wait=0.001, longest_wait=0.01))


def ask(client: po.Client, call: Call = CALL) -> tuple[po.Reply, Ear]:
    ear = Ear()

    async def go() -> po.Reply:
        return await client.complete(replace(call, listener=ear))

    return asyncio.run(go()), ear


def rows(client: po.Client) -> dict[bool, po.Totals]:
    return {row.possibly_billed: row.totals for row in Ledger(client.database).rows("model")}


def test_an_answer_comes_in_pieces_with_its_usage(fake_openai: FakeOpenAI) -> None:
    """The pieces are the text, and the usage is the server's, cached and reasoning tokens included."""
    fake_openai.answer = lambda _: Answer(TEXT, "stop", 3, 7)
    client = connected(fake_openai, reasoning=100)
    reply, ear = ask(client)
    assert (reply.text, ear.text, len(ear.heard) > 5) == (TEXT, TEXT, True)
    seen = fake_openai.requests[0]
    assert reply.usage == po.Usage(seen.input_tokens, 3, seen.output_tokens, 7)
    assert (reply.finish, reply.model, reply.request_id) == ("stop", "gpt-4o-mini", "req_1")
    assert rows(client)[False].output_tokens == seen.output_tokens


def test_the_reply_is_the_same_as_without_a_listener(fake_openai: FakeOpenAI) -> None:
    """Streaming changes how an answer comes, not what it is, nor its place in the store."""
    client = connected(fake_openai)
    streamed, _ = ask(client)
    plain = asyncio.run(client.complete(CALL))
    assert plain == replace(streamed, stored=True)
    whole = asyncio.run(connected(fake_openai).complete(CALL))
    assert replace(whole, request_id=None) == replace(streamed, request_id=None)


def test_a_stored_reply_is_heard_as_one_piece(fake_openai: FakeOpenAI) -> None:
    """As is that of a backend that cannot stream, and one that came with a twin in flight."""
    client = connected(fake_openai)
    ask(client)
    reply, ear = ask(client)
    assert (reply.stored, ear.heard, len(fake_openai.requests)) == (True, [TEXT], 1)
    ear = Ear()
    with po.connect("extractive") as free:
        told = asyncio.run(free.complete(replace(CALL, listener=ear)))
    assert ear.heard == [told.text]


def test_twins_in_flight_are_sent_once_and_both_are_told(fake_openai: FakeOpenAI) -> None:
    """The first hears the pieces, the second the whole."""
    fake_openai.latency = 0.05
    client, ears = connected(fake_openai), [Ear(), Ear()]

    async def go() -> None:
        await asyncio.gather(*(client.complete(replace(CALL, listener=ear)) for ear in ears))

    asyncio.run(go())
    assert [ear.text for ear in ears] == [TEXT, TEXT]
    assert len(fake_openai.requests) == 1
    assert len(ears[0].heard) > 1 == len(ears[1].heard)


@pytest.mark.parametrize("fault", ["reset_body", "stream_end", "stream_error", "malformed"])
def test_a_stream_that_breaks_off_is_begun_again(fake_openai: FakeOpenAI, fault: str) -> None:
    """What was heard is void first; the lost attempt stands in the ledger as possibly billed."""
    fake_openai.fail(fault)
    client = connected(fake_openai)
    reply, ear = ask(client)
    assert (reply.text, ear.text, ear.times) == (TEXT, TEXT, 1)
    spent = rows(client)
    assert (spent[False].calls, spent[True].calls) == (1, 1)
    assert spent[False].input_tokens == fake_openai.requests[1].input_tokens


def test_a_failure_before_the_first_piece_voids_nothing(fake_openai: FakeOpenAI) -> None:
    """Nobody is told to forget what they never heard."""
    fake_openai.fail("500", "error200")
    reply, ear = ask(connected(fake_openai))
    assert (reply.text, ear.text, ear.times, len(fake_openai.requests)) == (TEXT, TEXT, 0, 3)


@pytest.mark.parametrize("fault", ["no_usage", "zero_usage"])
def test_usage_is_estimated_where_the_stream_has_none(fake_openai: FakeOpenAI, fault: str) -> None:
    """And marked so."""
    fake_openai.fail(fault)
    usage = ask(connected(fake_openai))[0].usage
    assert (usage.estimated, usage.output_tokens) == (True, COUNTER.count(TEXT))


@pytest.mark.parametrize("fault", ["content_filter", "refusal"])
def test_a_refusal_in_a_stream_is_a_refusal(fake_openai: FakeOpenAI, fault: str) -> None:
    """Billed as the server says, and not asked again."""
    fake_openai.fail(fault)
    client = connected(fake_openai)
    with pytest.raises(RefusedError):
        ask(client)
    assert rows(client)[False].output_tokens == fake_openai.requests[0].output_tokens
    assert len(fake_openai.requests) == 1


def test_a_cut_or_empty_answer_says_so(fake_openai: FakeOpenAI) -> None:
    """As without a stream."""
    fake_openai.fail("length")
    assert ask(connected(fake_openai))[0].finish == "length"
    fake_openai.fail("empty")
    reply, ear = ask(connected(fake_openai))
    assert (reply.text, ear.heard) == ("", [])


def test_a_status_or_a_web_page_in_place_of_a_stream(fake_openai: FakeOpenAI) -> None:
    """They mean what they mean otherwise."""
    fake_openai.fail("html")
    with pytest.raises(AccessError, match="web page"):
        ask(connected(fake_openai))
    fake_openai.fail(Fault("404", code="model_not_found"))
    with pytest.raises(AccessError, match="404"):
        ask(connected(fake_openai))


def test_the_deadline_holds_for_the_whole_stream(fake_openai: FakeOpenAI) -> None:
    """A stream that does not come ends in time, and may have been billed."""
    fake_openai.fail(*[Fault("hang", seconds=5)] * 6)
    client = connected(fake_openai, timeout=0.05)
    with pytest.raises(TransientError, match="no answer within"):
        ask(client)
    assert rows(client)[True].calls == 6


def test_a_listener_that_raises_costs_nothing_twice(fake_openai: FakeOpenAI) -> None:
    """Its exception comes out once the reply is kept, and is not taken for a fault of the server."""

    class Broken(Ear):
        def piece(self, text: str) -> None:
            raise ValueError(text)

    client = connected(fake_openai)
    with pytest.raises(ValueError, match="강은"):
        asyncio.run(client.complete(replace(CALL, listener=Broken())))
    assert (len(fake_openai.requests), ask(client)[0].stored) == (1, True)


def test_streaming_in_public(fake_openai: FakeOpenAI) -> None:
    """``client.stream`` gives the pieces, then the reply."""
    client = connected(fake_openai)

    async def go() -> tuple[list[str], po.Reply | None]:
        stream = client.stream(CALL)
        return [piece async for piece in stream], stream.reply

    pieces, reply = asyncio.run(go())
    assert reply is not None
    assert ("".join(pieces), reply.text, reply.usage.estimated) == (TEXT, TEXT, False)


@pytest.mark.parametrize("same", [True, False])
def test_a_stream_goes_on_after_a_fault_only_in_the_same_words(fake_openai: FakeOpenAI, *, same: bool) -> None:
    """What was given cannot be taken back; the answer is kept, and there for the asking."""
    answers = iter([TEXT, TEXT if same else "Another answer."])
    fake_openai.answer = lambda _: next(answers)
    fake_openai.fail("stream_end")
    client = connected(fake_openai)
    pieces: list[str] = []

    async def go() -> po.Reply | None:
        stream = client.stream(CALL)
        async for piece in stream:
            pieces.append(piece)  # noqa: PERF401 - they must be there when it raises
        return stream.reply

    if same:
        assert asyncio.run(go()) is not None
        assert "".join(pieces) == TEXT
        return
    with pytest.raises(TransientError, match="in other words"):
        asyncio.run(go())
    pieces.clear()
    asyncio.run(go())
    assert (pieces, len(fake_openai.requests)) == (["Another answer."], 2)


def test_ending_a_stream_early_cancels_the_call(fake_openai: FakeOpenAI) -> None:
    """Its attempt stays in the ledger as possibly billed."""
    fake_openai.fail(Fault("hang", seconds=30))
    client = connected(fake_openai)

    async def go() -> None:
        async with aclosing(aiter(client.stream(CALL))) as pieces:
            await asyncio.wait_for(anext(pieces), 0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(go())
    assert rows(client)[True].calls == 1


def test_a_stream_raises_what_the_call_raises(fake_openai: FakeOpenAI) -> None:
    """One line, of our classes."""
    fake_openai.keys = ("another",)

    async def go() -> None:
        async for _ in connected(fake_openai).stream(CALL):
            raise AssertionError

    with pytest.raises(CallError, match="no access"):
        asyncio.run(go())


def assembled(*deltas: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """What is heard of an answer, and its message."""
    stream = Assembled()
    heard = "".join(stream.add({"choices": [{"delta": delta}]}) for delta in deltas)
    return heard, stream.whole()["choices"][0]["message"]


def part(arguments: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {**more, "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    "chunks",
    [
        [[part("{1", "one", id="a")], [part("}")], [part("{2", "two", id="b")], [part("}")]],
        [[part("{1", "one", id="a")], [part("{2", "two", id="b")], [part("}", id="a")], [part("}", id="b")]],
        [[part("{1}", "one", id="a"), part("{2}", "two", id="b")]],
        [[part("{1", "one", id="a"), part("{2", "two", id="b")], [part("}"), part("}")]],
        [[part("{1}", "one", id="a", index=0)], [part("{2", "two", id="b", index=1)], [part("}", index=1)]],
    ],
)
def test_tools_asked_for_in_pieces_are_kept_apart(chunks: list[list[dict[str, Any]]]) -> None:
    """By their index, or by their ids where the server sends none."""
    _, message = assembled(*({"tool_calls": chunk} for chunk in chunks))
    assert asked(message) == (po.ToolCall("a", "one", "{1}"), po.ToolCall("b", "two", "{2}"))


@pytest.mark.parametrize(
    ("chunks", "found"),
    [
        ([[part('{"a"', "one")], [part(": 1}")], [part('{"b"', "two")], [part(": 2}")]], ["one", "two"]),
        ([[part('{"a": 1}', "one"), part('{"b": 2}', "two")]], ["one", "two"]),
        ([[part('{"a": 1}', "one")], [part('{"b": 2}', "one")]], ["one", "one"]),
        ([[part('{"a"', "one")], [part(": 1}", "one")], [part('{"b": 2}', "two")]], ["one", "two"]),
    ],
)
def test_tools_without_index_or_id_are_kept_apart_by_their_names(
    chunks: list[list[dict[str, Any]]], found: list[str]
) -> None:
    """A new name begins another, and so does the same one once the arguments are whole."""
    _, message = assembled(*({"tool_calls": chunk} for chunk in chunks))
    assert [(one.name, one.arguments) for one in asked(message)] == list(
        zip(found, ('{"a": 1}', '{"b": 2}'), strict=True)
    )


def test_a_streamed_answer_in_parts_is_one_text() -> None:
    """As it is where the answer comes whole."""
    said, rest = {"content": [{"type": "text", "text": "Hello"}]}, {"content": " there"}
    heard, message = assembled(said, rest)
    assert heard == message["content"] == "Hello there"


@given(
    st.lists(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n"))),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 9),
)
def test_events_do_not_depend_on_how_the_bytes_are_cut(texts: list[str], end: str, size: int) -> None:
    """Cut anywhere, with any line end, between comments and fields that mean nothing here."""
    events = [json.dumps(text, ensure_ascii=False) for text in texts]
    stream = "".join(f": ping{end}event: x{end}data: {event}{end}{end}" for event in events).encode()
    reader = Events()
    got = [event for at in range(0, len(stream), size) for event in reader.feed(stream[at : at + size])]
    assert got == events
