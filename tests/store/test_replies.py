"""The exact-match store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.store import Database, Replies, key, question
from promptops.types import Call, Message, Reply, Sampling, Tags, Tool, ToolCall, Usage

CALL = Call((Message("system", "be brief"), Message("user", "안녕")), 100)


def test_tags_estimates_and_counts_are_no_part_of_the_key() -> None:
    """What cannot change the reply cannot make anyone pay again."""
    tagged = replace(CALL, tags=Tags("r", "c", "s", "t@2", "a/b.md", 3), input_tokens=9, expected_output_tokens=4)
    assert key(tagged, "m") == key(CALL, "m")


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, max_output_tokens=101),
        replace(CALL, sampling=Sampling(temperature=0.0)),
        replace(CALL, schema={"type": "object"}),
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
    asked = question(CALL, "m")
    replies.put(b"first", Reply("half a", finish="length"), asked)
    replies.put(b"second", Reply("whole."), asked)
    replies.put(b"other", Reply("half b", finish="length"), question(replace(CALL, messages=()), "m"))
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


def test_takings_of_one_question_differ_in_number_and_limit_alone() -> None:
    """Everything else makes it another question."""
    assert question(replace(CALL, take=1, max_output_tokens=200), "m") == question(CALL, "m")
    assert question(replace(CALL, sampling=Sampling(seed=1)), "m") != question(CALL, "m")
