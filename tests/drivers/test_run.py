"""Runs and estimates through the public calls."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from decimal import Decimal
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import promptops as po
from promptops.api import job
from promptops.backends.scripted import Scripted
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.drivers.estimate import estimate, filler
from promptops.errors import (
    AccessError,
    BudgetError,
    NotFoundError,
    PriceError,
    PromptopsError,
    QuotaError,
    StoreError,
    TokenizerError,
    TransientError,
    UsageError,
    WindowError,
)
from promptops.store import Database
from promptops.types import Call, Reply, Source, Usage

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


def test_a_run_whose_first_answers_were_cut_is_free_the_second_time(folder: Path, tmp_path: Path) -> None:
    """The way to the answer is kept with it."""

    def answer(call: Call) -> Reply | str:
        return "whole." if call.take else Reply("half a", Usage(1, 0, 1), "length")

    for calls in (8, 0):
        with po.connect(Scripted(answer=answer), store=tmp_path / "s.db") as client:
            assert po.run("summarize", folder, client).usage.calls == calls


def test_a_stopped_run_keeps_cut_answers_so_that_the_next_goes_on(tmp_path: Path) -> None:
    """Else a model that is always cut would be paid for the same documents for ever."""
    sources = [Source(str(number), text=f"{number} {TEXT}") for number in range(4)]
    statuses = []
    for _ in range(4):
        backend = Scripted(answer=lambda call: Reply("Half. An", Usage(900, 0, 50), "length"))
        with po.connect(backend, store=tmp_path / "s.db", max_tokens=6_000, concurrency=1) as client:
            result = po.run("summarize", sources, client, corpus=False)
        statuses.append((not result.stopped, len([one for one in result.documents if one.text])))
        if not result.stopped:
            break
    assert statuses == sorted(statuses)
    assert statuses[-1] == (True, 4)


def test_a_store_that_fails_in_the_middle_stops_the_run_and_keeps_its_answers(tmp_path: Path) -> None:
    """What is already answered is handed on; nothing more is sent unmetered."""
    client = po.connect(Scripted(), store=tmp_path / "s.db", concurrency=1)

    def answer(call: Call) -> str:
        if len(backend.calls) == 2:
            client.database.query("PRAGMA query_only = 1")
        return "x."

    backend = client.backend = Scripted(answer=answer)
    sources = [Source(str(number), text=f"{number} {TEXT}") for number in range(4)]
    result = po.run("summarize", sources, client)
    assert (result.status, result.stopped) == ("incomplete", {"store"})
    assert [document.status for document in result.documents] == ["ok", "ok", "failed", "failed"]
    assert len(backend.calls) == 2


def test_documents_of_one_name_have_their_own_usage() -> None:
    """Texts in memory may be called anything, or nothing."""
    sources = [Source("n", text=TEXT[:100]), Source("n", text=TEXT), Source("", text=TEXT[100:])]
    result = po.run("summarize", sources, po.connect(Scripted(answer=lambda call: "x.")), chunk_tokens=200)
    assert result.corpus is not None
    chunks = [document.chunks for document in result.documents]
    sent = [document.usage.calls for document in result.documents]
    assert [calls >= 1 for calls in sent] == [True] * 3
    assert sent[0] == chunks[0] == 1
    assert result.corpus.usage.calls == 1
    assert sum(sent) + 1 == result.usage.calls


def test_no_document_at_all_is_said() -> None:
    """A list that came out empty is a mistake somewhere."""
    with pytest.raises(UsageError, match="no document was given"):
        po.run("summarize", [], "extractive")


def test_a_run_is_failed_where_no_document_has_an_answer() -> None:
    """An empty one beside it is no answer."""
    sources = [Source("a", text="text"), Source("b", text="")]
    assert po.run("summarize", sources, po.connect(Scripted([]))).status == "failed"


def test_interrupting_a_notebook_stops_what_runs_for_it() -> None:
    """The thread that it runs in sends nothing more."""

    async def slow(call: Call) -> str:
        if len(backend.calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.01)
        return "x."

    backend = Scripted(answer=slow)
    client = po.connect(backend, concurrency=1)

    async def cell() -> None:
        with pytest.raises(KeyboardInterrupt):
            po.run("summarize", [Source(str(number), text=f"{number} text") for number in range(500)], client)

    loop = asyncio.new_event_loop()  # asyncio.run would take the interrupt for itself
    loop.run_until_complete(cell())
    loop.close()
    assert len(backend.calls) < 500


@given(stops=st.lists(st.integers(1, 30), max_size=4), cut=st.booleans())
@settings(max_examples=20, deadline=None)
def test_stopped_at_any_call_and_run_again_pays_twice_only_for_what_was_in_flight(stops: list[int], cut: bool) -> None:
    """Cancelled anywhere, with answers cut or not; in the end the result is the same."""
    database = Database()
    paid: list[tuple[object, int]] = []
    text = "".join(f"Day {day}: the mill stood by the river. " for day in range(80))
    sources = [Source(str(number), text=f"{number} {text}") for number in range(2)]

    async def once(stop: int) -> po.Result | None:
        async def answer(call: Call) -> str | Reply:
            if len(backend.calls) == stop:
                task.cancel()
            await asyncio.sleep(0)
            paid.append((call.messages, call.take))
            return Reply("half", Usage(1, 0, 1), "length") if cut and not call.take else "An answer. " * 9

        backend = Scripted(answer=answer, identity="same")
        client = Client(backend, database, concurrency=3)
        running = po.arun("summarize", sources, client, chunk_tokens=100, reduce_tokens=200)
        task = asyncio.create_task(running)
        return (await asyncio.gather(task, return_exceptions=True))[0]

    for stop in stops:
        asyncio.run(once(stop))
    result = asyncio.run(once(0))
    assert isinstance(result, po.Result)
    assert result.status == "ok"
    assert len(paid) == len(set(paid))


@pytest.mark.parametrize("per_word", [0.3, 1, 1.7, 4])
@given(tokens=st.integers(1, 3_000))
@settings(max_examples=30, deadline=None)
def test_a_filler_takes_the_fewest_words_that_reach_its_tokens(per_word: float, tokens: int) -> None:
    """By any counter, in few counts."""
    counts = 0

    class Counting:
        name, exact = "c", False

        def count(self, text: str) -> int:
            nonlocal counts
            counts += 1
            return int(len(text.split()) * per_word)

    text = filler(tokens, Counting())
    assert Counting().count(text) >= tokens
    assert len(text.split()) == 1 or Counting().count(text[:-2]) < tokens
    assert counts < 40


def test_a_filler_ends_for_a_counter_that_counts_nothing() -> None:
    """Somebody's own may."""

    class Nothing:
        name, exact = "n", False

        def count(self, text: str) -> int:
            return 0

    assert filler(10, Nothing())


def test_a_schema_is_part_of_what_is_estimated_and_of_what_must_fit(tmp_path: Path) -> None:
    """Providers count it as input."""
    head = "name: m\nversion: 1\ndescription: d\ninputs:\n  text: {type: string, document: true}\n"
    schema = f"output:\n  format: json\n  schema: {{type: object, description: '{'what it is for ' * 150}'}}\n"
    steps = "map: {template: m}, reduce: {template: summarize/reduce}, corpus: {template: summarize/corpus}"
    (tmp_path / "c.yaml").write_text(f"name: c\nplan: map_reduce\nsteps: {{{steps}}}\n")
    inputs = []
    for output in ("", schema):
        (tmp_path / "m.j2").write_text(f"---\n{head}{output}---\n{{{{ text | fence }}}}\n")
        planned = job(str(tmp_path / "c.yaml"), [Source("a", text=TEXT)], Scripted(), {})
        inputs.append(asyncio.run(estimate(planned)).expected.input_tokens)
    assert inputs[1] > inputs[0] + 200
    with pytest.raises(WindowError, match=r"m\.j2"):
        po.run(str(tmp_path / "c.yaml"), [Source("a", text=TEXT)], po.connect(Scripted(window=600)), words=10)


@pytest.mark.parametrize(
    ("answers", "again"),
    [
        ([TransientError("reset")], True),
        ([QuotaError("no credit")], True),
        ([StoreError("the disk is full")], False),
        ([AccessError("a wrong key")], False),
        (["A first answer.", AccessError("the key was withdrawn")], True),
        ([Reply("It was cut in the mid", finish="length")], False),
        ([BudgetError("under one call")], False),
        (["A first answer.", BudgetError("used up")], True),
    ],
    ids=str,
)
def test_running_again_is_offered_where_it_can_change_something(
    answers: list[str | Reply | PromptopsError], again: bool
) -> None:
    """Not where answers were only cut, the disk is full, or not one call was let through."""
    asked = chain(answers, repeat(answers[-1]))

    def answer(_: Call) -> str | Reply:
        said = next(asked)
        if isinstance(said, PromptopsError):
            raise said
        return said

    client = Client(Scripted(answer=answer), patience=Patience(first_wait=0.001, longest_wait=0.002), concurrency=1)
    result = po.run("summarize", [Source(name, text=f"{name} {TEXT}") for name in "ab"], client, corpus=False)
    assert (result.status == "ok", result.again) == (False, again)
