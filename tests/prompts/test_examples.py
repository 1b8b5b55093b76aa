"""Few-shot examples: read strictly, picked the same way each time, within a budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.errors import NotFoundError, UsageError
from promptops.prompts.examples import Examples
from promptops.tokens import counter

LINES = [
    {"input": "The ferry crosses the river at noon.", "output": "travel"},
    {"input": "회의는 5월 3일에 시의회에서 열렸다.", "output": "politics"},
    {"input": "Bake the bread for forty minutes.", "output": "food"},
    {"input": "시의회가 다리 건설안을 가결했다.", "output": "politics"},
    {"input": "A ferry sank in the harbour.", "output": "news"},
]


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    path = tmp_path / "examples.jsonl"
    path.write_text("\ufeff" + "\n\n".join(json.dumps(line, ensure_ascii=False) for line in LINES), encoding="utf-8")
    return Examples.load(path)


def test_fixed_takes_the_first(examples: Examples) -> None:
    """In the order of the file."""
    assert examples.pick(2) == LINES[:2]
    assert examples.pick() == LINES


def test_random_is_the_same_for_the_same_seed(examples: Examples) -> None:
    """And another for another."""
    picks = {json.dumps(examples.pick(2, how="random", seed=seed)) for seed in range(20)}
    assert examples.pick(2, how="random", seed=3) == examples.pick(2, how="random", seed=3)
    assert len(picks) > 5


@pytest.mark.parametrize(
    ("to", "nearest"),
    [("When does the ferry leave?", {0, 4}), ("시의회는 무엇을 가결했나", {1, 3}), ("how long do I bake bread", {2})],
)
def test_nearest_are_those_most_like_the_input_and_the_nearest_comes_last(
    examples: Examples, to: str, nearest: set[int]
) -> None:
    """Without any model, in any script."""
    picked = [LINES.index(dict(example)) for example in examples.pick(len(nearest), how="nearest", to=to)]
    assert set(picked) == nearest
    assert LINES[picked[-1]] == examples.pick(1, how="nearest", to=to)[0]


def test_nearest_by_vectors_of_yours(examples: Examples) -> None:
    """From an embedding model, for instance."""

    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[float("bread" in text), float("ferry" in text), 0.1] for text in texts]

    assert examples.pick(1, how="nearest", to="bread", embed=embed) == [LINES[2]]


@given(budget=st.integers(0, 200), most=st.integers(0, 6))
def test_what_is_picked_stays_within_the_budget(budget: int, most: int) -> None:
    """And nothing that would still have fitted is left out."""
    by = counter("gpt-5-mini")
    found = Examples(tuple(LINES)).pick(most, tokens=budget, model=by)
    sizes = [by.count(f"{line['input']}\n{line['output']}") + 16 for line in LINES]
    used = sum(size for size, line in zip(sizes, LINES, strict=True) if line in found)
    assert used <= budget
    assert len(found) <= most
    if len(found) < most:
        assert all(used + size > budget for size, line in zip(sizes, LINES, strict=True) if line not in found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"input": "a", "output": "b"}\n{', r"e\.jsonl:2: not valid JSON"),
        ('\n["a"]', r'e\.jsonl:2: an example is an object with "input" and "output"'),
        ('{"input": "a"}', r"e\.jsonl:1: an example is an object"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    """File, line and mend."""
    path = tmp_path / "e.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        Examples.load(path)


def test_what_cannot_be_is_said(examples: Examples, tmp_path: Path) -> None:
    """A missing file, another way of picking, and nearest to nothing."""
    with pytest.raises(NotFoundError, match=r"none\.jsonl' is not there"):
        Examples.load(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="not 'best'"):
        examples.pick(how="best")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nearest to a text"):
        examples.pick(how="nearest")
