"""A part that cannot be answered is tried in two halves, and what is not covered is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import promptops as po
from promptops.api import job
from promptops.backends.scripted import Scripted
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.drivers.estimate import estimate
from promptops.errors import BudgetError, PromptopsError, RefusedError, RejectedError, TransientError
from promptops.plans.halves import Part, halved
from promptops.store import Database
from promptops.tokens import counter
from promptops.types import Call, Reply, Source

COUNTER = counter(tokenizer="o200k_base")
TEXT = "".join(f"On day {day} the river rose and 양을 옮긴 사람은 없었다. " for day in range(120))
FORBIDDEN = "On day 70 "


def filtering(error: Callable[[], Exception]) -> Scripted:
    """Fails on every map call that holds the forbidden sentence."""

    def answer(call: Call) -> str | Exception:
        held = call.tags.step == "map" and FORBIDDEN in call.messages[-1].content
        return error() if held else "a part."

    return Scripted(answer=answer)


def lost(document: po.Result) -> list[tuple[int, int]]:
    """The lengths of the spans, and their texts' place, that have no answer."""
    return [(span.start, span.end) for span in document.documents[0].coverage if span.status in ("failed", "refused")]


@pytest.mark.parametrize("chain", ["summarize", "refine"])
def test_run_again_what_halves_have_answered_costs_nothing(chain: str, tmp_path: Path) -> None:
    """The askings about the whole led to their answers; where one half has none, that half alone is asked about."""

    def answer(call: Call) -> Reply:
        return Reply("" if FORBIDDEN in call.messages[-1].content and (broken or call.take < 2) else "a part.")

    for broken in (False, True):
        backend, source = Scripted(answer=answer, counter=COUNTER), Source("a", text=f"{broken} {TEXT}")
        with po.connect(backend, store=str(tmp_path / f"{broken}.db")) as client:
            first = po.run(chain, [source], client)
            assert (first.status, len(first.documents[0].coverage)) == ("incomplete" if broken else "ok", 2)
            assert po.run(chain, [source], client).usage.calls == int(broken)


@pytest.mark.parametrize(
    "error", [lambda: RefusedError("the filter refused it"), lambda: RejectedError("prompt too long")]
)
def test_a_refused_part_is_tried_in_halves_and_only_one_half_is_lost(error: Callable[[], Exception]) -> None:
    """Both halves are spans of their own, and the coverage still tiles the text."""
    backend = filtering(error)
    result = po.run("summarize", [Source("a", text=TEXT)], po.connect(backend), chunk_tokens=600)
    ((start, end),) = lost(result)
    assert FORBIDDEN in TEXT[start:end]
    coverage = result.documents[0].coverage
    assert [span.start for span in coverage] == [0, *(span.end for span in coverage[:-1])]
    assert coverage[-1].end == len(TEXT)
    assert len(coverage) == result.documents[0].chunks + 1
    assert sum(call.take == 2 for call in backend.calls) == 2
    assert result.coverage == 1 - (end - start) / len(TEXT)
    assert (result.status, result.documents[0].status) == ("incomplete", "truncated")


@pytest.mark.parametrize("error", [lambda: TransientError("it broke"), lambda: BudgetError("the cap is reached")])
def test_what_less_text_cannot_mend_is_not_tried_in_halves(error: Callable[[], PromptopsError]) -> None:
    """It would only be sent, or kept from being sent, twice more."""
    backend = filtering(error)
    client = Client(backend, patience=Patience(attempts=1))
    po.run("summarize", [Source("a", text=TEXT)], client, chunk_tokens=600)
    assert not any(call.take == 2 for call in backend.calls)


def test_a_part_with_an_empty_answer_is_whole_in_its_halves() -> None:
    """Nothing is lost, and the run is ok."""
    answers = iter(["", "", "first half.", "second half.", "both."])
    result = po.run("summarize", [Source("a", text=TEXT)], po.connect(Scripted(answer=lambda call: next(answers))))
    assert (result.status, result.coverage, result.documents[0].text) == ("ok", 1.0, "both.")
    assert [span.status for span in result.documents[0].coverage] == ["ok", "ok"]


def test_a_halved_part_keeps_its_overlap_in_the_first_half() -> None:
    """The coverage tiles all the same."""
    asked = {"chunk_tokens": 600, "overlap_tokens": 100}
    backend = filtering(lambda: RefusedError("the filter refused it"))
    result = po.run("summarize", [Source("a", text=TEXT)], po.connect(backend), **asked)
    coverage = result.documents[0].coverage
    assert [span.start for span in coverage] == [0, *(span.end for span in coverage[:-1])]


@given(st.text(max_size=100).map(lambda text: text * 20), st.integers(0, 50))
def test_halves_join_to_the_part(text: str, before: int) -> None:
    """To the character, neither is empty, and what the part repeats stays in front."""
    before = min(before, len(text))
    halves = halved(Part(1_000, 1_000 + len(text) - before, text), COUNTER)
    assert not halves or (len(halves) == 2 and "".join(half.text for half in halves) == text)
    assert all(half.start < half.end for half in halves)
    assert all(left.end == right.start for left, right in pairwise(halves))


def test_the_bound_knows_of_halves_but_not_of_those_of_stored_answers(tmp_path: Path) -> None:
    """Four calls a part at most, and none for what is already known."""
    planned = job("summarize", [Source("a", text=TEXT)], Scripted(answer=lambda call: "a part."), {})
    most = asyncio.run(estimate(planned)).most
    assert most.calls == 4 + 2  # the part, twice; its halves; the reduce of these, twice
    store = tmp_path / "s.db"
    with po.connect(Scripted(answer=lambda call: "a part."), store=store) as client:
        po.run("summarize", [Source("a", text=TEXT)], client)
    database = Database(store)
    assert asyncio.run(estimate(planned, database)).most.calls == 0
    database.close()


def test_a_run_fails_under_the_least_coverage() -> None:
    """With the share, and the first thing that went wrong; the answers are there all the same."""
    backend = filtering(lambda: RefusedError("the filter refused it"))
    result = po.run("summarize", [Source("a", text=TEXT)], po.connect(backend), chunk_tokens=600, min_coverage=0.99)
    assert result.status == "failed"
    assert "under --min-coverage 0.99; a: 1 of" in (result.reason or "")
    assert result.documents[0].text
    met = po.run("summarize", [Source("a", text=TEXT)], po.connect(backend), chunk_tokens=600, min_coverage=0.5)
    assert met.status == "incomplete"


def test_a_document_that_cannot_be_read_is_not_covered(tmp_path: Path) -> None:
    """It counts with its bytes."""
    (tmp_path / "a.txt").write_text("A short text.")
    (tmp_path / "b.pdf").write_bytes(b"no pdf at all")
    result = po.run("summarize", tmp_path, po.connect(Scripted(answer=lambda call: "x.")))
    assert result.coverage == 0.5


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_least_coverage_that_is_no_share_is_refused(share: float) -> None:
    """Before anything is sent."""
    backend = Scripted(["never"])
    with pytest.raises(PromptopsError, match="share from 0 to 1"):
        po.run("summarize", [Source("a", text=TEXT)], po.connect(backend), min_coverage=share)
    assert not backend.calls
