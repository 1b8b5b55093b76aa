"""Templates: strict, sandboxed, and honest about where something went wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import promptops as po
from promptops.errors import NotFoundError, TemplateError, TokenizerError, UsageError
from promptops.prompts import Library
from promptops.prompts.length import Length
from promptops.prompts.template import Prompt, Template
from promptops.tokens import counter

INPUTS = "inputs:\n  text: {type: string, document: true, default: ''}\n  n: {type: integer, default: 1}\n"

Writing = Callable[..., Template]


@pytest.fixture
def template(tmp_path: Path) -> Writing:
    """Writes a template with these inputs and body, and loads it; the body begins on line 7."""

    def write(body: str, inputs: str = INPUTS, name: str = "own") -> Template:
        path = tmp_path / f"{name}.j2"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"---\nname: {name}\nversion: 3\n{inputs}---\n{body}", encoding="utf-8")
        return Library([tmp_path]).template(name)

    return write


def fails(template: Template, **inputs: Any) -> str:
    """What the render says."""
    with pytest.raises(TemplateError) as caught:
        template.render(**inputs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_blocks_become_messages(template: Writing) -> None:
    """In their order, without the line ends around them; white space inside stays."""
    prompt = template(
        "{% system %}\nBe brief.\n{% endsystem %}\n{% user %}\n  {{ text }}\n{% enduser %}\n"
        "{% assistant %}Yes{% endassistant %}\n"
    ).render(text="hello")
    assert [(message.role, message.content) for message in prompt.messages] == [
        ("system", "Be brief."),
        ("user", "  hello"),
        ("assistant", "Yes"),
    ]
    assert prompt.template == "own@3"


def test_a_body_without_blocks_is_one_user_message(template: Writing) -> None:
    """The simplest template needs no roles."""
    prompt = template("Say {{ text }}.\n").render(text="it")
    assert [(message.role, message.content) for message in prompt.messages] == [("user", "Say it.")]


def test_output_limits_come_with_the_prompt(template: Writing) -> None:
    """A limit is a number or the input that holds it."""
    own = template("{{ n }}", INPUTS + "output: {max_words: n, max_tokens: 9}\n")
    assert isinstance(prompt := own.render(n=7), Prompt)
    assert (prompt.length, prompt.max_tokens, prompt.schema) == (Length(7, "words"), 9, None)
    fixed = template("x", INPUTS + "output: {max_characters: 30}\n", "two").render()
    assert fixed.length == Length(30, "characters")
    with pytest.raises(
        TemplateError, match=r"three\.j2:\d+: output.max_words names 'words', which is no integer input"
    ):
        template("x", INPUTS + "output: {max_words: words}\n", "three")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{{ missing }}", ":8: 'missing' is undefined"),
        ("\n\n{{ missing }}", ":10: 'missing' is undefined"),
        ("{{ missing | fence }}", ":8: 'missing' is undefined"),
        ("{% if missing %}x{% endif %}", ":8: 'missing' is undefined"),
        ("{{ text.nothing }}", "has no attribute 'nothing'"),
        ("{{ n / 0 }}", ":8: division by zero"),
        ("{{ n + text }}", ":8: unsupported operand"),
        ("{{ range(999999999) | length }}", ":8: Range too big"),
        ("{{ [1][5] }}", "no element 5"),
        ("before {% user %}x{% enduser %}", "text stands outside of the system, user and assistant blocks"),
        ("{% user %}a{% system %}b{% endsystem %}{% enduser %}", ":8: a system block stands inside of this user block"),
        ("\n{% include 'partials/nothing' %}", ":9: no template is named 'partials/nothing'"),
        ("{% include text %}", ":8: no template is named ''"),
    ],
)
def test_what_fails_in_a_body_is_said_with_its_line(template: Writing, body: str, said: str) -> None:
    """The file, the line as an editor shows it, and what went wrong."""
    message = fails(template(body))
    assert said in message
    assert "own.j2" in message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{{ text", "own.j2:8: unexpected end of template"),
        ("\n{% if %}", "own.j2:9: "),
        ("{% user %}no end", "own.j2:8: "),
        ("{% user now %}{% enduser %}", "own.j2:8: "),
        ("\n\n{{ text | nofilter }}", "own.j2:10: No filter named 'nofilter'"),
        ("{% nothing %}", "own.j2:8: Encountered unknown tag 'nothing'"),
    ],
)
def test_a_body_that_does_not_parse_is_refused_when_loaded(template: Writing, body: str, said: str) -> None:
    """Before anything is rendered, let alone sent."""
    with pytest.raises(TemplateError) as caught:
        template(body)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ text['__class__'] }}",
        "{{ text | attr('__class__') }}",
        "{{ '{0.__class__}'.format(text) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ (n).__add__ }}",
        "{{ texts.append('x') }}",
        "{{ texts.clear() }}",
        "{% set x = texts.pop() %}",
        "{{ _promptops_messages.append(1) }}",
        "{{ range.__self__ }}",
        "{{ fence.__globals__ }}",
        "{{ (texts | map(attribute='__class__') | list)[0].__name__ }}",
    ],
)
def test_the_sandbox_holds(template: Writing, body: str) -> None:
    """No way from a value to its class, its module or a change of what was passed in."""
    texts = ["one"]
    own = template(body, INPUTS + "  texts: {type: list, default: []}\n")
    fails(own, text="x", texts=texts)
    assert texts == ["one"]


@pytest.mark.parametrize(
    "text", ["{{ n }}", "{% include 'partials/style' %}", "{# x #}", "{{ ''.__class__ }}", "{% user %}"]
)
def test_a_document_is_never_read_as_a_template(template: Writing, text: str) -> None:
    """Template syntax in a value comes out as it went in, also through two includes."""
    template("{{ text }}", name="partials/inner")
    template("{% include 'partials/inner' %}", name="partials/outer")
    prompt = template("{% user %}{{ text }}|{% include 'partials/outer' %}{% enduser %}").render(text=text)
    assert prompt.messages[0].content == f"{text}|{text}"
    assert len(prompt.messages) == 1


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "own needs the input 'text'"),
        ({"text": 5}, "input 'text' of own must be of type string, not int"),
        ({"text": None}, "input 'text' of own must be of type string, not NoneType"),
        ({"text": "x", "n": "5"}, "input 'n' of own must be of type integer, not str"),
        ({"text": "x", "n": True}, "input 'n' of own must be of type integer, not bool"),
        ({"text": "x", "m": 1}, "own has no input 'm'; its inputs are: text, n"),
        ({"text": "x", "self": 1}, "own has no input 'self'"),
    ],
)
def test_inputs_are_checked(template: Writing, inputs: dict[str, Any], said: str) -> None:
    """A missing, unknown or wrongly typed input names itself, the file and the line."""
    own = template("{{ text }}", "inputs:\n  text: string\n  n: {type: integer, default: 1}\n")
    message = fails(own, **inputs)
    assert said in message
    line = {"text": 5, "n": 6}.get(said.split("'")[1], 4)
    assert f"own.j2:{line}: " in message


def test_an_error_in_an_include_is_placed_in_the_include(template: Writing, tmp_path: Path) -> None:
    """Also one that is found only while rendering."""
    (tmp_path / "partials").mkdir()
    (tmp_path / "partials" / "part.j2").write_text("fine\n{{ nowhere }}\n")
    assert f"{tmp_path}/partials/part.j2:2: 'nowhere' is undefined" in fails(template("{% include 'partials/part' %}"))
    (tmp_path / "partials" / "torn.j2").write_text("fine\nfine\n{{ \n")
    assert f"{tmp_path}/partials/torn.j2:3: " in fails(template("{% include 'partials/torn' %}", name="other"))


def test_an_include_may_have_a_head_of_its_own(template: Writing) -> None:
    """Its body alone is included, its lines are still those of its file."""
    template("part of {{ text }}", name="partials/headed")
    prompt = template("A {% include 'partials/headed.j2' %}").render(text="it")
    assert prompt.messages[0].content == "A part of it"
    template("\n{{ gone }}", name="partials/late")
    assert "late.j2:9:" in fails(template("{% include 'partials/late' %}", name="third"))


@pytest.mark.parametrize("name", ["../secret", "partials/../../secret", "../secret.j2", "{path}", "{path}.j2", "\0"])
def test_an_include_never_leads_out_of_the_library(template: Writing, tmp_path: Path, name: str) -> None:
    """Not even where a document says what to include."""
    outside = tmp_path.parent / "secret.j2"
    outside.write_text("secret")
    own = template("{% include text %}", name="inner/own")
    message = fails(own, text=name.format(path=outside.with_suffix("")))
    assert "no" in message
    assert "secret.j2:" not in message


def test_an_include_of_itself_ends(template: Writing) -> None:
    """In an error, not in a crash."""
    assert "in a circle" in fails(template("{% include 'own' %}"))


def test_tokens_are_those_of_the_contents(template: Writing) -> None:
    """By a model's name or by a counter; an unknown model is an error that says what to do."""
    prompt = template("{% system %}one two{% endsystem %}{% user %}three{% enduser %}").render()
    by = counter(tokenizer="o200k_base")
    assert prompt.tokens("gpt-4o") == prompt.tokens(by) == by.count("one two") + by.count("three")
    with pytest.raises(TokenizerError, match="tokenizer"):
        prompt.tokens("nobody-knows-this-model")


def test_the_public_call_finds_names_and_files(tmp_path: Path) -> None:
    """``po.template`` takes both, and says what is wrong with either."""
    assert po.template("summarize/map").head.name == "summarize/map"
    (tmp_path / "x.j2").write_text("---\nname: x\nversion: 1\n---\nhi")
    assert po.template(str(tmp_path / "x.j2")).render().messages[0].content == "hi"
    with pytest.raises(NotFoundError, match=r"did you mean summarize/map"):
        po.template("sumarize/map")
    with pytest.raises(UsageError, match="is not there"):
        po.template(str(tmp_path / "y.j2"))
