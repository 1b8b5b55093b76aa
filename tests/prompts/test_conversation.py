"""Conversations within a budget: the beginning stays, old turns go or are put in short, many at once."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.backends.scripted import Scripted
from promptops.client import Client
from promptops.errors import RejectedError, WindowError
from promptops.prompts.conversation import Conversation
from promptops.tokens import counter
from promptops.types import Call, Message

BY = counter("gpt-5-mini")


def talk(conversation: Conversation, number: int, size: int = 12) -> None:
    conversation.say(Message("user", f"Question {number}: " + "무엇이 " * size))
    conversation.say(Message("assistant", f"Answer {number}: " + "river " * size))


@given(budget=st.integers(200, 2_000), sizes=st.lists(st.integers(1, 25), min_size=1, max_size=40))
def test_the_budget_is_held_and_the_pinned_messages_stay(budget: int, sizes: list[int]) -> None:
    """After each turn; the newest turn is always there."""
    conversation = Conversation("You are a guide.", tokens=budget, model=BY)
    for number, size in enumerate(sizes):
        talk(conversation, number, size)
        conversation.trim()
        assert conversation.size() <= budget
        assert conversation.messages[0] == Message("system", "You are a guide.")
        assert conversation.messages[-1].content.startswith(f"Answer {number}:")


def test_the_beginning_stays_the_same_between_two_cuts() -> None:
    """So that prompt caches hit: most turns only add to what was sent before."""
    conversation = Conversation("You are a guide.", tokens=1_000, model=BY)
    kept, before = 0, conversation.messages
    for number in range(100):
        talk(conversation, number)
        conversation.trim()
        kept += conversation.messages[: len(before)] == before
        before = conversation.messages
    assert kept >= 75
    assert all(report.after == 0 < report.before for report in conversation.given_up)


def test_old_turns_are_summarized_in_one_call_through_the_client() -> None:
    """The summary stands behind the pinned messages, and takes in the one before it."""
    prompts: list[Call] = []

    def answer(call: Call) -> str:
        prompts.append(call)
        return f"Summary {len(prompts)}."

    conversation = Conversation("You are a guide.", tokens=600, model=BY)
    with Client(Scripted(answer=answer)) as client:

        async def all_of() -> None:
            for number in range(40):
                talk(conversation, number)
                await conversation.acompress(client)

        asyncio.run(all_of())
        (row,) = client.ledger.rows("step")
    assert conversation.size() <= 600
    assert row.key == "compress"
    assert row.totals.calls == len(prompts) > 1
    assert f"Summary {len(prompts) - 1}." in prompts[-1].messages[1].content
    assert "Question 0:" in prompts[0].messages[1].content
    assert conversation.messages[1].content == f"What was said before, in short:\nSummary {len(prompts)}."


def test_a_failed_summary_leaves_the_conversation_as_it_was() -> None:
    """Nothing said is lost."""
    conversation = Conversation("You are a guide.", tokens=200, model=BY)
    for number in range(6):
        talk(conversation, number)
    before = conversation.messages
    with Client(Scripted(answer=lambda _: RejectedError("no"))) as client, pytest.raises(RejectedError):
        asyncio.run(conversation.acompress(client))
    assert conversation.messages == before


def test_a_turn_that_cannot_fit_is_an_error() -> None:
    """By how much."""
    conversation = Conversation("You are a guide.", tokens=50, model=BY)
    conversation.say(Message("user", "word " * 100))
    with pytest.raises(WindowError, match=r"pass 50 tokens by \d+"):
        conversation.trim()
