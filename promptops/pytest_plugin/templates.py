"""Template files as tests: one that lints each, and one that holds each of its samples to the lock, by model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from promptops.errors import PromptopsError
from promptops.prompts import Library
from promptops.prompts.lint import lint
from promptops.prompts.lint.prefix import samples
from promptops.prompts.template import Template
from promptops.pytest_plugin.lock import locking

PARTIALS = "partials"


class ComplaintError(Exception):
    """What is wrong with a template, to be shown as it is."""


def collected(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The tests of a template file in one of the configured folders; partials are seen through what includes them."""
    folders = [parent.config.rootpath / folder for folder in parent.config.getini("promptops_templates")]
    if PARTIALS in path.parts or not any(path.is_relative_to(folder) for folder in folders):
        return None
    file: TemplateFile = TemplateFile.from_parent(parent, path=path)
    file.library = Library(folders)
    return file


class TemplateFile(pytest.File):
    """One template."""

    library: Library

    def collect(self) -> Iterator[pytest.Item]:
        """Its lint, and its samples by model."""
        yield LintItem.from_parent(self, name="lint")
        try:
            template = self.library.template(str(self.path))
        except PromptopsError:
            return  # the lint says what is wrong
        for name in samples(template):
            for model in self.config.getini("promptops_models"):
                yield LockItem.from_parent(self, name=f"{name}-{model}", sample=name, model=model)


class _Item(pytest.Item):
    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The complaint alone."""
        if isinstance(excinfo.value, (ComplaintError, PromptopsError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it stands."""
        return self.path, 0, f"{self.path.name}: {self.name}"

    def template(self) -> Template:
        """The template of this file."""
        parent = self.parent
        assert isinstance(parent, TemplateFile)  # noqa: S101 - these items are only made by one
        return parent.library.template(str(self.path))


class LintItem(_Item):
    """Fails where the lint finds something that is no hint."""

    def runtest(self) -> None:
        """Raise what there is to complain of."""
        parent = self.parent
        library = parent.library if isinstance(parent, TemplateFile) else None
        found = [str(finding) for finding in lint(self.template(), library) if not finding.hint]
        if found:
            raise ComplaintError("\n".join(found))


class LockItem(_Item):
    """Fails where a sample of the template takes more tokens than the lock allows."""

    def __init__(self, *, sample: str, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sample = sample
        self._model = model

    def runtest(self) -> None:
        """Raise what there is to complain of."""
        template = self.template()
        inputs: Mapping[str, Any] = samples(template)[self._sample]
        name = f"{template.head.name} ({self._sample})"
        if complaint := locking(self.config).check(name, self._model, template.render(**inputs)):
            raise ComplaintError(complaint)
