"""Lengths in characters and sentences, asked for as settings of a chain."""

from __future__ import annotations

from typing import Any

import pytest

import promptops as po
from promptops.backends.scripted import Scripted
from promptops.chains import parse
from promptops.errors import NotFoundError, UsageError, WindowError
from promptops.plans.settings import Settings
from promptops.tokens import counter
from promptops.types import Call

COUNTER = counter(tokenizer="o200k_base")
ENGLISH = "The river rose in the night and the lower meadow was under water by six. " * 8
KOREAN = "강은 밤새 불어났고 아침 여섯 시에는 아래 목초지가 물에 잠겼다. " * 8
LIMITS = [("characters", 100, "100자 이내"), ("sentences", 2, "2문장 이내")]


def run(chain: str, text: str, *replies: str, **settings: Any) -> tuple[po.Result, list[Call]]:
    """One document through a chain, and what was asked."""
    backend = Scripted(replies)
    with po.connect(backend) as client:
        return po.run(chain, [po.Source("a.txt", text=text)], client, **settings), backend.calls


@pytest.mark.parametrize("text", [ENGLISH, KOREAN], ids=["english", "korean"])
@pytest.mark.parametrize(("unit", "number", "said"), LIMITS)
@pytest.mark.parametrize("chain", ["summarize", "shorten", "refine", "compress", "stuff"])
def test_a_length_in_another_unit_takes_the_place_of_words(
    chain: str, unit: str, number: int, said: str, text: str
) -> None:
    """It is said in both languages, and an answer of that length has room."""
    answer = {"characters": text[:100].strip(), "sentences": text[: len(text) // 4].strip()}[unit]
    result, (call,) = run(chain, text, answer, **{unit: number})
    assert said in call.messages[0].content
    assert "words" not in call.messages[0].content
    assert result.documents[0].text == answer
    assert result.documents[0].notes == ()
    assert COUNTER.count(answer) < call.max_output_tokens <= 4 * COUNTER.count(answer) + 16


@pytest.mark.parametrize("text", [ENGLISH, KOREAN], ids=["english", "korean"])
def test_a_final_answer_over_it_is_asked_for_again_and_said(text: str) -> None:
    """By the same rule as words: once, then the note says by how much."""
    # An English answer of 130 characters and a Korean one both stay under the limit in tokens.
    result, calls = run("summarize", text, text[:130].strip(), text[:125].strip(), characters=100)
    assert len(calls) == 2
    assert f"It has {len(text[:130].strip())} characters or more; at most 100 may be." in calls[1].messages[-1].content
    assert result.documents[0].notes == (f"{len(text[:125].strip())} of 100 characters",)


def test_an_answer_in_another_language_has_room_for_it() -> None:
    """A hundred Korean characters about an English text take more tokens than a hundred English ones."""
    answer = KOREAN[:100].strip()
    result, (call,) = run("summarize", ENGLISH, answer, characters=100, language="한국어")
    assert result.documents[0].text == answer
    assert call.max_output_tokens >= 1.3 * COUNTER.count(answer)


def test_the_estimate_knows_it() -> None:
    """Fewer characters are fewer tokens."""
    source = [po.Source("a.txt", text=KOREAN * 4)]
    less, more = (po.plan("summarize", source, "openai:gpt-5-mini", characters=number) for number in (50, 300))
    assert less.expected.output_tokens < more.expected.output_tokens < 300
    assert less.most.output_tokens < more.most.output_tokens


def test_only_one_length_holds() -> None:
    """What is given last takes the place of what the chain says; two at once are refused."""
    own = Settings(characters=100)
    assert own.updated({"words": 30}).characters is None
    assert own.updated({"sentences": 3}).characters is None
    assert own.updated({"focus": "sheep"}).characters == 100
    with pytest.raises(UsageError, match="only one of words and characters can hold; take the other out"):
        own.updated({"words": 30, "characters": 40})
    with pytest.raises(UsageError, match="characters='0': Input should be greater than"):
        own.updated({"characters": "0"})
    with pytest.raises(NotFoundError, match="no setting is named 'characters'"):
        run("keywords", KOREAN, characters=100)


def test_a_chain_file_says_it_as_a_setting_or_for_a_step() -> None:
    """A step's own stands before the chain's."""
    text = (
        "name: brief\nplan: map_reduce\nsettings: {characters: 300}\nsteps:\n"
        "  map: {template: summarize/map, inputs: {sentences: 3, characters: 0}}\n"
        "  reduce: {template: summarize/reduce}\n"
    )
    chain = parse(text)
    with po.connect(backend := Scripted(answer=lambda call: "짧다.")) as client:
        po.run(chain, [po.Source("a.txt", text=KOREAN * 4)], client, chunk_tokens=200)
    asked = {call.tags.step: call.messages[0].content for call in backend.calls}
    assert "within 3 sentences" in asked["map"]
    assert "300자 이내" in asked["reduce"]


def test_a_length_that_no_window_holds_is_refused_in_its_own_unit() -> None:
    """Before anything is sent."""
    with po.connect(Scripted(window=4_000)) as client, pytest.raises(WindowError, match="20,000 characters do not fit"):
        po.run("summarize", [po.Source("a.txt", text=KOREAN)], client, characters=20_000)
