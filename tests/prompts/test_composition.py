"""Templates that are made of others: included, extended, overridden, or given as a string; and how long answers are."""

from __future__ import annotations

from pathlib import Path

import pytest

import promptops as po
from promptops.errors import TemplateError
from promptops.prompts import Library
from promptops.prompts.length import Length
from promptops.tokens import counter

BASE = """---
name: base
version: 1
inputs:
  text: {type: string, document: true}
  words: {type: integer, default: 50}
output: {max_words: words}
---
{% system %}
{% block task %}Sum it up.{% endblock %}

At most {{ words }} words.
{% endsystem %}
{% user %}{{ text | fence }}{% enduser %}
"""
CHILD = """---
name: child
version: 2
inputs:
  tone: {type: string, default: dry}
---
{% extends "base" %}
{% block task %}{{ super() }} Be {{ tone }}.{% endblock %}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.j2").write_text(BASE, encoding="utf-8")
    (tmp_path / "child.j2").write_text(CHILD, encoding="utf-8")
    return tmp_path


def test_a_template_extends_another_and_has_its_inputs_and_output(folder: Path) -> None:
    """Blocks are filled anew; what it does not say itself it takes over."""
    child = po.template("child", folder)
    assert list(child.inputs) == ["text", "words", "tone"]
    prompt = child.render(text="세 강", words=7, tone="warm")
    assert prompt.messages[0].content == "Sum it up. Be warm.\nAt most 7 words."
    assert prompt.messages[1].content == "<document>\n세 강\n</document>"
    assert (prompt.template, prompt.length) == ("child@2", Length(7, "words"))


def test_a_folder_of_yours_overrides_a_template_of_the_library_by_name(tmp_path: Path) -> None:
    """And its partials."""
    (tmp_path / "partials").mkdir()
    (tmp_path / "partials" / "style.j2").write_text("- Write like a pirate.\n")
    prompt = po.template("summarize/map", tmp_path).render(text="x")
    assert "- Write like a pirate.\n" in prompt.messages[0].content
    assert "pirate" not in po.template("summarize/map").render(text="x").messages[0].content


def test_a_string_is_a_template_that_includes_and_extends(folder: Path) -> None:
    """Its errors name the line within it."""
    body = "{% extends 'child' %}{% block task %}{% include 'partials/data' %}{% endblock %}"
    source = f"---\nname: own\nversion: 1\n---\n{body}"
    assert "is material: report" in po.template(source, folder).render(text="x").messages[0].content
    with pytest.raises(TemplateError, match=r"<string>:5: no template is named 'chidl'; did you mean child"):
        po.template(source.replace("'child'", "'chidl'"), folder)


def test_templates_that_extend_or_include_each_other_in_a_circle_are_refused(folder: Path) -> None:
    """With file and line."""
    (folder / "base.j2").write_text(BASE.replace("{% system %}", '{% extends "child" %}{% system %}', 1))
    with pytest.raises(TemplateError, match=r"base\.j2:9: .*|child\.j2:7: the template extends itself"):
        po.template("child", folder)
    (folder / "a.j2").write_text('---\nname: a\nversion: 1\n---\n{% include "a" %}')
    with pytest.raises(TemplateError, match=r"a\.j2:5: templates include each other in a circle"):
        po.template("a", folder).render()


ENGLISH = "The rivers meet below the old town, where the ferry has crossed since the first bridge burned down. "
KOREAN = "세 개의 강이 오래된 마을 아래에서 만나고, 첫 다리가 불탄 뒤로는 나룻배가 그 사이를 오간다. "


@pytest.mark.parametrize(
    ("unit", "number", "text", "length"),
    [("words", 5, "하나 둘 셋", 3), ("sentences", 2, "One. Two! 셋이다.", 3), ("characters", 100, "  100자 이내 ", 7)],
)
def test_an_answers_length_is_measured_in_the_unit_asked_for(unit: str, number: int, text: str, length: int) -> None:
    """Words, sentences or characters, in any script."""
    prompt = po.template(f"---\nname: a\nversion: 1\noutput: {{max_{unit}: {number}}}\n---\nx").render()
    assert prompt.length is not None
    assert prompt.length.of(text) == length
    assert prompt.excess(text) == max(length - number, 0)


@pytest.mark.parametrize("text", [ENGLISH, KOREAN], ids=["english", "korean"])
@pytest.mark.parametrize("unit", ["words", "sentences", "characters"])
def test_an_answer_of_the_asked_length_fits_the_tokens_that_are_asked_for(unit: str, text: str) -> None:
    """At the rate of its own language, and without twice the room that it needs."""
    by = counter("gpt-5-mini")
    answer = text * 8
    number = Length(1, unit).of(answer)  # type: ignore[arg-type]
    prompt = po.template(f"---\nname: a\nversion: 1\noutput: {{max_{unit}: {number}}}\n---\nx").render()
    most = prompt.max_output_tokens(by, like=text)
    assert most is not None
    assert by.count(answer) <= most <= (2 if unit != "sentences" else 3) * by.count(answer) + 32


def test_reasoning_stays_out_of_the_answer_and_has_its_own_room() -> None:
    """What stands between the tags is the answer; a reply that was cut before them has none."""
    source = "---\nname: a\nversion: 1\noutput: {max_words: 10, within: answer, reasoning_tokens: 300}\n---\nx"
    prompt = po.template(source).render()
    assert prompt.answer("First <answer>no</answer>, rather:\n<answer>\n42 강\n</answer> bye") == "42 강"
    assert prompt.answer("just 42") == "just 42"
    assert prompt.output.answer("I think that", cut=True) == ""
    assert prompt.output.answer("<answer>half an", cut=True) == "half an"
    plain = po.template(source.replace(", within: answer, reasoning_tokens: 300", "")).render()
    assert (
        prompt.max_output_tokens("gpt-5-mini", ENGLISH) == (plain.max_output_tokens("gpt-5-mini", ENGLISH) or 0) + 300
    )


def test_model_hints_are_read_and_shown() -> None:
    """What a template was written for."""
    head = po.template(
        "---\nname: a\nversion: 1\nmodel: {prefer: ['openai:gpt-5-mini'], temperature: 0.2}\n---\nx"
    ).head
    assert (head.model.prefer, head.model.temperature) == (["openai:gpt-5-mini"], 0.2)


def test_names_lists_what_folders_hold(folder: Path) -> None:
    """Yours beside ours."""
    assert {"base", "child", "summarize/map"} <= set(Library([folder]).names())
