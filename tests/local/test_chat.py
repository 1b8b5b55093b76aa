"""Chat templates: the model's own, in a sandbox, with nothing of a document in it but text."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.errors import TemplateError
from promptops.local.card import Card, Markers, card
from promptops.local.chat import Chat
from promptops.testing.tiny_gguf import BROKEN_TEMPLATE, tiny_gguf
from promptops.tokens import counter
from promptops.types import Message

MARKERS = ["<|begin|>", "<|stop|>", "<|im_start|>", "<|im_end|>"]


def chat(path: Path, template: str | None) -> Chat:
    return Chat(card(tiny_gguf(path / f"{abs(hash(template))}.gguf", kind="chat", template=template)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the ChatML template."""
    return tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


def asked(made: Chat, text: str, system: str = "be brief") -> list[int | str]:
    return made.pieces([Message("system", system), Message("user", text)])


def test_the_template_writes_special_tokens_and_the_text_between_them(model: Path) -> None:
    """Special tokens are ids, everything else is plain text."""
    ids = card(model).markers.ids
    start, end = ids["<|im_start|>"], ids["<|im_end|>"]
    assert asked(Chat(card(model)), "다리?") == [
        start, "system\nbe brief", end, "\n", start, "user\n다리?", end, "\n", start, "assistant\n",
    ]  # fmt: skip


@given(st.lists(st.sampled_from([*MARKERS, "<|", "im_", "end|>", "start|>", " ", "x", "\n", "😀", "﷐"]), max_size=12))
def test_no_text_becomes_a_special_token(model: Path, parts: list[str]) -> None:
    """Whatever it spells, alone or with what the template puts around it; and not a character of it is lost."""
    text = "".join(parts)
    made = Chat(card(model))
    empty, full = asked(made, ""), asked(made, text)
    assert [piece for piece in full if isinstance(piece, int)] == [piece for piece in empty if isinstance(piece, int)]
    assert f"user\n{text}" in full


def test_a_template_that_trims_still_has_nothing_injected(tmp_path: Path) -> None:
    """The text is trimmed as the model's own way has it, and stays text."""
    made = chat(tmp_path, "{% for m in messages %}{{ m.content | trim }}<|im_end|>{% endfor %}")
    ids = card(tiny_gguf(tmp_path / "x.gguf")).markers.ids
    assert made.pieces([Message("user", "  a<|im_end|>  ")]) == ["a<|im_end|>", ids["<|im_end|>"]]
    assert made.pieces([Message("user", "a<|im_end|")]) == ["a<|im_end|", ids["<|im_end|>"]]


def test_a_users_own_token_that_the_template_writes_is_taken_apart_in_a_text() -> None:
    """llama.cpp finds such tokens in any text, so a text that spells one goes in two parts."""
    markers = Markers({"<turn>": 7, "<end>": 8}, frozenset({"<turn>"}))
    template = "{% for m in messages %}<turn>{{ m.content }}<end>{% endfor %}"
    made = Chat(Card(Path("x.gguf"), 512, template, markers, False, False, (None, None), "0"))
    assert made.pieces([Message("user", "a<turn>b<end>c")]) == [7, "a<", "turn>b<", "end>c", 8]
    assert made.pieces([Message("user", "a<end>c")]) == [7, "a<end>c", 8]


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"  # noqa: ISC004
        "[{{ m.role }}] {{ m.content }}{% endfor %}",
        "{% for m in messages if m.role != 'system' %}[{{ m.role }}] {{ m.content }}{% endfor %}",
    ],
)
def test_a_system_message_that_a_template_does_not_take_goes_before_the_users(tmp_path: Path, template: str) -> None:
    """Refused or silently left out, it would be lost."""
    assert asked(chat(tmp_path, template), "hello") == ["[user] be brief\n\nhello"]


def test_the_usual_helpers_are_there(tmp_path: Path) -> None:
    """What templates of published models use."""
    made = chat(
        tmp_path,
        "{{ bos_token }}{% if tools %}tools{% endif %}{{ strftime_now('%Y') | int > 2000 }}"
        "{% for m in messages %}{% if loop.index > 5 %}{% break %}{% endif %}{% generation %}{{ m.content | tojson }}"
        "{% endgeneration %}{% endfor %}{{ eos_token }}",
    )
    ids = card(tiny_gguf(tmp_path / "x.gguf")).markers.ids
    assert made.pieces([Message("user", "다리")]) == [ids["<|begin|>"], 'True"다리"', ids["<|stop|>"]]


def test_without_a_template_the_messages_stand_one_after_another(tmp_path: Path) -> None:
    """For a model that only goes on with a text."""
    assert asked(chat(tmp_path, None), "hello") == ["be brief\n\nhello\n\n"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (BROKEN_TEMPLATE, "cannot be used .line 1.: unexpected '}'"),
        ("{{ raise_exception('only tools') }}", "only tools"),
        ("{{ messages[7].content }}", "no element 7"),
        ("{{ messages[0].content.__class__.__mro__ }}", "unsafe"),
        ("{% include 'x' %}", "no loader"),
        ("{{ messages[0].content / 2 }}", "unsupported operand"),
        ("hello", "leaves out what the user says"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_line(tmp_path: Path, template: str, said: str) -> None:
    """With the file, and never with what was asked."""
    with pytest.raises(TemplateError, match=rf"\.gguf: its chat template .*{said}") as failure:
        chat(tmp_path, template)
    assert "\n" not in str(failure.value)


def test_the_overhead_is_what_the_template_adds(model: Path) -> None:
    """Enough for every shape of prompt; within a token or two per message of the truth."""
    made, by = Chat(card(model)), counter(tokenizer=str(model))
    overhead = made.overhead(by)
    chance = random.Random(0)
    for _ in range(20):
        text = " ".join(chance.choices(["river", "bridge", "다리", "<|im_end|>", "\n", "x"], k=30))
        messages = [Message("system", "be brief"), Message("user", text)]
        pieces = made.pieces(messages)
        whole = sum(1 if isinstance(piece, int) else by.count(piece) for piece in pieces)
        around = whole - sum(by.count(message.content) for message in messages)
        assert around <= overhead * 3 <= around + 12
