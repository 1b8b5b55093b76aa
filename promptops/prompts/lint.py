"""Checks a template for what renders but should not be sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateSyntaxError, nodes

from promptops.errors import NotFoundError, TemplateError
from promptops.prompts.files import read
from promptops.prompts.front_matter import split
from promptops.prompts.library import Library
from promptops.prompts.template import Template

_HARMLESS = frozenset({"fence", "length", "count", "wordcount"})


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
    """Unused inputs, undeclared variables, and document text that is not fenced.

    Raises ``TemplateError`` where an included file is missing or not valid.
    """
    path = str(template.path)
    body = _Body(template, library or Library())
    for name, line in sorted(body.undeclared.items()):
        yield Finding("undeclared-input", path, line, f"{name!r} is used but not declared; add it under inputs")
    for name in template.inputs:
        if name not in body.used:
            yield Finding("unused-input", path, 1, f"input {name!r} is never used; remove it or use it")
    for name, place, line in body.unfenced:
        yield Finding("unfenced-document", place, line, f"{name!r} is document text: write {{{{ {name} | fence }}}}")


class _Body:
    """The names that a template and its includes read, and where document text is put out bare."""

    def __init__(self, template: Template, library: Library) -> None:
        self.used: set[str] = set()
        self.undeclared: dict[str, int] = {}
        self.unfenced: list[tuple[str, str, int]] = []
        self._library = library
        self._template = template
        self._seen: set[str] = set()
        self._walk(template.path, own=True)

    def _walk(self, path: Path, *, own: bool) -> None:
        from jinja2.meta import find_undeclared_variables

        tree = self._tree(path)
        names = find_undeclared_variables(tree)
        self.used |= names
        if own:
            unknown = names - set(self._template.inputs)
            for node in tree.find_all(nodes.Name):
                if node.name in unknown:
                    self.undeclared[node.name] = min(node.lineno, self.undeclared.get(node.name, node.lineno))
        self._fences(tree, path)
        for include in tree.find_all(nodes.Include):
            if isinstance(include.template, nodes.Const) and include.template.value not in self._seen:
                self._seen.add(include.template.value)
                self._walk(self._included(include.template.value, path, include.lineno), own=False)

    def _tree(self, path: Path) -> nodes.Template:
        try:
            return self._library.environment.parse(split(read(path))[1])
        except TemplateSyntaxError as failure:
            raise TemplateError(f"{path}:{failure.lineno}: {failure.message}") from None

    def _included(self, name: str, path: Path, line: int) -> Path:
        try:
            return self._library.path(name)
        except NotFoundError as failure:
            raise TemplateError(f"{path}:{line}: {failure}") from None

    def _fences(self, tree: nodes.Template, path: Path) -> None:
        documents = {name for name, spec in self._template.inputs.items() if spec.document}
        for loop in tree.find_all(nodes.For):
            if (
                isinstance(loop.iter, nodes.Name)
                and loop.iter.name in documents
                and isinstance(loop.target, nodes.Name)
            ):
                documents.add(loop.target.name)
        for output in tree.find_all(nodes.Output):
            for part in output.nodes:
                self.unfenced += [(name.name, str(path), name.lineno) for name in _bare(part) if name.name in documents]


def _bare(node: nodes.Node) -> Iterator[nodes.Name]:
    """The variables that ``node`` puts out as they are: not what is fenced, only counted or only tested."""
    if isinstance(node, nodes.Name):
        yield node
    elif isinstance(node, nodes.Filter) and node.name in _HARMLESS:
        return
    elif isinstance(node, nodes.CondExpr):
        for branch in (node.expr1, node.expr2):
            yield from _bare(branch) if branch else ()
    elif not isinstance(node, (nodes.Compare, nodes.Test, nodes.Not)):
        for child in node.iter_child_nodes():
            yield from _bare(child)
