"""The command ``templates render``: the messages on standard output, what they cost on standard error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from promptops.backends.spec import backend
from promptops.cli import printing
from promptops.cli.printing import note
from promptops.client.size import PromptSize, size
from promptops.prices import dollars
from promptops.prompts.lint.prefix import CACHED_FROM, stable_prefix
from promptops.prompts.template import Prompt, Template
from promptops.report.words import plural
from promptops.store import Database, Overhead
from promptops.tokens import counter
from promptops.types import Backend, Counter, Usage

_OFTEN = 1_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What a prompt takes from one model: its size, and US dollars for the prompt and an answer of the asked length."""

    model: str
    size: PromptSize
    answer: int
    input: Decimal | None
    output: Decimal | None

    @property
    def usd(self) -> Decimal | None:
        """Both together."""
        return None if self.input is None or self.output is None else self.input + self.output


def render(template: Template, values: dict[str, Any], models: Sequence[str], store: str, *, as_json: bool) -> None:
    """Print the rendered messages; their tokens by section, the stable beginning, and the price by model."""
    prompt = template.render(**values)
    by = counter(models[0], tokenizer=None) if models else counter(tokenizer="o200k_base")
    begins = by.count(stable_prefix(template, **_steady(template, values)))
    costs = [_cost(model, prompt, store) for model in models]
    if as_json:
        printing.json(_jsonable(prompt, by, begins, costs))
        return
    for message in prompt.messages:
        print(f"--- {message.role}\n{message.content}\n")
    _table(prompt, by)
    whole = costs[0].size if costs else None
    note(f"{prompt.template}: {prompt.tokens(by):,} tokens by {by.name}{_added(whole)}")
    room = f"{CACHED_FROM - begins:,} short of" if begins < CACHED_FROM else "enough for"
    note(f"stable beginning: {begins:,} tokens, {room} the {CACHED_FROM:,} from which OpenAI caches prompts")
    for cost in costs:
        note(_priced(cost))


def sections(prompt: Prompt, by: Counter) -> Iterator[tuple[int, str, int]]:
    """Each section of the prompt: its message, its name and its own tokens."""
    for section in prompt.sections:
        text = prompt.messages[section.message].content[section.start : section.end]
        yield section.message, section.rule.name, by.count(text)


def _table(prompt: Prompt, by: Counter) -> None:
    from rich.console import Console
    from rich.table import Table

    total = max(prompt.tokens(by), 1)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("message")
    for head in ("tokens", "share"):
        table.add_column(head, justify="right")
    parts = list(sections(prompt, by))
    for number, message in enumerate(prompt.messages):
        tokens = by.count(message.content)
        table.add_row(message.role, f"{tokens:,}", f"{tokens / total:.0%}", style="cyan")
        for where, name, own in parts:
            if where == number:
                table.add_row(f"  section {name}", f"{own:,}", f"{own / total:.0%}", style="green")
    Console(stderr=True, highlight=False).print(table)


def _cost(model: str, prompt: Prompt, store: str) -> Cost:
    """With what the provider adds, as far as the store has learned it from this model's replies."""
    asked = backend(model if ":" in model or model == "extractive" else f"openai:{model}")
    database = Database(store if Path(store).exists() else None)
    found = size(prompt.messages, asked, Overhead(database, asked.identity, asked.overhead))
    database.close()
    answer = prompt.max_output_tokens(asked.counter) or 0
    return Cost(asked.name, found, answer, _usd(asked, Usage(found.total)), _usd(asked, Usage(0, 0, answer)))


def _usd(asked: Backend, usage: Usage) -> Decimal | None:
    return None if asked.price is None else asked.price.cost(usage)


def _priced(cost: Cost) -> str:
    said = f"{cost.model}: {cost.size.total:,} tokens in"
    if cost.usd is None or cost.input is None:
        return f"{said}, price unknown"
    answer = f" and at most {cost.answer:,} out" if cost.answer else ""
    return f"{said}{answer}: {dollars(cost.usd)} a call, {dollars(cost.usd * _OFTEN)} for {_OFTEN:,} calls"


def _added(whole: PromptSize | None) -> str:
    if whole is None:
        return ""
    known = f"learned from {plural(whole.replies, 'reply')}" if whole.replies else "assumed until a reply shows it"
    return f", {'exact' if whole.exact else 'estimated'}; {whole.around:,} more around the messages, {known}"


def _steady(template: Template, values: dict[str, Any]) -> dict[str, Any]:
    """The inputs that calls like this one have in common: given ones that stay, its kind, and all not given."""
    return {
        name: values.get(name, spec.default)
        for name, spec in template.inputs.items()
        if (name not in values and not spec.required) or spec.type == "boolean" or not spec.changes
    }


def _jsonable(prompt: Prompt, by: Counter, begins: int, costs: Sequence[Cost]) -> dict[str, Any]:
    return {
        "template": prompt.template,
        "messages": [
            {"role": message.role, "content": message.content, "tokens": by.count(message.content)}
            for message in prompt.messages
        ],
        "sections": [
            {"message": message, "name": name, "tokens": tokens} for message, name, tokens in sections(prompt, by)
        ],
        "tokens": prompt.tokens(by),
        "exact": by.exact,
        "stable_prefix": begins,
        "models": [
            {
                "model": cost.model,
                "input_tokens": cost.size.total,
                "around": cost.size.around,
                "learned_from": cost.size.replies,
                "output_tokens": cost.answer,
                "usd": None if cost.usd is None else float(cost.usd),
            }
            for cost in costs
        ],
    }
