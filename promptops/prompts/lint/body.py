"""What a template and all it includes put out: variables, bare documents, and the text that is always the same."""

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
_MODULES = (nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)


@dataclass(frozen=True, slots=True)
class Place:
    """A name or a stretch of text, and where it stands."""

    text: str
    path: str
    line: int
    whole: bool = True
    """Whether the text is all of its line."""


class Body:
    """A template's own tree and those of its includes, read once."""

    def __init__(self, template: Template, library: Library) -> None:
        self.used: set[str] = set()
        self.undeclared: dict[str, int] = {}
        self.unfenced: list[Place] = []
        self.suspicious: list[Place] = []
        """Includes that an input names, and names with two underscores."""
        self.circles: list[Place] = []
        """Includes that lead back to the file that they stand in."""
        self.varying: Place | None = None
        """The first variable that differs from call to call."""
        self.fixed: list[Place] = []
        """The text that stands in the files, line by line."""
        self._library = library
        self._template = template
        self._seen: set[str] = set()
        self._open: list[Path] = []
        self._own = str(template.path)
        self._changing = {name for name, spec in template.inputs.items() if spec.changes}
        self._walk(template.path)

    def _walk(self, path: Path) -> None:
        from jinja2.meta import find_undeclared_variables

        tree = self._tree(path)
        names = find_undeclared_variables(tree)
        self.used |= names
        if str(path) == self._own:
            for found in tree.find_all(nodes.Name):
                if found.name in names - set(self._template.inputs):
                    self.undeclared[found.name] = min(found.lineno, self.undeclared.get(found.name, found.lineno))
        self._fences(tree, str(path))
        self._open.append(path)
        for node in _in_order(tree):
            self._look_at(node, path)
        self._open.pop()

    def _look_at(self, node: nodes.Node, path: Path) -> None:
        if isinstance(node, nodes.Output):
            self.fixed += _lines(node, str(path))
        elif isinstance(node, nodes.Name) and self.varying is None and node.name in self._changing:
            self.varying = Place(node.name, str(path), node.lineno)
        elif isinstance(node, nodes.Getattr) and node.attr.startswith("__"):
            self.suspicious.append(Place(f".{node.attr}", str(path), node.lineno))
        elif isinstance(node, _MODULES):
            self._module(node.template, path, node.lineno)

    def _module(self, name: nodes.Expr, path: Path, line: int) -> None:
        if not isinstance(name, nodes.Const):
            self.suspicious += [Place(found.name, str(path), line) for found in _names(name)]
        elif (included := self._included(name.value, path, line)) in self._open:
            self.circles.append(Place(name.value, str(path), line))
        elif name.value not in self._seen:
            self._seen.add(name.value)
            self._walk(included)

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

    def _fences(self, tree: nodes.Template, path: str) -> None:
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
                bare = (name for name in _bare(part) if name.name in documents)
                self.unfenced += [Place(name.name, path, name.lineno) for name in bare]


def _lines(output: nodes.Output, path: str) -> Iterator[Place]:
    """The text among what is put out, line by line; what stands beside a variable is not all of its line."""
    last = len(output.nodes) - 1
    for index, part in enumerate(output.nodes):
        if not isinstance(part, nodes.TemplateData):
            continue
        lines = part.data.split("\n")
        for number, text in enumerate(lines):
            beside = (number == 0 and index > 0) or (number == len(lines) - 1 and index < last)
            if text.strip():
                yield Place(text.strip(), path, part.lineno + number, whole=not beside)


def _in_order(node: nodes.Node) -> Iterator[nodes.Node]:
    """All nodes beneath, in the order of the file."""
    for child in node.iter_child_nodes():
        yield child
        yield from _in_order(child)


def _names(node: nodes.Node) -> Iterator[nodes.Name]:
    if isinstance(node, nodes.Name):
        yield node
    yield from node.find_all(nodes.Name)


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
