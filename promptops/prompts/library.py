"""Finds templates by name: in the folders a caller gives, in order, and then in the stock library."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from promptops.errors import NotFoundError, TemplateError
from promptops.prompts.files import SUFFIX, is_file, read
from promptops.prompts.front_matter import split
from promptops.prompts.template import Template
from promptops.resources import library

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

STRING = "<string>"
"""Where a template stands that no file holds."""


class Library:
    """Templates by name; a folder of yours may hold one under the name of ours, and wins."""

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self.folders = (*folders, library("templates"))
        self._templates: dict[str, Template] = {}
        self._extending: list[Path] = []

    def template(self, name: str) -> Template:
        """The template ``name`` (``summarize/map``), or the one in the file ``name`` where it ends in ``.j2``.

        Raises ``NotFoundError`` where there is none, ``TemplateError`` where it is not valid.
        """
        if name not in self._templates:
            path = self.path(name)
            self._templates[name] = Template.load(path, read(path), self)
        return self._templates[name]

    def parse(self, source: str) -> Template:
        """The template that ``source`` is, front matter and all; raises ``TemplateError`` where it is not valid."""
        return Template.load(Path(STRING), source, self)

    def parent(self, body: str, path: Path) -> Template | None:
        """The template that one with this body extends by name, if any; raises ``TemplateError`` for a circle."""
        from jinja2 import nodes

        if "extends" not in body:
            return None
        found = self.environment.parse(body).find(nodes.Extends)
        if found is None or not isinstance(found.template, nodes.Const):
            return None
        if path in self._extending:
            raise TemplateError(f"{path}:{found.lineno}: the template extends itself, by way of {found.template.value}")
        self._extending.append(path)
        try:
            return self.template(found.template.value)
        except NotFoundError as failure:
            raise TemplateError(f"{path}:{found.lineno}: {failure}") from None
        finally:
            self._extending.pop()

    def names(self) -> list[str]:
        """Every template there is, partials left out, in order."""
        return sorted({name for folder in self.folders for name in _names(folder, "**/*")})

    def within(self, folder: Path) -> list[str]:
        """The templates in one folder, partials left out, in order."""
        return sorted(_names(folder, "**/*"))

    def path(self, name: str) -> Path:
        """The file of a template or partial; raises ``NotFoundError`` with the nearest names."""
        if found := self._within(name, self.folders[:-1]):
            return found
        if name.endswith(SUFFIX) and is_file(name):
            return Path(name)
        return self._within(name, self.folders[-1:]) or self._nowhere(name)

    def _within(self, name: str, folders: Iterable[Path]) -> Path | None:
        """A name never leads out of the folders, since an include may be named by an input."""
        bare = name.removesuffix(SUFFIX)
        if ".." in bare.split("/") or bare.startswith("/"):
            return None
        places = (folder / f"{bare}{SUFFIX}" for folder in folders)
        return next((place for place in places if is_file(place)), None)

    def _nowhere(self, name: str) -> NoReturn:
        if name.endswith(SUFFIX):
            raise NotFoundError(f"template file {name!r} is not there")
        # A folder of the user's may be their home: it is not searched to its ground for a hint.
        close = {near for folder in self.folders for pattern in ("*", "*/*") for near in _names(folder, pattern)}
        near = difflib.get_close_matches(name, sorted(close), n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; see: promptops templates list"
        raise NotFoundError(f"no template is named {name!r}{hint}")

    @cached_property
    def environment(self) -> SandboxedEnvironment:
        """Jinja2, sandboxed and strict, whose includes come from this library."""
        from jinja2 import FunctionLoader, StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        from promptops.prompts.messages import RoleTags
        from promptops.prompts.sections import SectionTag, fenced

        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            extensions=[RoleTags, SectionTag],
            loader=FunctionLoader(self._included),
        )
        environment.filters["fence"] = fenced
        return environment

    def _included(self, name: str) -> tuple[str, str, None]:
        path = self._within(name, self.folders)
        if path is None:
            self._nowhere(name)
        return split(read(path))[1], str(path), None


def _names(folder: Path, pattern: str) -> Iterator[str]:
    for path in folder.glob(f"{pattern}{SUFFIX}") if folder.is_dir() else ():
        name = path.relative_to(folder).as_posix().removesuffix(SUFFIX)
        if not name.startswith("partials/"):
            yield name
