"""Steps with a model of their own: each call goes to its step's model, and all share one store and one budget."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import promptops as po
from promptops.backends.scripted import Scripted
from promptops.errors import BudgetError, NotFoundError
from promptops.testing import FakeOpenAI
from promptops.tokens import counter
from promptops.types import Call, Source

TEXT = " ".join(
    f"At {hour} the river stood {hour * 7} mm higher and one more meadow was under water." for hour in range(60)
)
STEPS = "map: {template: summarize/map}, reduce: {template: summarize/reduce}, corpus: {template: summarize/corpus}"


def asked() -> tuple[Scripted, list[str]]:
    """A backend, and the steps that it was asked for."""
    steps: list[str] = []

    def answer(call: Call) -> str:
        steps.append(call.tags.step)
        return "The river rose."

    return Scripted(answer=answer), steps


def test_each_step_asks_its_own_model() -> None:
    """And the ledger knows which."""
    (strong, few), (small, many) = asked(), asked()
    small.name = small.identity = "small"
    client = po.connect(strong)
    settings = {"words": 20, "chunk_tokens": 200}
    result = po.run("summarize", [Source("a", text=TEXT)], client, models={"map": small}, **settings)
    assert result.status == "ok", result.reason
    assert set(many) == {"map"}
    assert few == ["reduce"]
    assert {row.key: row.totals.calls for row in client.ledger.rows("model")} == {"small": len(many), strong.name: 1}
    assert result.usage.calls == len(many) + 1


def test_a_chain_file_names_the_models_of_its_steps(tmp_path: Path, openai_environment: FakeOpenAI) -> None:
    """Of the run's own server, where it has one."""
    (tmp_path / "c.yaml").write_text(
        f"name: c\nplan: map_reduce\nsteps: {{{STEPS.replace('e/map', 'e/map, model: openai:gpt-4o-mini')}}}\n"
    )
    result = po.run(str(tmp_path / "c.yaml"), [Source("a", text=TEXT)], "openai:gpt-4o", words=40, chunk_tokens=200)
    assert result.status == "ok", result.reason
    models = [request.body["model"] for request in openai_environment.requests]
    assert models.count("gpt-4o") == 1
    assert models.count("gpt-4o-mini") == len(models) - 1 >= 2


def test_an_estimate_prices_each_step_by_its_model() -> None:
    """A small model for the map is what makes it cheap."""
    sources = [Source("a", text=TEXT)]
    strong = po.plan("summarize", sources, "openai:gpt-4o", chunk_tokens=400)
    mixed = po.plan("summarize", sources, "openai:gpt-4o", models={"map": "openai:gpt-4o-mini"}, chunk_tokens=400)
    assert mixed.expected.calls == strong.expected.calls
    assert None not in (mixed.expected.usd, strong.expected.usd)
    assert mixed.expected.usd < strong.expected.usd / 2  # type: ignore[operator]
    by_step = {level.step: level.expected.usd for level in mixed.levels if level.expected.calls}
    assert by_step["reduce"] == {level.step: level.expected.usd for level in strong.levels}["reduce"]


def test_all_models_of_a_run_share_its_budget(openai_environment: FakeOpenAI) -> None:
    """What the small one spent, the strong one cannot."""
    sources = [Source("a", text=TEXT)]
    cap = po.plan("summarize", sources, "openai:gpt-4o", models={"map": "openai:gpt-4o-mini"}, chunk_tokens=400)
    maps = next(level.expected.usd for level in cap.levels if level.step == "map")
    assert maps is not None
    client = po.connect("openai:gpt-4o", max_usd=maps * Decimal("1.2"), concurrency=1)
    result = po.run("summarize", sources, client, models={"map": "openai:gpt-4o-mini"}, chunk_tokens=400)
    assert result.status == "incomplete"
    assert result.stopped == {BudgetError.code}
    assert result.usage.usd is not None
    assert result.usage.usd <= maps * Decimal("1.2")
    assert openai_environment.requests


def test_a_text_is_cut_by_the_counter_that_will_read_it() -> None:
    """And a reply fits the step that reads it, though that counts otherwise."""
    byte, whole = Scripted(answer=lambda call: "강은 밤새 불어났다. " * 40), Scripted(answer=lambda call: "x.")
    byte.counter, byte.name, byte.identity = counter(tokenizer="gpt2"), "byte", "byte"
    korean = "강은 밤새 불어났고 아침 여섯 시에는 아래 목초지가 물에 잠겼다. " * 80
    found = po.run("summarize", [Source("a", text=korean)], po.connect(whole), models={"map": byte}, chunk_tokens=400)
    sizes = [byte.counter.count(korean[span.start : span.end]) for span in found.documents[0].coverage]
    assert max(sizes) <= 400
    assert found.documents[0].text == "x."


def test_an_unknown_step_is_named() -> None:
    """Before anything is sent."""
    with pytest.raises(NotFoundError, match="chain summarize has no step 'mapp' \\(steps: map, reduce, corpus\\)"):
        po.run("summarize", [Source("a", text=TEXT)], models={"mapp": "extractive"})


def test_the_tree_says_how_each_span_reached_the_answer() -> None:
    """From the chunks to the root, with what each question took."""
    backend, _ = asked()
    result = po.run("summarize", [Source("a", text=TEXT)], po.connect(backend), words=20, chunk_tokens=200)
    found = result.documents[0]
    (root,) = found.tree
    assert (root.step, root.start, root.end, root.text) == ("reduce", 0, len(TEXT), found.text)
    assert [(leaf.start, leaf.end) for leaf in root.children] == [(span.start, span.end) for span in found.coverage]
    taken = sum(node.usage.input_tokens for node in (root, *root.children))
    assert taken == result.usage.input_tokens
