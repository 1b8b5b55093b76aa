"""The exact-match store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import promptops as po
from promptops.backends.scripted import Scripted
from promptops.client import Client
from promptops.errors import UsageError
from promptops.store import Database, Replies, key, questions
from promptops.types import Call, Message, Reply, Sampling, Tags, Tool, ToolCall, Usage

CALL = Call((Message("system", "be brief"), Message("user", "안녕")), 100)


NO_MATTER = [
    *(Tags(**{name: "another"}) for name in ("run", "chain", "step", "template", "document")),
    Tags(level=3),
    {"input_tokens": 9},
    {"expected_output_tokens": 4},
    {"pack": 8},
    {"listener": object()},
]


@pytest.mark.parametrize("what", NO_MATTER, ids=range(len(NO_MATTER)))
def test_what_cannot_change_the_reply_is_no_part_of_the_key(what: Tags | dict[str, Any]) -> None:
    """Neither a name, a path nor a version makes anyone pay again; nor does an estimate, or who listens."""
    other = replace(CALL, tags=what) if isinstance(what, Tags) else replace(CALL, **what)
    assert key(other, "m") == key(CALL, "m")
    assert questions(other, "m") == questions(CALL, "m")


def test_the_order_of_a_schema_is_no_part_of_the_key() -> None:
    """Two ways to write one schema are one question."""
    one, other = {"type": "object", "title": "t"}, {"title": "t", "type": "object"}
    assert key(replace(CALL, schema=one), "m") == key(replace(CALL, schema=other), "m")


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, max_output_tokens=101),
        replace(CALL, sampling=Sampling(temperature=0.0)),
        replace(CALL, sampling=Sampling(top_p=0.5)),
        replace(CALL, sampling=Sampling(seed=0)),
        replace(CALL, sampling=Sampling(stop=("END",))),
        replace(CALL, sampling=Sampling(logprobs=0)),
        replace(CALL, sampling=Sampling(loras=())),
        replace(CALL, schema={"type": "object"}),
        replace(CALL, choices=("good", "bad")),
        replace(CALL, take=1),
        replace(CALL, tools=(Tool("a"),)),
        replace(CALL, messages=(Message("user", "be brief"), Message("user", "안녕"))),
        replace(CALL, messages=(Message("system", "be brief안녕"),)),
    ],
)
def test_whatever_can_change_the_reply_is_part_of_the_key(other: Call) -> None:
    """Two questions never share an answer."""
    assert key(other, "m") != key(CALL, "m")


TOOLS = replace(CALL, tools=(Tool("a", "Does it.", {"type": "object"}),))
ASKED = (*CALL.messages, Message("assistant", "", (ToolCall("1", "a", "{}"),)), Message("tool", "done", (), "1"))


def test_whatever_is_said_of_tools_is_part_of_the_key() -> None:
    """Their names, schemas and choice, what was asked of them, and which asking a result answers."""
    calls = [
        TOOLS,
        replace(TOOLS, tool_choice="a"),
        replace(TOOLS, tools=(Tool("a", "Does it.", {"type": "object"}, strict=True),)),
        replace(TOOLS, tools=(Tool("a", "Does it."),)),
        replace(TOOLS, messages=ASKED),
        replace(TOOLS, messages=(*ASKED[:-1], Message("tool", "done", (), "2"))),
        replace(TOOLS, messages=(*ASKED[:-2], Message("assistant", "", (ToolCall("1", "a", "[]"),)), ASKED[-1])),
        replace(TOOLS, messages=(*ASKED[:-2], Message("assistant", ""), ASKED[-1])),
    ]
    assert len({key(call, "m") for call in calls}) == len(calls)


def test_a_reply_that_asks_for_a_tool_is_kept_as_an_answer(tmp_path: Path) -> None:
    """Its text is empty, and it is none the less final."""
    reply = Reply("", Usage(1, 0, 2), tool_calls=(ToolCall("1", "a", '{"city": "서울"}'), ToolCall("2", "b", "{")))
    replies = Replies(Database(tmp_path / "s.db"))
    replies.put(b"k", reply)
    replies.settle()
    assert Replies(Database(tmp_path / "s.db")).get(b"k") == replace(reply, stored=True)


def test_another_model_has_other_replies() -> None:
    """The identity of the backend is part of the key."""
    assert key(CALL, "m") != key(CALL, "n")


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4), st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_message_borders_are_part_of_the_key(one: list[str], other: list[str]) -> None:
    """Moving text from one message to the next is another prompt."""
    calls = [Call(tuple(Message("user", text) for text in texts), 9) for texts in (one, other)]
    assert (key(calls[0], "m") == key(calls[1], "m")) == (one == other)


@given(st.text(), st.integers(0, 10**9), st.booleans())
def test_a_reply_comes_back_as_it_went_in(text: str, tokens: int, estimated: bool) -> None:
    """All of it, and marked as stored."""
    replies = Replies(Database())
    reply = Reply(text, Usage(tokens, 1, 2, 3, estimated), "stop", "m", "id")
    replies.put(b"k", reply)
    assert replies.get(b"k") == replace(reply, stored=True)


def test_a_cut_or_blank_reply_lasts_until_the_run_has_ended() -> None:
    """A killed run pays nothing twice, and no later run is given a broken answer."""
    replies = Replies(Database())
    replies.put(b"cut", Reply("half a", finish="length"))
    replies.put(b"blank", Reply(" \n"))
    replies.put(b"whole", Reply("whole."))
    assert replies.get(b"cut")
    assert replies.get(b"blank")
    replies.settle()
    assert not replies.get(b"cut")
    assert not replies.get(b"blank")
    assert replies.get(b"whole")


def test_a_cut_reply_stays_where_its_question_was_answered_in_another_taking() -> None:
    """Asked again, the way to the answer costs nothing."""
    replies = Replies(Database())
    asked = questions(CALL, "m")
    replies.put(b"first", Reply("half a", finish="length"), asked)
    replies.put(b"second", Reply("whole."), asked)
    replies.put(b"other", Reply("half b", finish="length"), questions(replace(CALL, messages=()), "m"))
    replies.settle()
    assert replies.get(b"first")
    assert replies.get(b"second")
    assert not replies.get(b"other")


def test_a_run_forgets_only_what_it_has_used() -> None:
    """Another run on the same store may be under way, and may be killed."""
    database = Database()
    one, other = Replies(database), Replies(database)
    one.put(b"one", Reply("half", finish="length"))
    other.put(b"other", Reply("half", finish="length"))
    one.settle()
    assert other.get(b"other")
    one.get(b"other")
    one.settle()
    assert not other.get(b"other")


def test_a_run_that_ends_leaves_what_another_run_may_need() -> None:
    """Runs of one client side by side: each forgets its own, and what both use goes with the last of them."""
    replies = Replies(Database())
    for name, run in ((b"one", "1"), (b"other", "2"), (b"both", "1"), (b"both", "2")):
        replies.put(name, Reply("half", finish="length"), run=run)
    replies.settle("1")
    database = replies._database
    kept = [found[0] for found in database.query("SELECT key FROM replies ORDER BY 1")]
    assert kept == [b"both", b"other"]
    replies.settle("2")
    assert not database.query("SELECT key FROM replies")


def test_a_run_that_was_stopped_leaves_its_replies_to_the_one_that_goes_on() -> None:
    """Which forgets them when it has ended."""
    replies = Replies(Database())
    replies.put(b"cut", Reply("half", finish="length"), run="1")
    replies.settle("1", ended=False)
    assert replies.get(b"cut", run="2")
    replies.settle("2")
    assert not replies.get(b"cut")


def test_takings_of_one_question_differ_in_number_and_limit_alone() -> None:
    """Everything else makes it another question."""
    assert questions(replace(CALL, take=1, max_output_tokens=200), "m") == questions(CALL, "m")
    assert questions(replace(CALL, sampling=Sampling(seed=1)), "m") != questions(CALL, "m")


def older(database: Database, seconds: float) -> None:
    """Let every reply have been kept so much earlier."""
    database.execute("UPDATE replies SET created = created - ?", (seconds,))


def test_a_reply_past_its_age_is_asked_for_again() -> None:
    """The new one takes its place, and is good for as long."""
    client = Client(Scripted(["first.", "second."]), Database(max_age=60))
    assert asyncio.run(client.complete(CALL)).text == "first."
    older(client.database, 59)
    assert asyncio.run(client.complete(CALL)).text == "first."
    older(client.database, 2)
    assert asyncio.run(client.complete(CALL)).text == "second."
    assert asyncio.run(client.complete(CALL)) == Reply("second.", stored=True, **told(client))


def told(client: Client) -> dict[str, Any]:
    """What the stored reply says beside its text."""
    reply = asyncio.run(client.complete(CALL))
    return {"usage": reply.usage, "model": reply.model, "request_id": reply.request_id}


@pytest.mark.parametrize("age", [90, 90.0, "90", "1m30s", timedelta(seconds=90)])
def test_an_age_is_said_in_seconds_or_as_people_write_it(age: Any) -> None:
    """A number, a text or a timedelta."""
    with po.connect(max_age=age) as client:
        assert client.database.max_age == 90


@pytest.mark.parametrize("age", [0, -1, "soon", "", "7 days", float("nan"), timedelta(0)])
def test_what_is_no_age_is_said(age: Any) -> None:
    """Before anything is opened."""
    with pytest.raises(UsageError, match="--max-age must be a length of time"):
        po.connect(max_age=age)
