"""YAML that people write: strict, and every complaint with its file and line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, field_validator

from promptops.errors import ChainError, UsageError
from promptops.yamlfile import line_of, validated


class Inner(BaseModel):
    """A part of a file."""

    model_config = ConfigDict(extra="forbid", strict=True)
    size: int


class File(BaseModel):
    """A file with one of each."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    parts: list[Inner] = []
    table: dict[str, Inner] = {}

    @field_validator("name")
    @classmethod
    def _no_shouting(cls, name: str) -> str:
        if name.isupper():
            raise ValueError("Names are not shouted")
        return name


def complaint(text: str, *, first_line: int = 1) -> str:
    """What is said about ``text``."""
    with pytest.raises(ChainError) as caught:
        validated(File, text, "file.yaml", ChainError, first_line=first_line)
    return str(caught.value)


def test_a_valid_file_becomes_its_model() -> None:
    """Scalars, lists and tables arrive as they are typed."""
    file = validated(File, "name: 한글\nparts:\n  - size: 3\ntable:\n  a: {size: 4}\n", "file.yaml", ChainError)
    assert (file.name, file.parts[0].size, file.table["a"].size) == ("한글", 3, 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nnames: b\n", "file.yaml:2: names: unknown key"),
        ("nane: a\n", "file.yaml:1: nane: unknown key"),
        ("name: a\nparts:\n  - size: 1\n  - size: big\n", "file.yaml:4: parts.1.size: input should be a valid integer"),
        ("name: a\ntable:\n  x:\n    size: 1\n    sise: 2\n", "file.yaml:5: table.x.sise: unknown key"),
        ("name: a\ntable:\n  x: {}\n", "file.yaml:3: table.x.size: field required"),
        ("parts: []\n", "file.yaml:1: name: field required"),
        ("name: a\nname: b\n", "file.yaml:2: the key 'name' stands twice"),
        ("name: a\ntable:\n  x: {size: 1}\n  x: {size: 2}\n", "file.yaml:4: the key 'x' stands twice"),
        ("name: a\ntable: &t\n  x: {size: 1}\n", "file.yaml:2: anchors and aliases"),
        ("name: a\nparts: *p\n", "file.yaml:2: anchors and aliases"),
        ("name: a\nparts: !!python/object:os.system []\n", "file.yaml:2: tags (!) are not allowed"),
        ('name: !!int ""\n', "file.yaml:1: tags (!) are not allowed"),
        ("name: a\nparts: [1, 2\n", "file.yaml:3: not valid YAML"),
        ("name: a\n\tparts: 1\n", "file.yaml:2: not valid YAML"),
        ("name: a\n---\nname: b\n", "file.yaml:2: not valid YAML"),
        ("name: a\nparts: \x07\n", "file.yaml:2: not valid YAML: the character U+0007 is not allowed"),
        ("name: a\nparts: 2024-99-99\n", "not valid YAML: a date or number is none"),
        ("name: a\nparts: " + "[" * 200_000, "file.yaml:2: nested over 32 deep"),
        ("name: a\nparts:\n" + "".join(" " * n + "-\n" for n in range(1, 40)), "file.yaml:34: nested over 32 deep"),
        ("name: a\n? {b: c}\n: d\n", "file.yaml:2: not valid YAML"),
        ("- name\n", "file.yaml:1: should be keys with values (key: value)"),
        ("just words\n", "file.yaml:1: should be keys with values (key: value)"),
        ("name: LOUD\n", "file.yaml:1: name: names are not shouted"),
        ("# " + "x" * 300_000, "file.yaml:1: over 256 KiB of YAML"),
        ("", "file.yaml:1: name: field required"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str) -> None:
    """One line that names the file, the line and the key."""
    message = complaint(text)
    assert said in message
    assert message.startswith("file.yaml:")
    assert "\n" not in message


def test_lines_are_those_of_the_file_around_it() -> None:
    """YAML that begins further down a file is complained about there."""
    assert complaint("name: a\nnames: b\n", first_line=10) == "file.yaml:11: names: unknown key"


def test_an_expansion_bomb_is_refused_at_once() -> None:
    """Aliases are refused while they are read, not after they have been expanded."""
    rows = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"] + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "anchors and aliases" in complaint("\n".join(rows))


def test_a_merge_key_cannot_hide_a_second_value() -> None:
    """What stands in the file itself holds, and what ``<<`` brings is checked like anything else."""
    assert validated(File, "name: a\n<<: {name: b}\n", "file.yaml", ChainError).name == "a"
    assert complaint("name: a\n<<: {names: b}\n") == "file.yaml:1: names: unknown key"


def test_the_line_of_a_place_is_found_again() -> None:
    """A place that is not there has the line of what is around it."""
    text = "name: a\ntable:\n  x:\n    size: 1\nparts:\n  - size: 1\n"
    places = {("table", "x", "size"): 4, ("table", "y"): 2, ("parts", 0): 6, (): 1}
    assert {place: line_of(text, *place) for place in places} == places


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text("{}[]:,-&*!|>'\"%@`#?\n \tab01.~<=", max_size=60))
def test_any_text_is_a_model_or_one_line(text: str) -> None:
    """Whatever stands in a file, nothing but a ``UsageError`` leaves the reader."""
    try:
        validated(File, text, "file.yaml", ChainError)
    except UsageError as failure:
        message = str(failure)
    else:
        return
    assert message.startswith("file.yaml:")
    assert "\n" not in message
