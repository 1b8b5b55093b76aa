"""Runs and estimates through the public calls."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

import promptops as po
from promptops.backends.scripted import Scripted
from promptops.errors import NotFoundError, PriceError, TokenizerError, UsageError
from promptops.types import Call

TEXT = "The mill stood by the river. 물레방아는 강가에 있었다. " * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("a.md", "b.txt", "다.md"):
        (docs / name).write_text(f"{name} {TEXT}", encoding="utf-8")
    return docs


def test_a_folder_gives_an_answer_per_document_and_one_over_all(folder: Path) -> None:
    """In the order of the folder."""
    result = po.run("summarize", folder, po.connect(Scripted(answer=lambda call: f"{call.tags.step} answer.")))
    assert [Path(document.source).name for document in result.documents] == ["a.md", "b.txt", "다.md"]
    assert {document.text for document in result.documents} == {"map answer."}
    assert result.corpus is not None
    assert (result.corpus.text, result.corpus.documents, result.text) == ("corpus answer.", 3, "corpus answer.")
    assert result.status == "ok"


def test_corpus_false_leaves_the_overview_out(folder: Path) -> None:
    """And its cost."""
    result = po.run("summarize", folder, po.connect(Scripted(answer=lambda call: "x.")), corpus=False)
    assert result.corpus is None
    assert result.usage.calls == 3


def test_usage_per_document_adds_up_to_the_runs(folder: Path) -> None:
    """With the overview's."""
    result = po.run("summarize", folder, po.connect(Scripted(answer=lambda call: "x.")), chunk_tokens=100)
    assert result.corpus is not None
    parts = [document.usage for document in result.documents] + [result.corpus.usage]
    assert po.Totals.sum(parts) == result.usage


def test_a_second_run_is_free(folder: Path, tmp_path: Path) -> None:
    """A reply from the store is not a call."""
    for calls in (4, 0):
        with po.connect(Scripted(answer=lambda call: "x."), store=tmp_path / "s.db") as client:
            assert po.run("summarize", folder, client).usage.calls == calls


def test_a_plan_knows_what_the_store_holds(folder: Path, tmp_path: Path) -> None:
    """What is paid for is not estimated again."""
    store = tmp_path / "s.db"
    backend = Scripted(answer=lambda call: "x.")
    assert po.plan("summarize", folder, backend, store=store).expected.calls == 4
    with po.connect(backend, store=store) as client:
        po.run("summarize", folder, client)
    known = po.plan("summarize", folder, backend, store=store)
    assert (known.expected.calls, known.stored) == (0, 4)


def test_a_plan_of_a_hosted_model_needs_no_key_and_no_network(folder: Path) -> None:
    """Offline, before a cent is spent."""
    estimate = po.plan("summarize", folder, model="openai:gpt-5-mini")
    assert estimate.expected.usd is not None
    assert estimate.most.usd is not None
    assert Decimal(0) < estimate.expected.usd < estimate.most.usd


def test_runs_work_inside_a_running_event_loop(folder: Path) -> None:
    """As in a notebook."""

    async def cell() -> po.Result:
        return po.run("summarize", folder, po.connect(Scripted(answer=lambda call: "x.")))

    assert asyncio.run(cell()).status == "ok"


def test_arun_runs_several_at_once_on_one_client(folder: Path) -> None:
    """One budget and one store for all of them."""
    client = po.connect(Scripted(answer=lambda call: "x."))

    async def both() -> list[po.Result]:
        return await asyncio.gather(*(po.arun("summarize", folder, client, words=words) for words in (50, 60)))

    first, second = asyncio.run(both())
    assert (first.usage.calls, second.usage.calls) == (4, 4)


def test_a_budget_that_runs_out_is_incomplete_and_running_again_goes_on(folder: Path, tmp_path: Path) -> None:
    """What was paid for is kept; nothing is paid twice."""
    steps: list[Call] = []

    def answer(call: Call) -> str:
        steps.append(call)
        return "x."

    for _ in range(20):
        backend = Scripted(answer=answer, identity="same")
        with po.connect(backend, store=tmp_path / "s.db", max_tokens=2_600) as client:
            result = po.run("summarize", folder, client, chunk_tokens=400)
        assert result.usage.tokens <= 2_600
        if result.status == "ok":
            break
        assert result.status == "incomplete"
        assert result.stopped == {"budget"}
        assert "--max-tokens" in (result.reason or "")
    assert result.status == "ok"
    assert len(steps) == len({(call.messages, call.take) for call in steps})


def test_a_file_that_is_no_text_fails_and_the_rest_goes_on(folder: Path) -> None:
    """Its reason is in the result."""
    (folder / "bin.txt").write_bytes(bytes(range(256)) * 20)
    result = po.run("summarize", folder, po.connect(Scripted(answer=lambda call: "x.")))
    failed = [document for document in result.documents if document.status == "failed"]
    assert [Path(document.source).name for document in failed] == ["bin.txt"]
    assert failed[0].error
    assert result.status == "incomplete"


def test_a_sink_gets_documents_in_order_and_the_result_holds_none(folder: Path) -> None:
    """So that a large folder is never held."""
    from promptops.api import job
    from promptops.drivers.run import run

    async def slow_first(call: Call) -> str:
        await asyncio.sleep(0.05 if "a.md" in call.messages[-1].content else 0)
        return "x."

    seen: list[str] = []
    client = po.connect(Scripted(answer=slow_first))
    result = asyncio.run(
        run(job("summarize", folder, client.backend, {}), client, sink=lambda one: seen.append(Path(one.source).name))
    )
    assert seen == ["a.md", "b.txt", "다.md"]
    assert result.documents == ()


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"model": "gpt-5-mini"}, NotFoundError, "openai:gpt-5-mini"),
        ({"model": "openai:"}, NotFoundError, "no model is named"),
        ({"model": "extractive:x"}, NotFoundError, "no model is named"),
        ({"model": "openai:no-such-model"}, TokenizerError, "--tokenizer"),
        ({"model": "openai:mine", "tokenizer": "o200k_base", "max_usd": 1}, PriceError, "--max-tokens"),
        ({"model": "openai:gpt-5-mini", "max_usd": "two"}, UsageError, "US dollars"),
        ({"model": "extractive", "concurrency": 0}, UsageError, "--concurrency"),
    ],
)
def test_what_cannot_be_connected_is_said(asked: dict[str, object], error: type[Exception], says: str) -> None:
    """With what to pass instead."""
    with pytest.raises(error, match=says):
        po.connect(**asked)  # type: ignore[arg-type]


def test_an_unknown_setting_is_named_before_anything_is_sent(folder: Path) -> None:
    """With the nearest one."""
    backend = Scripted(["never"])
    with pytest.raises(NotFoundError, match="did you mean words"):
        po.run("summarize", folder, po.connect(backend), word=50)
    assert not backend.calls


def test_counts_are_exact_and_special_text_is_plain() -> None:
    """One call, any model that tiktoken can name."""
    assert po.count("hello world", model="gpt-5-mini") == 2
    assert po.count("<|endoftext|>", model="gpt-4o") == 7
    with pytest.raises(TokenizerError, match="--tokenizer"):
        po.count("hello", model="no-such-model")
    assert po.count("hello", model="no-such-model", estimate=True) >= 1


def test_a_template_renders_and_counts_by_name() -> None:
    """As the README says."""
    prompt = po.template("summarize/map").render(text="안녕하세요", words=50)
    assert prompt.messages[-1].content == "<document>\n안녕하세요\n</document>"
    assert prompt.tokens("gpt-5-mini") > 10


def test_a_result_is_plain_json(folder: Path) -> None:
    """Every value of a result can be written down."""
    from promptops.report import jsonable

    result = po.run("summarize", folder, po.connect(Scripted(answer=lambda call: "x.")))
    assert json.loads(jsonable.dumps(jsonable.rest(result)))["status"] == "ok"
