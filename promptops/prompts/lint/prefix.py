"""The stable beginning of a prompt: what a provider's prompt cache could hold, and what keeps it from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promptops.errors import TemplateError
from promptops.prompts.front_matter import Input
from promptops.prompts.lint.body import Body
from promptops.prompts.lint.finding import Finding
from promptops.prompts.template import Prompt, Template
from promptops.tokens import counter
from promptops.types import Price, Usage

CACHED_FROM = 1_024
"""Tokens that a beginning must have for OpenAI to cache it."""

_WORTH_SAYING = 24
"""Tokens of stable text after the first that varies below which it is no matter."""
_MANY = 10**6


def stable_prefix(template: Template, **inputs: object) -> str:
    """The text, message after message, with which every prompt of ``template`` begins that differs from call to call.

    ``inputs`` are those that do not; samples stand in for the rest. Raises ``TemplateError`` where rendering fails.
    """
    one, other = (_text(template.render(**{**sample(template, variant), **inputs})) for variant in (1, 2))
    same = next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), None)
    return one[: min(len(one), len(other)) if same is None else same]


def prefix(template: Template, body: Body, model: str, price: Price | None, *, often: bool) -> Iterator[Finding]:
    """Stable text that no cache can hold, and a beginning that is too short for one."""
    count = counter(model).count
    try:
        begins = [stable_prefix(template, **kind) for kind in _kinds(template)]
        after = [
            _text(template.render(**{**sample(template, 0), **kind}))[len(same) :]
            for kind, same in zip(_kinds(template), begins, strict=True)
        ]
    except TemplateError:
        return
    wasted, held = max(map(count, after)), min(map(count, begins))
    place = body.varying
    if place is not None and wasted >= _WORTH_SAYING:
        yield Finding(
            "volatile-early",
            place.path,
            place.line,
            f"{place.text!r} differs from call to call, and about {wasted} tokens that stay the same stand after it, "
            "where no prompt cache can hold them; move it behind them",
        )
    if often and held < CACHED_FROM:
        yield Finding("short-prefix", str(template.path), 1, _break_even(held, price), hint=True)


def _break_even(held: int, price: Price | None) -> str:
    """What the cache would save, and whether text added to reach it would pay for itself."""
    said = f"every call begins with the same {held} tokens; a provider's prompt cache begins at {CACHED_FROM:,}"
    share = _cached_share(price)
    if share is None:
        return f"{said}, so none of it is ever read at the cached price"
    least = int(CACHED_FROM * share) + 1
    filled = f"{CACHED_FROM:,} cached tokens cost as much as {least - 1} fresh ones"
    if held >= least:
        return f"{said}. {filled}: {CACHED_FROM - held:,} tokens more, of examples for instance, make each call cheaper"
    return f"{said}. {filled}, more than these {held}: leave it short"


def _cached_share(price: Price | None) -> float | None:
    """What cached input costs, as a share of fresh input; ``None`` where that is not known to be less."""
    if price is None:
        return None
    fresh, cached = price.cost(Usage(_MANY)), price.cost(Usage(_MANY, _MANY))
    return float(cached / fresh) if 0 < cached < fresh else None


def _text(prompt: Prompt) -> str:
    return "\n".join(f"{message.role}\n{message.content}" for message in prompt.messages)


def sample(template: Template, variant: int) -> dict[str, Any]:
    """Inputs to render with; those that differ from call to call are other ones, or as little as can be for 0.

    Booleans keep their default: one makes two kinds of prompt, and each kind has a beginning of its own.
    """
    return {
        name: _value(spec, variant) if spec.changes or spec.required else spec.default
        for name, spec in template.inputs.items()
    }


def samples(template: Template) -> dict[str, dict[str, Any]]:
    """Those of the template, by name, or else one made up for each kind of prompt that it has."""
    if template.head.samples:
        return dict(template.head.samples)
    plain, (_, *others) = sample(template, 1), _kinds(template)
    return {"sample": plain, **{f"sample, {', '.join(kind)}": {**plain, **kind} for kind in others}}


def _kinds(template: Template) -> list[dict[str, Any]]:
    """What tells the kinds of prompts of a template apart: nothing, and each boolean that varies, turned round."""
    varying = [name for name, spec in template.inputs.items() if spec.type == "boolean" and spec.changes]
    return [{}, *({name: not template.inputs[name].default} for name in varying)]


def _value(spec: Input, variant: int) -> Any:
    words = ("", "One sample.", "Another sample.")[variant if spec.changes else 1]
    match spec.type:
        case "string":
            return words
        case "list":
            return [words]
        case "boolean":
            return bool(spec.default)
        case "integer":
            return variant + 1
        case _:
            return variant + 0.5
