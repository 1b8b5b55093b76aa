"""Questions: passages from every part, the best that fit, and an answer whose sentences lead to them."""

from __future__ import annotations

import asyncio

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
from promptops.errors import QuotaError, UsageError
from promptops.plans import rerank
from promptops.tokens import counter
from promptops.types import Call, Reply, Source, Usage

COUNTER = counter(tokenizer="o200k_base")
RIVER = "The river rose by 7 mm in the night. Nobody had moved the sheep."
COST = "서버 비용이 작년 같은 분기보다 31% 늘었다. 회의는 두 시에 끝났다."
SOURCES = [Source("river.txt", text=RIVER), Source("비용.txt", text=COST), Source("none.txt", text="Of nothing much.")]


def model(answer: str, **passages: str) -> Scripted:
    """A model that finds these passages, by a word of the part, and then answers so."""

    def reply(call: Call) -> str:
        if call.tags.step == "answer":
            return answer
        part = call.messages[-1].content
        return next((said for word, said in passages.items() if word in part), "NONE")

    return Scripted(answer=reply)


def test_an_answer_leads_to_the_characters_it_rests_on() -> None:
    """In whichever document, and however the passage was copied."""
    said = "It rose by 7 mm [1], and costs rose by 31% [2]."
    backend = model(said, river="- the river  rose by 7 mm", 비용="* 31% 늘었다")
    result = po.run("ask", SOURCES, po.connect(backend), question="What rose?")
    assert (result.status, result.text) == ("ok", said)
    assert result.corpus is not None
    (citation,) = result.corpus.citations
    assert [(place.source, place.text) for place in citation.places] == [
        ("river.txt", "The river rose by 7 mm"),
        ("비용.txt", "31% 늘었다."),
    ]
    texts = {source.name: source.text or "" for source in SOURCES}
    assert all(place.text == texts[place.source][place.start : place.end] for place in citation.places)


def test_a_document_that_says_nothing_costs_its_question_and_no_more() -> None:
    """The answer is asked from the others; with none, it is not asked for."""
    backend = model("Yes. [1]", river="- Nobody had moved the sheep.")
    result = po.run("ask", SOURCES, po.connect(backend), question="Who moved the sheep?")
    assert [document.data for document in result.documents][2] == []
    assert result.corpus is not None
    assert result.corpus.documents == 1
    nothing = model("never asked for")
    empty = po.run("ask", SOURCES, po.connect(nothing), question="Who moved the sheep?")
    assert (empty.status, empty.text) == ("ok", "")
    assert empty.corpus is not None
    assert (empty.corpus.status, empty.corpus.error) == ("empty", "no document says anything about the question")
    assert {call.tags.step for call in nothing.calls} == {"map"}
    assert empty.reason is None


def test_words_that_a_document_does_not_hold_lead_nowhere() -> None:
    """They are used, but what rests on them alone is flagged."""
    backend = model("It fell [1]. It rose [2].", river="- The river fell by 7 mm\n- The river rose by 7 mm")
    result = po.run("ask", SOURCES, po.connect(backend), question="What of the river?")
    data = result.documents[0].data
    assert [(passage["text"], passage["verified"]) for passage in data] == [
        ("The river fell by 7 mm", False),
        ("The river rose by 7 mm", True),
    ]
    assert result.corpus is not None
    assert [citation.flag for citation in result.corpus.citations] == ["unresolved", None]


def test_the_passages_nearest_to_the_question_are_answered_from() -> None:
    """Where not all fit; how many were left out is said."""
    lines = [f"Line {number} is about the weather of the year {1900 + number}." for number in range(60)]
    lines[41] = "The ferry to Ulva costs four crowns."
    text = "\n\n".join(lines)
    backend = Scripted(
        answer=lambda call: (
            "Four crowns. [1]"
            if call.tags.step == "answer"
            else "\n".join(f"- {line}" for line in lines if line in call.messages[-1].content)
        )
    )
    client, sizes = po.connect(backend), {"chunk_tokens": 100, "reduce_tokens": 200}
    result = po.run("ask", [Source("a", text=text)], client, question="What does the ferry cost?", **sizes)
    assert result.corpus is not None
    assert result.corpus.left_out > 0
    asked = backend.calls[-1].messages[-1].content
    assert lines[41] in asked
    assert COUNTER.count(asked) < 260


def test_of_very_many_passages_only_the_nearest_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is asked from the same ones, and those let go are counted."""
    sources = [Source(f"{n}.txt", text=f"The river rose by {n} mm.") for n in range(5)]
    sources += [Source(f"{n}.txt", text=f"Letter {n} came late, said the postman.") for n in range(5, 90)]
    asked = []
    for most in (8_000, 20):
        monkeypatch.setattr(rerank, "_MOST", most)
        backend = Scripted(
            answer=lambda call: "Up. [1]" if call.tags.step == "answer" else call.messages[-1].content.split("\n")[-2]
        )
        question = "By how many mm did the river rise?"
        result = po.run("ask", sources, po.connect(backend), question=question, reduce_tokens=400, words=20)
        (call,) = [call for call in backend.calls if call.tags.step == "answer"]
        assert result.corpus is not None
        asked.append((call.messages[-1].content.count("The river rose by"), result.corpus.left_out > 50))
    assert asked == [(5, True), (5, True)]


def test_each_document_is_answered_from_by_itself_on_request() -> None:
    """Without a word about the others."""
    backend = model("So it is. [1]", river="- Nobody had moved the sheep.", 비용="- 회의는 두 시에 끝났다.")
    result = po.run("ask", SOURCES, po.connect(backend), question="What happened?", corpus=False)
    assert result.corpus is None
    assert [document.text for document in result.documents] == ["So it is. [1]", "So it is. [1]", ""]
    assert [document.citations[0].places[0].text for document in result.documents[:2]] == [
        "Nobody had moved the sheep.",
        "회의는 두 시에 끝났다.",
    ]
    assert result.documents[2].notes == ("it says nothing about the question",)
    (root,) = result.documents[0].tree
    assert [node.step for node in (root, *root.children)] == ["answer", "map"]


def test_a_question_is_needed() -> None:
    """And said how to give."""
    with pytest.raises(UsageError, match="chain ask needs the setting 'question': say --set question="):
        po.run("ask", SOURCES)


def test_without_a_model_the_nearest_sentences_answer() -> None:
    """In English and Korean."""
    for question, answer in (
        ("How many mm did the river rise?", "The river rose by 7 mm in the night."),
        ("서버 비용은 얼마나 늘었나?", "서버 비용이 작년 같은 분기보다 31% 늘었다."),
    ):
        result = po.run("ask", SOURCES, question=question, words=12)
        assert result.text == f"{answer} [1]"


def test_a_quota_that_ends_leaves_the_answer_unasked() -> None:
    """Not one from half of the documents."""

    def answer(call: Call) -> str | Exception:
        return QuotaError("no credit left") if "비용" in call.messages[-1].content else "- The river rose by 7 mm"

    result = po.run("ask", SOURCES[:2], po.connect(Scripted(answer=answer)), question="What rose?")
    assert (result.status, result.stopped) == ("incomplete", {"quota"})
    assert result.corpus is not None
    assert result.corpus.error == "documents still missing: 1"


ways = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["- flood\n", "- x\n", "a flood of words ", "[1] [2] "]), st.integers(1, 1_500)),
        st.tuples(st.sampled_from(["NONE", " "]), st.just(1)),
    ),
    min_size=1,
    max_size=6,
)


@given(
    ways=ways,
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    window=st.integers(2_500, 9_000),
    chunk=st.integers(16, 800),
    reduce=st.integers(64, 3_000),
    corpus=st.booleans(),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_asking_ends_within_the_estimates_bound(
    ways: list[tuple[str, int]], sizes: list[int], window: int, chunk: int, reduce: int, corpus: bool
) -> None:
    """Whatever is said to be a passage."""
    asked = iter(range(10**9))

    def answer(_: Call) -> Reply:
        unit, times = ways[next(asked) % len(ways)]
        return Reply(unit * times, Usage(1, 0, times))

    backend = Scripted(answer=answer, counter=COUNTER, window=window)
    sources = [
        Source(f"{number}.txt", text="".join(f"{number}.{part} {RIVER} {COST}\n\n" for part in range(size)))
        for number, size in enumerate(sizes)
    ]
    wishes = {"question": "What rose?", "chunk_tokens": chunk, "reduce_tokens": reduce, "corpus": corpus, "words": 40}
    planned = job("ask", sources, backend, wishes)
    bound = asyncio.run(estimate(planned)).most
    asyncio.run(run(planned, Client(backend, patience=Patience(attempts=1))))
    assert len(backend.calls) <= bound.calls
    taken = [sum(COUNTER.count(message.content) for message in call.messages) for call in backend.calls]
    assert sum(taken) <= bound.input_tokens
    assert all(size + call.max_output_tokens <= window for size, call in zip(taken, backend.calls, strict=True))
