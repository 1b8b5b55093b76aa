"""JSON schemas as grammars: what has one, what is refused and where, and that native code can bear every one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptops.errors import RejectedError
from promptops.local.gbnf import fault
from promptops.local.grammar import grammar, one_of

pytest.importorskip("llama_cpp", reason="the converter is llama.cpp's")

NODE = {
    "type": "object",
    "properties": {"value": {"type": "boolean"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["value", "next"],
}


@pytest.mark.parametrize(
    ("schema", "part", "why"),
    [
        ({"not": {}}, "/not", "has no grammar"),
        (False, "/", "nothing satisfies it"),
        ({"type": "strin"}, "/type", "'strin' is no type"),
        ({"type": "object", "properties": {"a": {"if": {}}}}, "/properties/a/if", "has no grammar"),
        ({"type": "object", "patternProperties": {}}, "/patternProperties", "has no grammar"),
        ({"type": "array", "uniqueItems": True}, "/uniqueItems", "has no grammar"),
        ({"type": "array", "maxItems": 100_000}, "/maxItems", "0 to 500"),
        ({"type": "string", "minLength": 5, "maxLength": 2}, "/maxLength", "less than minLength"),
        ({"type": "number", "minimum": 0}, "/minimum", "number"),
        ({"type": "integer", "minimum": 0}, "/minimum", "range of 1 to 1,000"),
        ({"type": "string", "pattern": "x"}, "/pattern", "begin with"),
        ({"type": "string", "pattern": "^(?=a)$"}, "/pattern", "no grammar"),
        ({"type": "string", "pattern": "^[ -~]+$"}, "/pattern", "JSON must escape"),
        ({"type": "string", "pattern": "^a{9999}$"}, "/pattern", "more than 500 times"),
        ({"type": "string", "pattern": "^(a*)*$"}, "", "repeats what may be empty"),
        ({"$ref": "http://elsewhere/schema"}, "/$ref", "not in this schema"),
        ({"$ref": "#/$defs/no"}, "/$ref", "not in this schema"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "", "begins with itself"),
        ({"allOf": [{"type": "string"}, {"maxLength": 3}]}, "/allOf", "write them as one"),
        ({"anyOf": [{"type": "string"}], "maxLength": 3}, "/maxLength", "beside anyOf"),
        ({"enum": []}, "/enum", "lists nothing"),
        ({"type": "string", "enum": [1]}, "/enum", "none of it"),
        ({"enum": ["\ud800"]}, "", "surrogates"),
    ],
    ids=str,
)
def test_what_has_no_grammar_is_refused_by_its_place(schema: Any, part: str, why: str) -> None:
    """In one line, before native code sees anything."""
    with pytest.raises(RejectedError, match="the answer's schema cannot be made a grammar") as failure:
        grammar(schema)
    assert f"at {part}" in str(failure.value) or not part
    assert why in str(failure.value)
    assert "\n" not in str(failure.value)


def test_choices_are_spelt_as_json_spells_them() -> None:
    """Korean as itself; quotes, backslashes and line breaks escaped once for JSON and once for the grammar."""
    rules = grammar({"enum": ["좋음", 'a"b', "c\\d", "e\nf", 3, None]})
    assert rules.splitlines()[0] == (r'root ::= "\"좋음\"" | "\"a\\\"b\"" | "\"c\\\\d\"" | "\"e\\nf\"" | "3" | "null"')


def test_an_answer_that_is_one_of_several_has_a_grammar() -> None:
    """Each as it is, whatever signs are in it; what cannot be spelt is refused."""
    assert one_of(["좋음", 'a"b', "c\\d", "e\nf"]) == r'root ::= "좋음" | "a\"b" | "c\\d" | "e\nf"'
    for choices in (["\ud800"], ["\f"]):
        with pytest.raises(RejectedError, match="choices cannot be made a grammar"):
            one_of(choices)


def test_a_range_of_integers_is_a_choice() -> None:
    """As for grades."""
    assert 'root ::= "1" | "2" | "3"' in grammar({"type": "integer", "minimum": 1, "exclusiveMaximum": 4})


def test_no_string_lets_a_line_break_through() -> None:
    """Raw control characters do not parse."""
    assert r"char ::= [^\"\\\x7F\x00-\x1F]".replace(r"\"", '"') in grammar({"type": "string"})


def test_definitions_may_be_recursive_and_be_called_anything() -> None:
    """A definition called like one of the converter's own rules is still itself."""
    assert "definition-0" in grammar({"$ref": "#/$defs/node", "$defs": {"node": NODE}})
    assert grammar({"$ref": "#/$defs/string", "$defs": {"string": {"type": "integer"}}}) == grammar(
        {"$ref": "#/$defs/other", "$defs": {"other": {"type": "integer"}}}
    )


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('root ::= "a" b', "there is no b"),
        ('other ::= "a"', "there is no root"),
        ('root ::= "a', "cannot be read"),
        (r'root ::= "\d"', "cannot be read"),
        ('root ::= ("a"', "cannot be read"),
        ("root ::= " + "(" * 2_000 + '"a"' + ")" * 2_000, "cannot be read"),
        ('root ::= ("x"? root) "y"', "begins with itself"),
        ('root ::= a*\na ::= "x"?', "repeats what may be empty"),
        ('root ::= "a" (b | "c")\nb ::= "x" root?', None),
        (r'root ::= [^"\\\x00-\x1F]+ ("," [a-z\]] )* "\u00e9"', None),
    ],
)
def test_a_grammar_is_looked_at_before_native_code_sees_it(rules: str, said: str | None) -> None:
    """Undefined rules, syntax, depth, left recursion: each ends the process there."""
    found = fault(rules)
    assert (said in found) if said and found else found is said


KEYWORDS = [
    "type", "enum", "const", "properties", "required", "items", "prefixItems", "minItems", "maxItems", "anyOf", "oneOf",
    "allOf", "pattern", "format", "minLength", "maxLength", "minimum", "maximum", "additionalProperties", "$ref", "not",
]  # fmt: skip
scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=5))
keywords = st.dictionaries(
    st.sampled_from(KEYWORDS),
    st.recursive(
        st.one_of(scalars, st.sampled_from(["object", "array", "string", "integer", "^a+$", "#", "date"])),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
        max_leaves=6,
    ),
    max_size=4,
)
whole = st.recursive(
    keywords,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda parts: {"type": "object", "properties": parts}, st.dictionaries(st.text(max_size=3), inner)),
        st.builds(lambda part: {"type": "array", "items": part, "maxItems": 3}, inner),
    ),
    max_leaves=5,
)


@given(whole)
@example({"type": "object", "properties": {"\n": {"enum": None}}})
def test_any_schema_is_refused_in_one_line_or_has_a_sound_grammar(schema: dict[str, Any]) -> None:
    """Nothing else can come of it."""
    try:
        found = fault(grammar(schema))
    except RejectedError as failure:
        found = "a second line" if "\n" in str(failure) else None
    assert found is None
