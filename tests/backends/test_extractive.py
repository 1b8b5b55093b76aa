"""The extractive backend: it obeys what the prompt asks, counts what it uses, and costs nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.backends.extractive import Extractive
from promptops.errors import RejectedError
from promptops.text import count_words, sentences
from promptops.types import Backend, Call, Message, Reply

BACKEND = Extractive()
ENGLISH = (
    "The cellar of the house is kept at twelve degrees. Wine ages badly when the cellar is warm. Each door of the "
    "cellar has a spring, and the key hangs in the office. Cheese is kept in the same cellar, on the upper shelves. "
    "Visitors come on Sundays in the summer. The roof was mended after the storm of last year."
)
KOREAN = (
    "저장고는 일 년 내내 십이 도로 유지한다. 저장고가 따뜻하면 포도주가 나빠진다. "
    "문마다 용수철이 달려 있고 열쇠는 사무실에 걸려 있다. "
    "치즈도 같은 저장고의 위쪽 선반에 둔다. 여름에는 일요일마다 손님이 온다."
)


def ask(text: str, wish: str = "", tokens: int = 1000, parts: tuple[str, ...] = ()) -> Reply:
    fenced = "\n".join(f"<document>\n{part}\n</document>" for part in (parts or (text,)))
    messages = (Message("system", f"Summarize. {wish}"), Message("user", fenced))
    return asyncio.run(BACKEND.complete(Call(messages, tokens)))


def test_it_is_a_backend_without_cost() -> None:
    """It says what it is, and its price is zero, which is not unknown."""
    backend: Backend = BACKEND
    assert (backend.name, backend.identity, backend.window) == ("extractive", "extractive/2", 1_000_000)
    assert backend.price is not None
    assert backend.price.cost(ask(ENGLISH).usage) == Decimal(0)


@pytest.mark.parametrize("text", [ENGLISH, KOREAN])
def test_words(text: str) -> None:
    """The asked number of words is kept, with whole sentences of the document."""
    reply = ask(text, "Write at most 20 words.")
    assert 0 < count_words(reply.text) <= 20
    assert reply.finish == "stop"
    assert all(span.of(reply.text).strip() in text for span in sentences(reply.text))


def test_characters_and_sentences() -> None:
    """So are characters, as Korean readers ask, and sentences."""
    assert 20 < len(ask(KOREAN, "60자 이내로 요약하라.").text) <= 60
    assert len(sentences(ask(KOREAN, "2-3문장").text)) == 3
    assert len(sentences(ask(ENGLISH, "in one sentence").text)) == 1


def test_usage_is_counted() -> None:
    """Input is what the messages hold, output what the answer holds."""
    reply = ask(ENGLISH, "Write at most 20 words.")
    fenced = f"<document>\n{ENGLISH}\n</document>"
    prompt = ("Summarize. Write at most 20 words.", fenced)
    assert reply.usage.input_tokens == sum(BACKEND.counter.count(content) for content in prompt)
    assert reply.usage.output_tokens == BACKEND.counter.count(reply.text)
    assert not reply.usage.estimated


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 120),
    st.sampled_from([ENGLISH, KOREAN, "x" * 5000, "😀" * 300, "word " * 900]),
    st.sampled_from(["", "at most 30 words"]),
)
def test_the_token_limit_is_never_passed(tokens: int, text: str, wish: str) -> None:
    """Whatever is asked, the answer fits what may be generated, and only a cut inside a sentence says so."""
    reply = ask(text, wish, tokens)
    assert reply.usage.output_tokens <= tokens
    cut = reply.text.endswith("…") and count_words(reply.text) != 30
    nothing_fits = not reply.text and any(character.isalpha() for character in text)
    if reply.text.endswith("…") and not cut and reply.usage.output_tokens == tokens:
        return  # the asked words and the limit end at the same place, so either may be said
    assert reply.finish == ("length" if cut or nothing_fits else "stop")


def test_without_a_length_the_token_limit_is_the_length() -> None:
    """A prompt that asks for no length gets as much as may be generated."""
    assert ask(ENGLISH, tokens=1000).text == ENGLISH
    assert 25 <= ask(ENGLISH, tokens=40).usage.output_tokens <= 40


def test_a_reduce_is_balanced() -> None:
    """Each partial summary is heard."""
    parts = (ENGLISH, "Bread needs flour and patience.", KOREAN.split(". ", 1)[0] + ".")
    text = ask("", "at most 40 words", parts=parts).text
    assert "Bread needs flour" in text
    assert "십이 도로" in text
    assert "cellar" in text


def test_focus() -> None:
    """A focus outside the fence moves the choice."""
    assert "roof" in ask(ENGLISH, "at most 12 words\nFocus: the storm and the roof\n").text


def test_without_a_fence_the_message_is_the_document() -> None:
    """A bare prompt is summarized as it stands."""
    reply = asyncio.run(BACKEND.complete(Call((Message("user", ENGLISH),), 30)))
    assert reply.text
    assert reply.text in ENGLISH or all(span.of(reply.text).strip() in ENGLISH for span in sentences(reply.text))


def test_an_empty_document_gets_an_empty_answer() -> None:
    """Nothing to say is said with nothing."""
    assert (ask("").text, ask("").finish) == ("", "stop")


def test_json_is_refused() -> None:
    """It has no words of its own, so it can't fill in a schema."""
    call = Call((Message("user", "x"),), 100, schema={"type": "object"})
    with pytest.raises(RejectedError, match="can't answer in JSON"):
        asyncio.run(BACKEND.complete(call))


def test_a_long_document_leaves_the_loop_free() -> None:
    """While a book is read, other tasks go on."""

    async def both() -> int:
        beats = 0
        call = Call((Message("user", "at most 50 words\n<document>\n" + ENGLISH * 1500 + "\n</document>"),), 200)
        answer = asyncio.create_task(BACKEND.complete(call))
        while not answer.done():
            await asyncio.sleep(0)
            beats += 1
        assert (await answer).text
        return beats

    assert asyncio.run(both()) > 10


def test_same_call_same_answer() -> None:
    """Many at once answer like one: nothing is shared between calls."""

    async def many() -> list[Reply]:
        prompts = [f"at most 20 words\n<document>\n{text}\n</document>" for text in (ENGLISH, KOREAN)]
        calls = [Call((Message("user", prompt),), 100) for prompt in prompts]
        return await asyncio.gather(*(BACKEND.complete(call) for call in calls * 20))

    replies = asyncio.run(many())
    assert len({reply.text for reply in replies}) == 2


def test_importing_it_is_cheap() -> None:
    """NumPy and the vocabulary come with the first call."""
    code = (
        "import sys, promptops.backends.extractive as room; room.Extractive(); "
        "sys.exit(bool({'numpy', 'splintr'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_its_documents_are_cut_as_those_of_other_models_are() -> None:
    """By the vocabulary itself, though that is loaded only when it is needed."""
    from promptops.chunking import split
    from promptops.tokens import counter

    text = "\n\n".join(f"강 {line}번은 밤새 불어났다. Meadow {line} was under water by six." for line in range(60))
    own = split(text, 131, Extractive().counter)
    assert own == split(text, 131, counter(tokenizer="o200k_base"))
