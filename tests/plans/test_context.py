"""What a part is told of what stands around it: the headings above it, and the edges of its neighbours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import promptops as po
from promptops import chains
from promptops.api import job
from promptops.backends.scripted import Scripted
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.drivers.estimate import estimate
from promptops.drivers.run import run
from promptops.errors import ChainError
from promptops.tokens import counter
from promptops.types import Reply, Source, Usage

COUNTER = counter(tokenizer="o200k_base")
TEXT = "# The river\n\n" + "".join(
    f"## {day}일째\n\nOn day {day} it rose by {day * 3} mm. 그날 목초지 {day}곳이 물에 잠겼다.\n\n"
    for day in range(1, 13)
)


def chain(folder: Path, context: str, template: str = "summarize/map") -> str:
    """A chain whose map is told so much."""
    steps = f"map: {{template: {template}, context: [{context}]}}, reduce: {{template: summarize/reduce}}"
    (folder / "c.yaml").write_text(f"name: c\nplan: map_reduce\nsteps: {{{steps}}}\n", encoding="utf-8")
    return str(folder / "c.yaml")


def parts(path: str, **options: int) -> list[str]:
    """What a model is given of each part."""
    backend = Scripted(answer=lambda call: "It rose.", counter=COUNTER)
    po.run(path, [Source("a.md", text=TEXT)], po.connect(backend), words=20, **options)
    return [call.messages[-1].content for call in backend.calls if call.tags.step == "map"]


def test_a_part_knows_the_headings_it_stands_under(tmp_path: Path) -> None:
    """The outermost first."""
    told = parts(chain(tmp_path, "headings"), chunk_tokens=60)
    assert 'section="The river' in told[0]
    assert len(told) > 3
    assert all('section="The river / ' in part for part in told[1:])
    assert not any("<before>" in part for part in told)


def test_a_part_knows_the_sentences_before_and_after_it(tmp_path: Path) -> None:
    """Which are fenced, and said to be no part of the task."""
    told = parts(chain(tmp_path, "neighbours"), chunk_tokens=60)
    assert "<before>" not in told[0]
    assert "<after>" not in told[-1]
    edges = [part.split("<before>\n")[1].split("\n</before>")[0] for part in told[1:]]
    edges += [part.split("<after>\n")[1].split("\n</after>")[0] for part in told[:-1]]
    assert all(edge in TEXT and edge == edge.strip() for edge in edges)
    assert any(edge.startswith("그날 목초지") for edge in edges)
    assert all("it is no part of the task" in part for part in told)


def test_a_chain_that_does_not_ask_for_it_is_told_nothing(tmp_path: Path) -> None:
    """An edit then costs the part that it is in."""
    told = parts(chain(tmp_path, ""), chunk_tokens=60)
    assert not any("<before>" in part or "section=" in part for part in told)


def test_a_template_that_cannot_be_told_is_refused(tmp_path: Path) -> None:
    """With file and line."""
    with pytest.raises(ChainError, match=r"c.yaml:3: steps.map.context: keywords/map has no input 'section'"):
        chains.load(chain(tmp_path, "headings", "keywords/map"))


@given(
    words=st.integers(5, 60),
    chunk=st.integers(16, 300),
    window=st.integers(2_500, 6_000),
    length=st.integers(1, 900),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_what_parts_are_told_stays_within_the_bound(
    tmp_path: Path, words: int, chunk: int, window: int, length: int
) -> None:
    """And within the window."""
    path = chain(tmp_path, "headings, neighbours")
    backend = Scripted(
        answer=lambda call: Reply("flood " * length, Usage(1, 0, length)), counter=COUNTER, window=window
    )
    asked = {"words": words, "chunk_tokens": chunk}
    planned = job(path, [Source("a.md", text=TEXT)], backend, asked)
    bound = asyncio.run(estimate(planned)).most
    asyncio.run(run(planned, Client(backend, patience=Patience(attempts=1))))
    taken = [sum(COUNTER.count(message.content) for message in call.messages) for call in backend.calls]
    assert len(taken) <= bound.calls
    assert sum(taken) <= bound.input_tokens
    assert all(size + call.max_output_tokens <= window for size, call in zip(taken, backend.calls, strict=True))
