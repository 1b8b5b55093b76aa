"""Checks a template for what renders but should not be sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import nodes

from promptops.prompts.front_matter import split
from promptops.prompts.library import Library, read
from promptops.prompts.template import Template


@dataclass(frozen=True, slots=True)
class Finding:
    """One complaint: a code, a place and a mend."""

    code: str
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.code}: {self.text}"


def lint(template: Template, library: Library | None = None) -> Iterator[Finding]:
    """Unused inputs, undeclared variables, and document text that is not fenced."""
    path = str(template.path)
    body = _Body(template, library or Library())
    for name, line in sorted(body.undeclared.items()):
        yield Finding("undeclared-input", path, line, f"{name!r} is used but not declared; add it under inputs")
    for name in template.inputs:
        if name not in body.used:
            yield Finding("unused-input", path, 1, f"input {name!r} is never used; remove it or use it")
    for name, line in body.unfenced:
        yield Finding("unfenced-document", path, line, f"{name!r} is document text: write {{{{ {name} | fence }}}}")


class _Body:
    """The names that a template and its includes read, and where document text is put out bare."""

    def __init__(self, template: Template, library: Library) -> None:
        self.used: set[str] = set()
        self.undeclared: dict[str, int] = {}
        self.unfenced: list[tuple[str, int]] = []
        self._library = library
        self._template = template
        self._seen: set[str] = set()
        self._walk(split(read(template.path))[1], own=True)

    def _walk(self, source: str, *, own: bool) -> None:
        from jinja2.meta import find_undeclared_variables

        tree = self._library.environment.parse(source)
        names = find_undeclared_variables(tree)
        self.used |= names
        if own:
            unknown = names - set(self._template.inputs)
            self.undeclared = {
                node.name: node.lineno for node in tree.find_all(nodes.Name) if node.name in unknown
            }
        self._fences(tree)
        for include in tree.find_all(nodes.Include):
            if isinstance(include.template, nodes.Const) and include.template.value not in self._seen:
                self._seen.add(include.template.value)
                self._walk(split(read(self._library.path(include.template.value)))[1], own=False)

    def _fences(self, tree: nodes.Template) -> None:
        documents = {name for name, spec in self._template.inputs.items() if spec.document}
        for loop in tree.find_all(nodes.For):
            if isinstance(loop.iter, nodes.Name) and loop.iter.name in documents and isinstance(loop.target, nodes.Name):
                documents.add(loop.target.name)
        for output in tree.find_all(nodes.Output):
            for part in output.nodes:
                if isinstance(part, nodes.Name) and part.name in documents:
                    self.unfenced.append((part.name, part.lineno))
