"""Assertions about tokens, calls and money; each failure is one line that says by how much."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from promptops import api
from promptops.amounts import usd
from promptops.prices import dollars
from promptops.tokens import counter
from promptops.types import Counter, Message

if TYPE_CHECKING:
    from promptops.drivers.estimate import Estimate
    from promptops.prompts.template import Prompt
    from promptops.types import Backend

MODEL = "gpt-5-mini"


def token_count(text: str, model: str | Counter = MODEL) -> int:
    """Tokens of ``text`` by the tokenizer of ``model``; raises ``TokenizerError`` where none is known."""
    return _counter(model).count(text)


def size(prompt: str | Prompt | Iterable[Message], model: str | Counter = MODEL) -> int:
    """Tokens of a text, or of all contents of a prompt or of messages."""
    by = _counter(model)
    if isinstance(prompt, str):
        return by.count(prompt)
    messages = prompt if isinstance(prompt, Iterable) else prompt.messages
    return sum(by.count(message.content) for message in messages)


def assert_tokens(prompt: str | Prompt | Iterable[Message], max: int, model: str | Counter = MODEL) -> int:
    """Fail where ``prompt`` takes more than ``max`` tokens; returns how many it takes."""
    __tracebackhide__ = True
    tokens = size(prompt, model)
    if tokens > max:
        name = getattr(prompt, "template", "the prompt")
        pytest.fail(f"{name} takes {tokens:,} tokens by {_counter(model).name}, {tokens - max:,} over {max:,}")
    return tokens


def assert_plan(
    chain: str,
    paths: Any,
    model: str | Backend = f"openai:{MODEL}",
    *,
    max_calls: int | None = None,
    max_tokens: int | None = None,
    max_usd: float | str | Decimal | None = None,
    **settings: Any,
) -> Estimate:
    """Fail where running ``chain`` over ``paths`` is expected to take more; returns the estimate.

    A cap in US dollars fails where no price is known. Raises what ``po.plan`` raises.
    """
    __tracebackhide__ = True
    estimate = api.plan(chain, paths, model, **settings)
    expected = estimate.expected
    if max_calls is not None and expected.calls > max_calls:
        _over(estimate, f"{expected.calls:,} calls", f"{max_calls:,}")
    if max_tokens is not None and expected.tokens > max_tokens:
        _over(estimate, f"{expected.tokens:,} tokens", f"{max_tokens:,}")
    cap = usd(max_usd)
    if cap is not None and (expected.usd is None or expected.usd > cap):
        _over(estimate, dollars(expected.usd), dollars(cap))
    return estimate


def _over(estimate: Estimate, what: str, cap: str) -> None:
    __tracebackhide__ = True
    dearest = max(estimate.levels, key=lambda level: level.expected.tokens, default=None)
    where = f"; most of it in {dearest.step}, level {dearest.level}" if dearest else ""
    pytest.fail(f"{estimate.chain} over {estimate.documents:,} documents is expected to take {what}, over {cap}{where}")


def _counter(model: str | Counter) -> Counter:
    if not isinstance(model, str):
        return model
    return counter(model.partition(":")[2] or model)
