"""A plan in Python that stock plans nest in: what holds of them holds of it."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import promptops as po
from promptops.api import job
from promptops.backends.scripted import Scripted
from promptops.client import Client
from promptops.drivers.estimate import estimate
from promptops.drivers.run import run
from promptops.errors import NotFoundError
from promptops.tokens import counter
from promptops.types import Call, Source

COUNTER = counter(tokenizer="o200k_base")
PROSE = "The council met on 3 May and voted 7 to 2 for the bridge. 다리에는 4억 원이 든다. "
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "own_plan.py"


def briefing() -> Any:
    """The chain of the example."""
    spec = importlib.util.spec_from_file_location("own_plan", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.BRIEFING


def texts(*sizes: int) -> list[Source]:
    """Documents whose parts all differ."""
    return [
        Source(f"{number}.md", text="".join(f"{number}.{part} {PROSE}" for part in range(size)))
        for number, size in enumerate(sizes)
    ]


def test_its_steps_go_by_their_own_names(tmp_path: Path) -> None:
    """In the ledger, in the estimate and in the tree; a model of its own for one is asked for that one."""
    other = Scripted(answer=lambda call: "other.", name="other", counter=COUNTER)
    backend = Scripted(answer=lambda call: f"{call.tags.step}.", counter=COUNTER)
    with po.connect(backend, store=tmp_path / "store.db") as client:
        result = po.run(briefing(), texts(6, 1), client, chunk_tokens=100, models={"costs": other})
        assert {row.key for row in client.ledger.rows("step")} == {"decided", "costs", "reduce", "headline"}
        again = po.run(briefing(), texts(6, 1), client, chunk_tokens=100, models={"costs": other})
    assert result.documents[1].text == "headline.\n\ndecided.\n\nother."
    assert [node.step for node in result.documents[1].tree] == ["decided", "costs"]
    assert {call.tags.step for call in other.calls} == {"costs"}
    assert result.usage.calls == len(backend.calls) + len(other.calls)
    assert (again.text, again.usage.calls) == (result.text, 0)
    assert result.usage == po.Totals.sum(document.usage for document in result.documents)
    levels = po.plan(briefing(), texts(6, 1), backend, chunk_tokens=100).levels
    assert {level.step for level in levels} == {"decided", "costs", "reduce", "headline"}


@given(said=st.lists(st.sampled_from(["x.", "", "flood " * 900, "강은 불었다. "]), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_it_ends_within_its_estimates_bound(said: list[str]) -> None:
    """Since the plans that nest in it do."""
    told = iter(range(10**9))
    backend = Scripted(answer=lambda call: said[next(told) % len(said)], counter=COUNTER, window=4_000)
    planned = job(briefing(), texts(9, 2), backend, {"chunk_tokens": 60, "reduce_tokens": 400})
    most = asyncio.run(estimate(planned)).most
    usage = asyncio.run(run(planned, Client(backend))).usage
    assert len(backend.calls) <= most.calls
    assert (usage.input_tokens <= most.input_tokens, usage.output_tokens <= most.output_tokens) == (True, True)


def test_its_estimate_is_what_a_run_takes() -> None:
    """Where replies are as asked for."""

    def answer(call: Call) -> str:
        return " ".join(["x", *(["."] * ((call.expected_output_tokens or 0) - 2)), "x"])

    backend = Scripted(answer=answer, counter=COUNTER)
    expected = po.plan(briefing(), texts(3), backend).expected
    usage = po.run(briefing(), texts(3), po.connect(backend)).usage
    assert usage.calls == 3
    assert (usage.calls, usage.input_tokens, usage.output_tokens) == (
        expected.calls,
        expected.input_tokens,
        expected.output_tokens,
    )


@pytest.mark.parametrize("asked", [{"glossary": "x"}, {"corpus": True}])
def test_its_settings_are_those_that_it_names(asked: dict[str, Any]) -> None:
    """And those that its templates take beside what the chain gives them."""
    with pytest.raises(NotFoundError, match="no setting is named"):
        po.run(briefing(), texts(1), "extractive", **asked)
