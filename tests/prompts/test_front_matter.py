"""Front matter: what a template says of itself, checked strictly, every complaint with its line."""

from __future__ import annotations

import pytest

from promptops.errors import TemplateError
from promptops.prompts.front_matter import fits, parse, split

HEAD = "---\nname: a/b\nversion: 1\n"


def complaint(source: str) -> str:
    """What is said about ``source``."""
    with pytest.raises(TemplateError) as caught:
        parse(source, "t.j2")
    return str(caught.value)


def test_a_head_says_name_inputs_and_output() -> None:
    """Shorthand and long form of an input mean the same, and an input without a default must be given."""
    head = parse(
        HEAD + "inputs:\n  text: string\n  words: {type: integer, default: 5}\noutput: {max_words: words}\n---\nx",
        "t.j2",
    )
    assert (head.name, head.version, head.output.max_words) == ("a/b", 1, "words")
    assert head.inputs["text"].required
    assert not head.inputs["words"].required


@pytest.mark.parametrize("start", ["---\n", "\ufeff---\n", "---  \n", "---\r\n"])
def test_a_head_begins_with_three_dashes(start: str) -> None:
    """A byte order mark, trailing spaces and Windows line ends make no difference."""
    assert parse(f"{start}name: a\nversion: 1\n---\nbody", "t.j2").name == "a"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("name: a\nversion: 1\ncolour: red\n", "t.j2:4: colour: unknown key"),
        ("name: a\nversion: one\n", "t.j2:3: version: input should be a valid integer"),
        ("name: a\nversion: true\n", "t.j2:3: version:"),
        ("name: a\nversion: 0\n", "t.j2:3: version:"),
        ("name: ../a\nversion: 1\n", "t.j2:2: name:"),
        ("version: 1\n", "t.j2:2: name: field required"),
        ("name: a\nversion: 1\ninputs:\n  x: text\n", "t.j2:5: inputs.x.type:"),
        ("name: a\nversion: 1\ninputs:\n  x: {type: integer, default: no}\n", "is not of type integer"),
        ("name: a\nversion: 1\ninputs:\n  x: {type: string, default: null}\n", "is not of type string"),
        ("name: a\nversion: 1\ninputs:\n  self: string\n", "cannot be the name of an input"),
        ("name: a\nversion: 1\ninputs:\n  max words: string\n", "cannot be the name of an input"),
        ("name: a\nversion: 1\ninputs: [x]\n", "t.j2:4: inputs: should be keys with values"),
        ("name: a\nversion: 1\noutput: {max_words: 9, max_sentences: 2}\n", "only one of max_words, max_sentences"),
        ("name: a\nversion: 1\noutput: {max_words: 0}\n", "t.j2:4: output.max_words"),
        ("name: a\nversion: 1\noutput: {format: json}\n", "format json and a schema go together"),
        ("name: a\nversion: 1\noutput: {schema: {type: object}}\n", "format json and a schema go together"),
        ("name: a\nname: b\nversion: 1\n", "t.j2:3: the key 'name' stands twice"),
        ("name: &n a\nversion: 1\n", "t.j2:2: anchors and aliases"),
        ("name: a\nversion: [1\n", "t.j2:4: not valid YAML"),
    ],
    ids=lambda value: value[-30:],
)
def test_what_is_wrong_is_said_with_the_line_of_the_file(head: str, said: str) -> None:
    """Lines count from the first of the file, not of the front matter."""
    message = complaint(f"---\n{head}---\nbody\n")
    assert said in message
    assert message.startswith("t.j2:")
    assert "\n" not in message


@pytest.mark.parametrize("source", ["", "body", "---\nname: a\nno end", "text\n---\nname: a\nversion: 1\n---\n"])
def test_a_file_without_a_head_is_told_how_to_begin(source: str) -> None:
    """What is missing and how it should look."""
    assert complaint(source) == "t.j2:1: no front matter; begin the file with '---', 'name:' and 'version:'"


@pytest.mark.parametrize(("body", "line"), [("x", 4), ("\n\nx", 6), ("a\nx", 5)])
def test_a_body_keeps_the_lines_of_its_file(body: str, line: int) -> None:
    """A comment stands in for the head."""
    rest = split(f"---\nname: a\n---\n{body}")[1]
    assert rest.split("\n")[line - 1] == "x"


def test_a_json_schema_is_kept() -> None:
    """The schema that goes with format json arrives as it was written."""
    head = parse(HEAD + "output:\n  format: json\n  schema: {type: object, required: [a]}\n---\nx", "t.j2")
    assert head.output.json_schema == {"type": "object", "required": ["a"]}


def test_a_boolean_is_no_number() -> None:
    """Although Python thinks so."""
    assert not fits(True, "integer")
    assert not fits(True, "number")
    assert fits(True, "boolean")
    assert fits(1, "number")
    assert not fits(1.0, "integer")
    assert fits(["a"], "list")
    assert not fits("a", "list")
