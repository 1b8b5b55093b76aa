"""Lint: what renders but should not be sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops.errors import TemplateError
from promptops.prices import price
from promptops.prompts import Library
from promptops.prompts.lint import Finding, lint
from promptops.prompts.lint.prefix import samples

Linting = Callable[[str], list[str]]


@pytest.fixture
def findings(tmp_path: Path) -> Linting:
    """The findings in a template with this body, as ``code:line``."""

    def check(body: str) -> list[str]:
        (tmp_path / "own.j2").write_text(
            "---\nname: own\nversion: 1\ninputs:\n  text: {type: string, document: true}\n"
            "  texts: {type: list, document: true, default: []}\n  n: {type: integer, default: 1}\n---\n" + body
        )
        library = Library([tmp_path])
        return [f"{found.code}:{found.line}" for found in lint(library.template("own"), library)]

    return check


USED = "{{ text | fence }}{{ texts | length }}{{ n }}"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (USED, []),
        ("{{ text | fence('document', title=text) }}{% for t in texts %}{{ t | fence }}{% endfor %}{{ n }}", []),
        ("{% if text %}{{ text | fence if texts else n }}{% endif %}", []),
        ("{{ 'a' if text else 'b' }}{{ texts | count }}{{ n }}", []),
        (USED + "\n{{ text }}", ["unfenced-document:10"]),
        (USED + "{{ text | upper }}", ["unfenced-document:9"]),
        (USED + "{{ 'Text: ' ~ text }}", ["unfenced-document:9"]),
        (USED + "{{ text[:100] }}", ["unfenced-document:9"]),
        (USED + "{{ texts | join(' ') }}", ["unfenced-document:9"]),
        (USED + "\n{% for t in texts %}\n{{ t }}{% endfor %}", ["unfenced-document:11"]),
        ("{{ text | fence }}", ["unused-input:6", "unused-input:7"]),
        (USED + "\n\n{{ m }}\n{{ m }}", ["undeclared-input:11"]),
        (USED + "\n{% include 'own' %}", ["circle:10"]),
        (USED + "{% include n %}", ["injection:9"]),
        (USED + "\n{{ ''.__class__.__mro__ }}", ["injection:10", "injection:10"]),
        (USED + "\nSay it in one line.\nBe brief.\n- say it in ONE line!", ["duplicate:12"]),
    ],
)
def test_findings(findings: Linting, body: str, expected: list[str]) -> None:
    """Unused inputs, undeclared variables and bare document text, each with its line."""
    assert findings(body) == expected


def test_an_include_counts_as_use_and_is_looked_through(findings: Linting, tmp_path: Path) -> None:
    """A finding inside of it has its own place."""
    (tmp_path / "partials").mkdir()
    (tmp_path / "partials" / "p.j2").write_text(USED + "\n{{ text }}")
    assert findings("{% include 'partials/p' %}") == ["unfenced-document:2"]


@pytest.mark.parametrize(
    ("part", "said"), [(None, r"own\.j2:9: no template is named 'partials/p'"), ("a\n{{", r"p\.j2:2: unexpected 'end")]
)
def test_a_broken_include_is_an_error(findings: Linting, tmp_path: Path, part: str | None, said: str) -> None:
    """With its place, like any other error of a template."""
    if part is not None:
        (tmp_path / "partials").mkdir()
        (tmp_path / "partials" / "p.j2").write_text(part)
    with pytest.raises(TemplateError, match=said):
        findings("{% include 'partials/p' %}")


def test_the_stock_library_is_clean() -> None:
    """What ships has no findings."""
    assert [found for name in Library().names() for found in lint(Library().template(name))] == []


HEAD = "---\nname: own\nversion: 1\n{more}inputs:\n  text: {{type: string, document: true}}\n---\n"
LONG = "Keep names, numbers, dates and units exactly as the text has them, and add no opinion of your own to it. " * 2


def found_in(folder: Path, source: str, **options: Any) -> list[Finding]:
    path = folder / "own.j2"
    path.write_text(source, encoding="utf-8")
    library = Library([folder])
    return list(lint(library.template("own"), library, **options))


def test_the_first_variable_that_varies_is_named_with_the_stable_text_after_it(tmp_path: Path) -> None:
    """Where the document stands before the instructions, no prompt cache can hold them."""
    (early,) = found_in(tmp_path, HEAD.format(more="") + "{{ text | fence }}\n" + LONG)
    assert (early.code, early.line) == ("volatile-early", 7)
    assert str(early).startswith(f"{tmp_path / 'own.j2'}:7: volatile-early: 'text' differs from call to call, and ")
    assert "about 54 tokens that stay the same stand after it" in early.text
    assert found_in(tmp_path, HEAD.format(more="") + LONG + "\n{{ text | fence }}") == []


def test_an_input_says_itself_whether_it_varies(tmp_path: Path) -> None:
    """Documents do by default, settings do not."""
    head = HEAD.format(more="").replace("document: true}", "document: true}\n  part: {type: integer, varies: true}")
    body = "This is part {{ part }}.\n" + LONG + "\n{{ text | fence }}"
    (early,) = found_in(tmp_path, head + body)
    assert (early.code, early.line) == ("volatile-early", 8)
    assert "'part'" in early.text


def test_each_kind_of_prompt_that_a_boolean_makes_is_looked_at(tmp_path: Path) -> None:
    """Two that begin otherwise are two beginnings, each stable or not; and each has a sample to be locked."""
    head = HEAD.format(more="").replace(
        "document: true}", "document: true}\n  part: {type: boolean, default: false, varies: true}"
    )
    good, bad = LONG + "\n{{ text | fence }}", "{{ text | fence }}\n" + LONG
    assert found_in(tmp_path, head + f"{{% if part %}}A part. {good}{{% else %}}All. {good}{{% endif %}}") == []
    for one, other in ((good, bad), (bad, good)):
        (early,) = found_in(tmp_path, head + f"{{% if part %}}A part. {one}{{% else %}}All. {other}{{% endif %}}")
        assert early.code == "volatile-early"
    made = samples(Library([tmp_path]).template("own"))
    assert {name: inputs["part"] for name, inputs in made.items()} == {"sample": False, "sample, part": True}


def test_a_short_beginning_of_what_is_sent_often_is_a_hint_with_its_break_even(tmp_path: Path) -> None:
    """Cached input of gpt-5-mini costs a tenth: from 103 tokens on, filling up to 1,024 is cheaper."""
    source = HEAD.format(more="") + LONG + "\n{{ text | fence }}"
    (hint,) = found_in(tmp_path, source, often=True, price=price("gpt-5-mini"))
    assert (hint.code, hint.hint) == ("short-prefix", True)
    assert str(hint).startswith(f"{tmp_path / 'own.j2'}:1: short-prefix (hint): every call begins with the same ")
    assert hint.text.endswith("1,024 cached tokens cost as much as 102 fresh ones, more than these 56: leave it short")
    longer = source.replace(LONG, LONG + "x " * 80)
    (hint,) = found_in(tmp_path, longer, often=True, price=price("gpt-5-mini"))
    assert hint.text.endswith("of examples for instance, make each call cheaper")
    assert "cost as much" not in found_in(tmp_path, source, often=True)[0].text


SCHEMA = "output: {format: json, schema: {type: object, properties: {name: {type: string}, age: {type: integer}}}}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("Answer in plain prose.", "'plain prose' asks for something else"),
        ('Answer as {"name": "…", "years": 3}.', "'years' is no property of the schema, which has age, name"),
        ("대답은 산문으로 쓴다.", "'산문으로' asks for something else"),
    ],
)
def test_words_that_contradict_the_schema_are_found(tmp_path: Path, words: str, said: str) -> None:
    """A model that is told two things does either."""
    (finding,) = found_in(tmp_path, HEAD.format(more=SCHEMA) + words + "\n{{ text | fence }}")
    assert (finding.code, finding.line) == ("schema", 8)
    assert said in finding.text


def test_a_limit_that_cuts_the_asked_length_is_found(tmp_path: Path) -> None:
    """200 words do not fit 150 tokens."""
    (finding,) = found_in(
        tmp_path, HEAD.format(more="output: {max_words: 200, max_tokens: 150}\n") + "{{ text | fence }}"
    )
    assert (finding.code, finding.line) == ("unreachable-length", 4)
    assert "200 words take 260 tokens or more, and max_tokens is 150" in finding.text


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ("", "{{ text }}", 1),
        ("", "{# promptops: ignore[unfenced-document] #}\n{{ text }}", 0),
        ("", "{{ text }} {# promptops: ignore[duplicate, unfenced-document] #}", 0),
        ("", "{# promptops: ignore[duplicate] #}\n{{ text }}", 1),
        ("# promptops: ignore[unfenced-document]\n", "\n\n{{ text }}", 0),
    ],
)
def test_a_file_can_silence_a_code(tmp_path: Path, head: str, body: str, expected: int) -> None:
    """On a line, or as a whole."""
    assert len(found_in(tmp_path, HEAD.format(more=head) + body)) == expected
