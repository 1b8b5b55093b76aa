"""The commands of the prompt library: list, show, render, lint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptops.backends.spec import backend
from promptops.cli import printing
from promptops.cli.printing import note
from promptops.client.size import PromptSize, size
from promptops.errors import TemplateError, UsageError
from promptops.prompts import Library
from promptops.prompts.files import SUFFIX, read
from promptops.prompts.lint import lint as check
from promptops.prompts.template import Template
from promptops.report.words import plural
from promptops.store import Database, Overhead
from promptops.tokens import counter
from promptops.types import Message


def show_all(*, as_json: bool) -> None:
    """Print every template's name, version and purpose."""
    library = Library()
    found = [library.template(name).head for name in library.names()]
    if as_json:
        printing.json([{"name": head.name, "version": head.version, "description": head.description} for head in found])
    else:
        printing.table(None, [(f"{head.name}@{head.version}", head.description) for head in found], right=0)


def show(name: str) -> None:
    """Print a template's source, valid or not."""
    print(read(Library().path(name)), end="")


def render(name: str, values: list[str], model: str | None, store: str, *, as_json: bool) -> None:
    """Print the rendered messages and their tokens; with a model also what its provider adds around them."""
    template = _library(name).template(name)
    prompt = template.render(**dict(_value(template, pair) for pair in values))
    by = counter(model, tokenizer=None if model else "o200k_base")
    whole = _size(model, prompt.messages, store) if model else None
    if as_json:
        messages = [
            {"role": message.role, "content": message.content, "tokens": by.count(message.content)}
            for message in prompt.messages
        ]
        found = {"template": prompt.template, "messages": messages, "tokens": prompt.tokens(by), "exact": by.exact}
        added = {"around": whole.around, "learned_from": whole.replies} if whole else {}
        printing.json({**found, **added})
        return
    for message in prompt.messages:
        print(f"--- {message.role}\n{message.content}\n")
    note(f"{prompt.template}: {prompt.tokens(by):,} tokens by {by.name}{_added(whole)}")


def _size(model: str, messages: Sequence[Message], store: str) -> PromptSize:
    """The prompt's size, with what the provider adds as far as the store has learned it from this model's replies."""
    asked = backend(model if ":" in model else f"openai:{model}")
    database = Database(store if Path(store).exists() else None)
    return size(messages, asked, Overhead(database, asked.identity, asked.overhead))


def _added(whole: PromptSize | None) -> str:
    if whole is None:
        return ""
    known = f"learned from {plural(whole.replies, 'reply')}" if whole.replies else "assumed until a reply shows it"
    return f", {'exact' if whole.exact else 'estimated'}; {whole.around:,} more around the messages, {known}"


def lint(names: list[str]) -> int:
    """Print every finding; 1 where there is one."""
    checked = names or Library().names()
    findings = 0
    for name in checked:
        library = _library(name)
        try:
            for finding in check(library.template(name), library):
                print(finding)
                findings += 1
        except TemplateError as failure:
            print(failure)
            findings += 1
    note(f"{plural(len(checked), 'template')}, {plural(findings, 'finding')}")
    return 1 if findings else 0


def _library(name: str) -> Library:
    """The library for ``name``; a file finds what it includes in its own folder too."""
    return Library([Path(name).parent] if name.endswith(SUFFIX) else ())


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
