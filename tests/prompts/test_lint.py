"""Lint: what renders but should not be sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptops.errors import TemplateError
from promptops.prompts import Library
from promptops.prompts.lint import lint

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
        ("{{ text | fence }}", ["unused-input:1", "unused-input:1"]),
        (USED + "\n\n{{ m }}\n{{ m }}", ["undeclared-input:11"]),
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
