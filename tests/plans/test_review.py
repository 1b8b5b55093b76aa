"""Answers are checked and revised, within the estimate's bound; where that goes wrong the answer stays."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import promptops as po
from promptops.api import job
from promptops.backends.scripted import Scripted
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.drivers.estimate import estimate
from promptops.drivers.run import run
from promptops.errors import BudgetError, RefusedError, TransientError, UsageError
from promptops.tokens import counter
from promptops.types import Call, Reply, Source, Usage

COUNTER = counter(tokenizer="o200k_base")
TEXT = "The council met on 3 May. It voted 7 to 2 for the bridge. 시의회는 다리 건설안을 가결했다. "
PROBLEM = {"statement": "in June", "kind": "contradicted", "source": "on 3 May", "correction": "It met on 3 May."}


def answering(problems: list[Any], **others: Any) -> Scripted:
    """A first answer, a check that finds these problems, and a new answer."""
    said = {"check": json.dumps({"problems": problems}), "revise": "It met on 3 May.", **others}
    return Scripted(answer=lambda call: said.get(call.tags.step, "It met in June."), counter=COUNTER)


@pytest.mark.parametrize("text", [TEXT, "시의회는 5월 3일에 열렸다."])
def test_an_answer_with_problems_is_revised(text: str) -> None:
    """The check sees the document and the answer, the revision the answer and the problems; the tree has all three."""
    backend = answering([PROBLEM])
    document = po.run("checked", [Source("a", text=text)], po.connect(backend)).documents[0]
    assert (document.status, document.text, document.problems) == ("ok", "It met on 3 May.", (PROBLEM,))
    assert document.notes == ("the check found 1 problem", "revised")
    _, check, revise = backend.calls
    assert text.strip() in check.messages[-1].content
    assert "It met in June." in check.messages[-1].content
    assert '"correction": "It met on 3 May."' in revise.messages[-1].content
    (root,) = document.tree
    assert (root.step, [child.step for child in root.children]) == ("revise", ["map", "check"])
    assert document.usage.calls == 3


def test_an_answer_without_problems_stays_and_says_that_it_was_checked() -> None:
    """Nothing is revised."""
    backend = answering([])
    document = po.run("checked", [Source("a", text=TEXT)], po.connect(backend)).documents[0]
    assert (document.text, document.problems, document.notes) == ("It met in June.", (), ())
    assert [call.tags.step for call in backend.calls] == ["map", "check"]
    assert [node.step for node in document.tree] == ["map", "check"]
    assert po.run("summarize", [Source("a", text=TEXT)], po.connect(answering([]))).documents[0].problems is None


@pytest.mark.parametrize(
    ("others", "note"),
    [
        ({"check": RefusedError("the filter refused it")}, "not checked: the filter refused it"),
        ({"check": "no json"}, "not checked: the answer to critique/check@1 cannot be used"),
        ({"revise": RefusedError("the filter refused it")}, "not revised: the filter refused it"),
        ({"revise": Reply("One. It is cu", finish="length")}, "not revised: the new answer was cut"),
    ],
)
def test_where_the_review_goes_wrong_the_answer_stays(others: dict[str, Any], note: str) -> None:
    """It is paid for, and the notes say what is the matter."""
    backend = answering([PROBLEM], **others)
    document = po.run("checked", [Source("a", text=TEXT)], po.connect(backend)).documents[0]
    assert (document.status, document.text) == ("ok", "It met in June.")
    assert document.notes[-1].startswith(note)


def test_a_plan_has_a_row_for_every_step() -> None:
    """Though the bound, which halves every part, has the check and the revision a level higher."""
    plan = po.plan("checked", [Source("a", text=TEXT * 20)], answering([]))
    assert {level.step for level in plan.levels if level.expected.calls} == {"map", "check", "revise"}
    for whole, part in (("expected", plan.expected), ("most", plan.most)):
        assert sum(getattr(level, whole).calls for level in plan.levels) == part.calls


def test_a_cap_in_the_review_stops_the_document() -> None:
    """As everywhere: the same command goes on."""
    backend = answering([PROBLEM], check=BudgetError("the cap is reached"))
    document = po.run("checked", [Source("a", text=TEXT)], po.connect(backend)).documents[0]
    assert (document.status, document.stopped) == ("failed", "budget")


def test_a_long_document_is_checked_against_its_partial_answers() -> None:
    """As much of each as the room holds."""
    backend = answering([])
    text = "".join(f"{number}. {TEXT}" for number in range(200))
    asked = {"chunk_tokens": 800, "reduce_tokens": 600}
    po.run("checked", [Source("a", text=text)], po.connect(backend), **asked)
    check = next(call for call in backend.calls if call.tags.step == "check")
    assert check.messages[-1].content.count("It met in June.") > 5
    assert TEXT not in check.messages[-1].content


def test_steps_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    """A revision without a check, and a check whose template lists no problems."""
    steps = "map: {template: summarize/map}, reduce: {template: summarize/reduce}, corpus: {template: summarize/corpus}"
    for more, said in (
        ("revise: {template: critique/revise}", "c.yaml:3: steps.revise: it needs the step 'check'"),
        ("check: {template: rewrite/shorter}", "needs a template with a JSON schema that has a list 'problems'"),
        (
            "check: {template: critique/check}, revise: {template: own}",
            "own.j2: step 'revise' must give no JSON, as step 'map' does, whose answers it replaces",
        ),
    ):
        (tmp_path / "own.j2").write_text(
            "---\nname: own\nversion: 1\ninputs:\n  answer: {type: string, document: true}\n"
            "output: {format: json, schema: {type: object}}\n---\n{{ answer | fence }}"
        )
        (tmp_path / "c.yaml").write_text(f"name: c\nplan: map_reduce\nsteps: {{{steps}, {more}}}\n")
        with pytest.raises(UsageError, match=said):
            po.run(str(tmp_path / "c.yaml"), [Source("a", text=TEXT)], po.connect(Scripted(["never"])))


WAYS = st.sampled_from(["short", "json", "many", "flood", "cut", "blank", "fail", "refuse"])


@given(ways=st.lists(WAYS, min_size=1, max_size=7), window=st.integers(4_000, 9_000), size=st.integers(1, 60))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_reviewed_run_ends_within_the_estimates_bound(ways: list[str], window: int, size: int) -> None:
    """Calls and input stay below ``most``, and every prompt fits the window, whatever is answered."""
    told = iter(range(10**9))

    def answer(call: Call) -> Reply | Exception:
        way = ways[next(told) % len(ways)]
        if way in {"fail", "refuse"}:
            return TransientError("it broke") if way == "fail" else RefusedError("refused")
        many = json.dumps({"problems": [PROBLEM] * 10})
        text = {"short": "강 x.", "json": json.dumps({"problems": [PROBLEM]}), "many": many, "blank": " "}
        said = text.get(way, "flood " * 3_000)
        return Reply(said, Usage(1, 0, 1), "length" if way == "cut" else "stop")

    backend = Scripted(answer=answer, counter=COUNTER, window=window)
    sources = [Source("a", text="".join(f"{number}. {TEXT}" for number in range(size)))]
    planned = job("checked", sources, backend, {"chunk_tokens": 300, "words": 40})
    most = asyncio.run(estimate(planned)).most
    asyncio.run(run(planned, Client(backend, patience=Patience(attempts=1))))
    assert len(backend.calls) <= most.calls
    given_ = 0
    for call in backend.calls:
        prompt = sum(COUNTER.count(one.content) for one in call.messages)
        given_ += prompt
        assert prompt + call.max_output_tokens <= window
    assert given_ <= most.input_tokens


def test_a_revision_keeps_the_marks_of_what_it_rests_on() -> None:
    """The check sees the answer without them, and each sentence of the new answer leads to its place."""
    said = {"check": json.dumps({"problems": [PROBLEM]}), "revise": "It met on 3 May. [1] It voted 7 to 2. [2]"}
    backend = Scripted(answer=lambda call: said.get(call.tags.step, "It met in June. [1]"), counter=COUNTER)
    document = po.run("checked", [Source("a", text=TEXT)], po.connect(backend), cite=True).documents[0]
    assert "It met in June.\n</answer>" in backend.calls[1].messages[-1].content
    assert "It met in June. [1]" in backend.calls[2].messages[-1].content
    first = document.citations[0]
    assert document.text[first.start : first.end].startswith("It met on 3 May.")
    assert first.places[0].text.startswith("The council met on 3 May.")
