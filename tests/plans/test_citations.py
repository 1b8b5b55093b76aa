"""Citations: every sentence of an answer leads to the exact text that it rests on, through however many reduces."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import promptops as po
from promptops.api import job
from promptops.backends.scripted import Scripted
from promptops.citing import found, locate
from promptops.client import Client
from promptops.client.verdict import Patience
from promptops.drivers.estimate import estimate
from promptops.drivers.run import run
from promptops.errors import UsageError
from promptops.plans.citations import of_group, of_part, resolved
from promptops.plans.results import Citation, Place
from promptops.report.sources import sources
from promptops.tokens import counter
from promptops.types import Call, Reply, Source, Usage

COUNTER = counter(tokenizer="o200k_base")
PASSAGE = "{0}번 강은 {1}밀리미터 불어났다. River {0} rose by {1} mm in the night. Meadow {0} was under water."


def text(number: int, lines: int) -> str:
    """A document of which no two sentences are alike."""
    return "\n\n".join(PASSAGE.format(f"{number}.{line}", 7 * line + number) for line in range(lines))


def documents(sizes: list[int]) -> list[Source]:
    """So many of them."""
    return [Source(f"{number}.txt", text=text(number, size)) for number, size in enumerate(sizes)]


def bare(answer: str, citation: Citation) -> str:
    """The words of a sentence."""
    return re.sub(r" ?\[[\d?]+\]", "", answer[citation.start : citation.end])


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(120, 400), st.integers(2, 5))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_sentence_leads_to_the_text_it_was_taken_from(sizes: list[int], chunk: int, fan_in: int) -> None:
    """Through the map, any number of reduces, and the folder's own tree."""
    given_ = documents(sizes)
    texts = {source.name: source.text or "" for source in given_}
    planned = job("summarize", given_, po.connect().backend, {"cite": True, "words": 40, "chunk_tokens": chunk})
    steps = planned.chain.steps
    steps = {**steps, "reduce": replace(steps["reduce"], fan_in=fan_in)}
    result = asyncio.run(run(replace(planned, chain=replace(planned.chain, steps=steps)), po.connect()))
    assert result.status == "ok"
    answers = [*result.documents, *([result.corpus] if result.corpus else [])]
    for answer in answers:
        assert answer.citations
        for citation in answer.citations:
            assert citation.flag is None
            assert all(texts[place.source][place.start : place.end] == place.text for place in citation.places)
            together = "\n".join(place.text for place in citation.places)
            assert locate(bare(answer.text, citation), together), (bare(answer.text, citation), together)


def answering(texts: list[str]) -> Scripted:
    """A model that says these in turn, whatever it is asked."""
    return Scripted([*texts])


def cited(*replies: str, **options: int) -> tuple[str, tuple[Citation, ...]]:
    """The answer about one document and its citations."""
    first, second = "The river rose by 7 mm in the night, as ever. " * 3, "Nobody had moved the sheep at all. " * 5
    source = Source("a.txt", text=f"{first}\n\n{second}")
    document = po.run("summarize", [source], po.connect(answering(list(replies))), cite=True, words=30, **options)
    return document.documents[0].text, document.documents[0].citations


def test_what_cannot_be_trusted_is_flagged() -> None:
    """A mark that names nothing, none at all, and a quotation that does not stand there."""
    answer, citations = cited(
        "It rose. [1] It fell. [77] It dried. "
        'It says "the river rose by 7 mm" [1]. It says "the river fell by 7 mm" [1].'
    )
    assert [citation.flag for citation in citations] == [None, "unresolved", "uncited", None, "misquoted"]
    assert "[?]" in answer
    lines = sources(citations)
    assert lines[0].startswith("[1] a.txt:0-")
    assert lines[1:] == [
        "(1 sentence names a place that there is not)",
        "(1 sentence names no place)",
        "(1 sentence quotes what does not stand there)",
    ]


def test_an_answer_numbers_its_places_as_it_names_them() -> None:
    """From 1, whichever passages they were."""
    answer, citations = cited("Nobody moved them [2]. It rose [1, 2].")
    assert answer == "Nobody moved them [1]. It rose [2][1]."
    assert [citation.numbers for citation in citations] == [(1,), (2, 1)]
    assert citations[0].places[0].text.startswith("Nobody")


def test_numbers_in_brackets_of_the_document_are_no_marks() -> None:
    """A footnote that is copied stays, and stands for nothing."""
    source = Source("a.txt", text="See [1] and x[2] for what the river did in the night before the war began.")
    reply = "See [1] and x[2]. [3]"
    result = po.run("summarize", [source], po.connect(answering([reply])), cite=True)
    assert result.text == "See [1] and x[2]. [3]"
    assert [citation.numbers for citation in result.documents[0].citations] == [(3,)]


def test_a_chain_whose_templates_do_not_cite_takes_no_such_setting() -> None:
    """Rather than answer without marks."""
    with pytest.raises(UsageError, match="cite"):
        po.run("translate", [Source("a", text="one")], language="한국어", cite=True)


def test_the_prompts_ask_for_marks_only_where_they_are_wanted() -> None:
    """A chain that does not cite sends what it always sent."""
    backend = Scripted(answer=lambda call: "It rose. [1]")
    po.run("summarize", documents([9]), po.connect(backend), chunk_tokens=100, words=20)
    assert not any("Cite:" in message.content for call in backend.calls for message in call.messages)
    marked = Scripted(answer=lambda call: "It rose. [1]")
    po.run("summarize", documents([9]), po.connect(marked), chunk_tokens=100, words=20, cite=True)
    assert all("Cite:" in call.messages[0].content for call in marked.calls)
    assert {call.tags.step for call in marked.calls} == {"map", "reduce"}


@given(st.lists(st.tuples(st.text(max_size=40), st.lists(st.integers(1, 9), max_size=4)), max_size=6))
def test_a_group_keeps_every_place_and_gives_each_one_number(answers: list[tuple[str, list[int]]]) -> None:
    """Whatever numbers its answers used, and whatever their words hold."""
    places = {number: Place("a", number, number + 1, str(number)) for number in range(1, 10)}
    texts = [f"{words} {''.join(f'[{number}]' for number in numbers)}" for words, numbers in answers]
    marked = of_group((text, places) for text in texts)
    assert len(set(marked.places.values())) == len(marked.places)
    for before, after in zip(texts, marked.texts, strict=True):
        assert [places[number] for number in found(before) if number in places] == [
            marked.places[number] for number in found(after) if number in marked.places
        ]
    again, _ = resolved(" ".join(marked.texts), marked.places)
    assert set(again.places.values()) == set(marked.places.values())


def test_a_part_is_marked_where_it_stands_in_its_document() -> None:
    """Also where it begins in the middle."""
    whole = text(1, 6)
    start = whole.index("1.3번")
    marked = of_part(whole[start:], "a.txt", start)
    assert all(whole[place.start : place.end] == place.text for place in marked.places.values())


ways = st.lists(
    st.one_of(
        st.tuples(st.just("[1] rose. "), st.integers(1, 800)),
        st.tuples(st.just("[1][2][3]"), st.integers(1, 800)),
        st.tuples(st.just("flood [99] "), st.integers(1, 800)),
        st.tuples(st.just("  "), st.just(1)),
    ),
    min_size=1,
    max_size=6,
)


@given(
    ways=ways,
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    window=st.integers(2_000, 9_000),
    chunk=st.integers(16, 800),
    words=st.integers(5, 60),
)
@example(ways=[("[1] rose. ", 629)], sizes=[17], window=5_088, chunk=39, words=17)
@example(ways=[("[1] rose. ", 629)], sizes=[17], window=5_088, chunk=30, words=9)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_citing_ends_within_the_estimates_bound(
    ways: list[tuple[str, int]], sizes: list[int], window: int, chunk: int, words: int
) -> None:
    """Though every mark may grow when it is numbered anew."""
    asked = iter(range(10**9))

    def answer(_: Call) -> Reply:
        unit, times = ways[next(asked) % len(ways)]
        return Reply(unit * times, Usage(1, 0, times))

    backend = Scripted(answer=answer, counter=COUNTER, window=window)
    planned = job("summarize", documents(sizes), backend, {"cite": True, "chunk_tokens": chunk, "words": words})
    bound = asyncio.run(estimate(planned)).most
    asyncio.run(run(planned, Client(backend, patience=Patience(attempts=1))))
    assert len(backend.calls) <= bound.calls
    sizes_ = [sum(COUNTER.count(message.content) for message in call.messages) for call in backend.calls]
    assert sum(sizes_) <= bound.input_tokens
    assert all(size + call.max_output_tokens <= window for size, call in zip(sizes_, backend.calls, strict=True))


def test_a_markdown_file_of_an_answer_lists_what_it_rests_on(tmp_path: Path) -> None:
    """With the characters of the document."""
    from promptops.report.folder import Folder

    result = po.run("summarize", documents([2]), cite=True, words=20)
    with Folder(tmp_path, "extractive") as folder:
        folder.add(result.documents[0])
        folder.end(result)
    written = (tmp_path / "0.txt.md").read_text(encoding="utf-8")
    assert re.search(r"^- \[1\] 0\.txt:\d+-\d+ ", written, re.MULTILINE)
