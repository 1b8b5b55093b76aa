"""The commands of the prompt library: list, show, render, lint."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promptops import chains, prices
from promptops.cli import printing, rendering
from promptops.cli.printing import note
from promptops.errors import TemplateError, UsageError
from promptops.prompts import Library
from promptops.prompts.examples import Examples
from promptops.prompts.files import SUFFIX, read
from promptops.prompts.files import folders as mine
from promptops.prompts.lint import lint as check
from promptops.prompts.template import Template
from promptops.report.words import plural


def show_all(folders: list[str], *, as_json: bool) -> None:
    """Print every template's name, version and purpose."""
    library = Library(mine(folders))
    found = [library.template(name).head for name in library.names()]
    if as_json:
        printing.json([{"name": head.name, "version": head.version, "description": head.description} for head in found])
    else:
        printing.table(None, [(f"{head.name}@{head.version}", head.description) for head in found], right=0)


def show(name: str, folders: list[str]) -> None:
    """Print a template's source, valid or not."""
    print(read(Library(mine(folders)).path(name)), end="")


def render(name: str, values: list[str], models: list[str], folders: list[str], store: str, *, as_json: bool) -> None:
    """Print the rendered messages and what they cost."""
    template = _library(name, folders).template(name)
    rendering.render(template, dict(_value(template, pair) for pair in values), models, store, as_json=as_json)


def lint(names: list[str], model: str, folders: list[str]) -> int:
    """Print every finding, hints included; 1 where there is one that is no hint."""
    jobs = [job for name in names for job in _named(name, folders)] if names else list(_all(folders))
    price = prices.price(model)
    findings, hints = 0, 0
    for library, name, often in jobs:
        try:
            for finding in check(library.template(name), library, model=model, price=price, often=often):
                print(finding)
                hints += finding.hint
                findings += not finding.hint
        except TemplateError as failure:
            print(failure)
            findings += 1
    said = f", {plural(hints, 'hint')}" if hints else ""
    note(f"{plural(len(jobs), 'template')}, {plural(findings, 'finding')}{said}")
    return 1 if findings else 0


def _all(folders: list[str]) -> Iterator[tuple[Library, str, bool]]:
    """The whole library, yours too, with what the stock chains send many times."""
    often = {template for name in chains.names() for template, many in _sent(chains.load(name)) if many}
    library = Library(mine(folders))
    return ((library, name, name in often) for name in library.names())


def _named(name: str, folders: list[str]) -> Iterator[tuple[Library, str, bool]]:
    """A template, those of a chain file of yours, or those in a folder."""
    if Path(name).is_dir():
        library = Library(mine([name, *folders]))
        found = list(library.within(Path(name)))
        if not found:
            raise UsageError(f"{name}: there is no {SUFFIX} file in this folder")
        yield from ((library, own, False) for own in found)
    elif not name.endswith(chains.SUFFIXES):
        yield _library(name, folders), name, False
    else:
        folder = Path(name).parent
        library = Library([*mine(folders), folder, folder / "templates"])
        for template, often in _sent(chains.load(name, mine(folders))):
            yield library, template, often


def _sent(chain: chains.Chain) -> Iterator[tuple[str, bool]]:
    """The templates of a chain, and whether it sends them many times: for every chunk."""
    for name, step in chain.steps.items():
        yield step.template.head.name, name in chain.kind.cutting


def _library(name: str, folders: list[str]) -> Library:
    """The library for ``name``; a file finds what it includes in its own folder too."""
    return Library([*mine(folders), *([Path(name).parent] if name.endswith(SUFFIX) else ())])


def _value(template: Template, pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not equals:
        raise UsageError(f"-v {pair!r}: write it as key=value, or key=@file")
    spec = template.inputs.get(name)
    if spec is not None and spec.type == "list" and text.startswith("@") and text.endswith(".jsonl"):
        return name, Examples.load(text[1:]).pick()
    if text == "@-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as failure:
            raise UsageError(f"-v {pair}: {failure}") from None
    return name, text if spec is None else _typed(text, spec.type, name)


def _typed(text: str, kind: str, name: str) -> Any:
    try:
        match kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case "list":
                return text.split("\n")
            case _:
                return text
    except (ValueError, KeyError):
        raise UsageError(f"-v {name}={text!r}: not of type {kind}") from None
