"""The commands of the prompt library: list, show, render, lint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from promptops.cli import tables
from promptops.cli.progress import note
from promptops.errors import TemplateError, UsageError
from promptops.prompts import Library
from promptops.prompts.lint import lint as check
from promptops.prompts.template import Template
from promptops.report.jsonable import dumps
from promptops.report.words import plural
from promptops.tokens import counter


def show_all(*, as_json: bool) -> None:
    """Print every template's name, version and purpose."""
    library = Library()
    found = [library.template(name).head for name in library.names()]
    if as_json:
        print(dumps([{"name": head.name, "version": head.version, "description": head.description} for head in found]))
    else:
        tables.show(None, [(f"{head.name}@{head.version}", head.description) for head in found], right=0)


def show(name: str) -> None:
    """Print a template's source."""
    print(Library().template(name).path.read_text(encoding="utf-8"), end="")


def render(name: str, values: list[str], model: str | None, *, as_json: bool) -> None:
    """Print the rendered messages and their tokens."""
    template = Library().template(name)
    prompt = template.render(**dict(_value(template, pair) for pair in values))
    by = counter(model, tokenizer=None if model else "o200k_base")
    if as_json:
        messages = [
            {"role": message.role, "content": message.content, "tokens": by.count(message.content)}
            for message in prompt.messages
        ]
        print(dumps({"template": prompt.template, "messages": messages, "tokens": prompt.tokens(by)}))
        return
    for message in prompt.messages:
        print(f"--- {message.role}\n{message.content}\n")
    note(f"{prompt.template}: {prompt.tokens(by):,} tokens by {by.name}")


def lint(names: list[str]) -> int:
    """Print every finding; 1 where there is one."""
    library = Library()
    findings = 0
    for name in names or library.names():
        try:
            for finding in check(library.template(name)):
                print(finding)
                findings += 1
        except TemplateError as failure:
            print(failure)
            findings += 1
    note(f"{plural(len(names or library.names()), 'template')}, {plural(findings, 'finding')}")
    return 1 if findings else 0


def _value(template: Template, pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not equals:
        raise UsageError(f"-v {pair!r}: write it as key=value, or key=@file")
    if text == "@-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as failure:
            raise UsageError(f"-v {pair}: {failure}") from None
    spec = template.inputs.get(name)
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
