"""A plan ends, within its estimate's bound, whatever the replies are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
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
from promptops.drivers.drive import Driver
from promptops.drivers.estimate import estimate
from promptops.drivers.run import run
from promptops.errors import QuotaError, RefusedError, TransientError, UsageError, WindowError
from promptops.plans.ask import Partial
from promptops.plans.halves import mark
from promptops.plans.plan import Plan
from promptops.plans.spec import Spec
from promptops.plans.tree import Tree
from promptops.tokens import counter
from promptops.types import Call, Finish, Reply, Source, Usage

COUNTER = counter(tokenizer="o200k_base")
PROSE = (
    "The river rose in the night and the lower meadow was under water by six. Nobody had moved the sheep. "
    "강은 밤새 불어났고 아침 여섯 시에는 아래 목초지가 물에 잠겼다. 양을 옮긴 사람은 아무도 없었다. "
)
behaviours = st.lists(
    st.one_of(
        st.tuples(st.just("words"), st.integers(1, 3_000)),
        st.tuples(st.just("cut"), st.integers(0, 3_000)),
        st.tuples(st.just("rule"), st.integers(1, 3_000)),
        st.tuples(st.just("blank"), st.just(0)),
        st.tuples(st.just("fail"), st.just(0)),
        st.tuples(st.just("refuse"), st.just(0)),
    ),
    min_size=1,
    max_size=8,
)


def misbehaving(ways: list[tuple[str, int]]) -> Any:
    """Replies of any length, cut, blank or failing, in turn; no limit that was asked for is kept."""
    asked = iter(range(10**9))

    def answer(call: Call) -> Reply | Exception:
        way, length = ways[next(asked) % len(ways)]
        text = " ".join(["flood"] * length) if way != "rule" else f"x\n{'-' * length * 8}\ny"
        if way == "fail":
            return TransientError("it broke")
        if way == "refuse":
            return RefusedError("the content filter refused it")
        return Reply(text if way != "blank" else "  \n", Usage(1, 0, length), "length" if way == "cut" else "stop")

    return answer


def texts(sizes: list[int]) -> list[Source]:
    """Documents whose parts all differ, so that groups end wherever their marks say."""
    return [
        Source(f"{number}.txt", text="".join(f"{number}.{part} {PROSE}" for part in range(size)))
        for number, size in enumerate(sizes)
    ]


@given(
    ways=behaviours,
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    window=st.integers(1_600, 9_000),
    chunk=st.integers(16, 800),
    reduce=st.integers(64, 3_000),
    words=st.integers(5, 60),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_run_ends_within_the_estimates_bound(
    ways: list[tuple[str, int]], sizes: list[int], window: int, chunk: int, reduce: int, words: int
) -> None:
    """Calls, input and output stay below ``most``, every prompt fits the window, and every span has its end."""
    backend = Scripted(answer=misbehaving(ways), counter=COUNTER, window=window)
    sources = texts(sizes)
    asked = {"chunk_tokens": chunk, "reduce_tokens": reduce, "words": words}
    planned = job("summarize", sources, backend, asked)
    bound = asyncio.run(estimate(planned)).most
    result = asyncio.run(run(planned, Client(backend, patience=Patience(attempts=1))))

    assert len(backend.calls) <= bound.calls
    for call in backend.calls:
        size = sum(COUNTER.count(message.content) for message in call.messages)
        assert size + call.max_output_tokens <= window
    assert [document.source for document in result.documents] == [source.name for source in sources]
    for source, document in zip(sources, result.documents, strict=True):
        ends = [0, *(span.end for span in document.coverage)]
        assert [span.start for span in document.coverage] == ends[:-1]
        assert ends[-1] == len(source.text or "")


def test_lines_of_hyphens_leave_the_reduces_within_the_window() -> None:
    """One reply in eight has one of 1,500, which is few tokens alone and would be many between all the others."""
    rule = f"x\n{'-' * 1_500}\ny"
    told = iter(range(10**6))
    backend = Scripted(
        answer=lambda _: rule if next(told) % 8 == 0 else "It was so. " * 20, counter=COUNTER, window=2_000
    )
    result = po.run("summarize", texts([200]), po.connect(backend), words=100, chunk_tokens=60, reduce_tokens=2_000)
    assert result.status == "ok"
    assert all((call.input_tokens or 0) + call.max_output_tokens <= 2_000 for call in backend.calls)


JOINING = {
    "other words for the last": "{% if partial %}{{ texts | fence }}{% else %}{% for text in texts %}Here is what part "
    "{{ loop.index }} of {{ texts | length }} says, as it was summarized before:\n{{ text | fence }}\n{% endfor %}"
    "{% endif %}",
    "each once": "{{ texts | unique | fence }}",
    "the first ones": "{{ texts[:5] | fence }}",
    "much around each": "{% for text in texts %}" + "Mind this part well. " * 12 + "{{ text | fence }}{% endfor %}",
}


@pytest.mark.parametrize("body", JOINING.values(), ids=JOINING)
def test_what_a_template_puts_around_the_texts_is_measured(body: str, tmp_path: Path) -> None:
    """However it joins them, every prompt fits; or it is said before anything is sent that none could."""
    (tmp_path / "own.j2").write_text(
        "---\nname: own\nversion: 1\ninputs:\n  texts: {type: list}\n  partial: {type: boolean, default: false}\n"
        f"---\nJoin.\n{body}"
    )
    (tmp_path / "c.yaml").write_text(
        "name: c\nplan: map_reduce\nsteps: {map: {template: summarize/map}, reduce: {template: own}}\n"
    )
    told = iter(range(10**6))
    backend = Scripted(answer=lambda _: f"It was so {next(told)}.", counter=COUNTER, window=1_500)
    try:
        result = po.run(str(tmp_path / "c.yaml"), texts([80]), po.connect(backend), words=20, chunk_tokens=60)
    except WindowError:
        assert not backend.calls
        return
    assert result.documents[0].error is None
    assert all((call.input_tokens or 0) + call.max_output_tokens <= 1_500 for call in backend.calls)


@pytest.mark.parametrize("finish", ["stop", "length"])
@pytest.mark.parametrize("length", [1, 10, 50, 100, 200, 400, 1_000, 2_000, 4_000])
def test_a_reduce_ends_within_the_bound_at_every_reply_length(length: int, finish: Finish) -> None:
    """Whatever was asked for: a reply longer than it is asked for shorter once, then cut."""
    text = " ".join(["flood"] * length)
    backend = Scripted(answer=lambda call: Reply(text, Usage(1, 0, length), finish), counter=COUNTER, window=8_000)
    asked = {"chunk_tokens": 100, "reduce_tokens": 1_000, "words": 40}
    planned = job("summarize", texts([60, 30]), backend, asked)
    most = asyncio.run(estimate(planned)).most
    result = asyncio.run(run(planned, Client(backend)))
    assert len(backend.calls) <= most.calls
    assert sum(COUNTER.count(message.content) for call in backend.calls for message in call.messages) <= (
        most.input_tokens
    )
    assert all(document.text for document in result.documents)
    assert {document.status for document in result.documents} == (
        {"ok"} if finish == "stop" and length <= 200 else {"truncated"}
    )


def test_a_reply_longer_than_its_room_is_asked_for_in_half_the_words() -> None:
    """Once, behind the same prompt, so that a prompt cache holds it; then it is taken as it is."""
    flood, short = " ".join(["flood"] * 2_000), "a short answer."
    backend = Scripted([Reply(flood), short])
    document = po.run("summarize", [Source("a", text=PROSE)], po.connect(backend), words=80).documents[0]
    assert (document.status, document.text) == ("ok", short)
    first, second = backend.calls
    assert second.messages[0] == first.messages[0]
    assert second.messages[1].content.startswith(first.messages[1].content)
    assert "It has 2,000 words or more; at most 80 may be. Aim at 40." in second.messages[1].content
    assert second.max_output_tokens == 2 * first.max_output_tokens


def groups(sizes: list[int], budget: int) -> tuple[list[list[int]], Callable[[Sequence[int]], bool]]:
    """The members of each group on the first level of a tree over texts of these sizes, and what tells which fit."""
    made: list[list[int]] = []

    def answer(call: Call) -> str:
        if call.tags.level == 1:
            made.append([int(found) for found in re.findall(r"^part (\d+)", call.messages[-1].content, re.MULTILINE)])
        return "joined."

    backend = Scripted(answer=answer, counter=COUNTER)
    spec = job("summarize", [Source("a", text=PROSE)], backend, {"reduce_tokens": budget})
    steps = Spec("", "", spec.chain.steps, spec.chain.settings.updated(spec.settings), spec.models())
    tree = Tree(steps, "reduce", "a", room=steps.least_room(), inputs={"title": ""})

    written = [f"part {number}" + " flood" * size for number, size in enumerate(sizes)]
    partials = [Partial(text, COUNTER.count(text), 1.0, mark=mark(text)) for text in written]

    def plan() -> Plan[Partial | None]:
        for partial in partials:
            yield from tree.add(partial)
        return (yield from tree.finish())

    async def nothing(*_: object) -> Any: ...

    asyncio.run(Driver(backend.complete, nothing, lambda _: [], lambda _: None).run(plan()))
    return made, lambda members: sum(tree._size(partials[member]) for member in members) <= tree._budget


@given(sizes=st.lists(st.integers(1, 120), min_size=2, max_size=30), budget=st.integers(400, 1_500))
@settings(max_examples=25, deadline=None)
def test_a_last_text_is_left_alone_only_where_two_groups_could_not_be_even(sizes: list[int], budget: int) -> None:
    """Groups are of two at least, in order, and fit."""
    made, fit = groups(sizes, budget)
    flat = [member for group in made for member in group]
    assert all(len(group) > 1 and fit(group) for group in made)
    assert flat == list(range(len(flat)))
    if len(flat) < len(sizes):
        last = [*made[-1], len(flat)]
        assert len(flat) == len(sizes) - 1
        assert not any(fit(last[end:]) for end in range(2, len(last) - 1))


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), words=st.integers(5, 60))
@settings(max_examples=25, deadline=None)
def test_an_estimate_of_replies_as_asked_is_what_a_run_takes(sizes: list[int], words: int) -> None:
    """Where the model keeps to the asked length, the expected figures are the run's, to the call and the token.

    Equal calls (the prose repeats) are sent once, which an estimate without a store cannot count on.
    """

    def answer(call: Call) -> str:
        return " ".join(["x"] + ["."] * ((call.expected_output_tokens or 0) - words) + ["x"] * (words - 1))

    backend = Scripted(answer=answer, counter=COUNTER, window=4_000)
    planned = job("summarize", texts(sizes), backend, {"chunk_tokens": 200, "words": words})
    expected = asyncio.run(estimate(planned)).expected
    usage = asyncio.run(run(planned, Client(backend))).usage
    twins = expected.calls - usage.calls
    assert twins >= 0
    if not twins:
        assert (usage.input_tokens, usage.output_tokens) == (expected.input_tokens, expected.output_tokens)


def test_one_chunk_is_one_call() -> None:
    """A short document passes through map alone; its summary is the document's."""
    backend = Scripted(["short."])
    result = po.run("summarize", [Source("a", text="A short text.")], po.connect(backend))
    assert (result.usage.calls, result.documents[0].text, result.corpus) == (1, "short.", None)


def test_a_window_too_small_is_said_before_anything_is_sent() -> None:
    """With the tokens that are lacking, and a mend."""
    backend = Scripted(["never"], window=300)
    with pytest.raises(WindowError, match=r"window of 300 tokens; it lacks \d+.*--set words="):
        po.run("summarize", [Source("a", text=PROSE)], po.connect(backend))
    assert not backend.calls


def test_an_unknown_window_is_asked_for() -> None:
    """It is never guessed."""
    with pytest.raises(WindowError, match="--window"):
        po.run("summarize", [Source("a", text=PROSE)], po.connect(Scripted(["never"], window=None)))


def test_a_failed_part_leaves_a_partial_answer_that_says_so() -> None:
    """The other parts are paid for and count."""

    def answer(call: Call) -> str | Exception:
        if call.tags.step == "map" and "Nobody knew" in call.messages[-1].content:
            return RefusedError("the content filter refused it")
        return "a part."

    text = PROSE * 20 + "Nobody knew. " + PROSE * 20
    result = po.run("summarize", [Source("a", text=text)], po.connect(Scripted(answer=answer)), chunk_tokens=300)
    document = result.documents[0]
    assert document.status == "truncated"
    assert [span.status for span in document.coverage].count("refused") == 1
    assert "1 of" in (document.error or "")
    assert result.status == "incomplete"


def test_a_cut_answer_is_asked_for_again_with_twice_the_room() -> None:
    """It is never taken for an answer."""
    backend = Scripted([Reply("half an", finish="length"), "a whole answer."])
    result = po.run("summarize", [Source("a", text=PROSE)], po.connect(backend))
    assert result.documents[0].text == "a whole answer."
    first, second = backend.calls
    assert (second.take, second.max_output_tokens) == (1, 2 * first.max_output_tokens)


def test_an_answer_cut_twice_ends_at_a_sentence_and_is_marked() -> None:
    """The run goes on, and is incomplete."""
    cut = Reply("One sentence is whole. Another is hal", finish="length")
    result = po.run("summarize", [Source("a", text=PROSE)], po.connect(Scripted([cut, cut])))
    assert (result.documents[0].status, result.documents[0].text) == ("truncated", "One sentence is whole.")
    assert result.status == "incomplete"


def test_an_answer_blank_twice_is_a_failure() -> None:
    """With the reason."""
    result = po.run("summarize", [Source("a", text=PROSE)], po.connect(Scripted([" ", "\n", "", " "])))
    assert (result.documents[0].status, result.status) == ("failed", "failed")
    assert "empty answer" in (result.documents[0].error or "")


def test_blank_documents_are_empty_and_cost_nothing() -> None:
    """Nothing is sent for them."""
    backend = Scripted(["never"])
    result = po.run("summarize", [Source("a", text=""), Source("b", text=" \n")], po.connect(backend))
    assert [document.status for document in result.documents] == ["empty", "empty"]
    assert not backend.calls
    assert result.status == "ok"


def test_an_overlap_repeats_text_and_the_coverage_still_tiles() -> None:
    """Each part sees what came before it; each character is accounted for once."""
    backend = Scripted(answer=lambda call: "x.")
    text = "".join(f"Day {day}: {PROSE}" for day in range(30))
    asked = {"chunk_tokens": 200, "overlap_tokens": 60}
    result = po.run("summarize", [Source("a", text=text)], po.connect(backend), **asked)
    ends = [0, *(span.end for span in result.documents[0].coverage)]
    assert [span.start for span in result.documents[0].coverage] == ends[:-1]
    assert ends[-1] == len(text)
    sent = sum(len(call.messages[-1].content) for call in backend.calls if call.tags.step == "map")
    assert sent > len(text) * 1.1


def test_an_overlap_of_more_than_half_a_chunk_is_refused() -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="at most half of chunk_tokens, 50"):
        po.run("summarize", [Source("a", text=PROSE)], chunk_tokens=100, overlap_tokens=51)


def test_a_character_that_fits_no_chunk_fails_its_document_alone() -> None:
    """One letter under a thousand accents is no reason to lose the folder."""
    sources = [Source("a", text="a" + "\u0301" * 4_000), Source("b", text="plain text.")]
    result = po.run("summarize", sources, po.connect(Scripted(answer=lambda call: "x.")), chunk_tokens=50)
    assert [document.status for document in result.documents] == ["failed", "ok"]


def test_an_answer_cut_and_then_blank_is_the_cut_one() -> None:
    """What was paid for and says something is better than nothing."""
    backend = Scripted([Reply("One sentence is whole. Another is hal", finish="length"), " "])
    document = po.run("summarize", [Source("a", text=PROSE)], po.connect(backend)).documents[0]
    assert document.status == "truncated"
    assert "One sentence is whole." in document.text


def test_a_whole_answer_over_its_room_is_kept_where_it_fits() -> None:
    """A provider's tokens are not always ours; an answer that ended by itself is cut only where it has to be."""
    answer = " ".join(["flood"] * 45) + " ." * 40
    document = po.run("summarize", [Source("a", text=PROSE)], po.connect(Scripted([Reply(answer)])), words=40).documents
    assert (document[0].status, document[0].text, document[0].notes) == ("ok", answer, ())


def test_a_final_answer_over_its_asked_length_is_asked_for_once_more() -> None:
    """With how long it was; the shorter one is taken, and the result says where it is still too long."""
    long, longer, short = (" ".join(["flood"] * size) for size in (60, 70, 41))
    for replies, text, notes in (
        ([long, short], short, ()),
        ([long, longer], long, ("60 of 40 words",)),
        ([long, RefusedError("refused")], long, ("60 of 40 words",)),
    ):
        backend = Scripted(replies)
        document = po.run("summarize", [Source("a", text=PROSE)], po.connect(backend), words=40).documents[0]
        assert (document.status, document.text, document.notes) == ("ok", text, notes)
        assert "It has 60 words or more; at most 40 may be. Aim at 26." in backend.calls[1].messages[1].content


def test_only_final_answers_are_held_to_their_length() -> None:
    """Those that go on into a reduce are shortened there; the last of the document and of the folder are read."""
    backend = Scripted(answer=lambda call: " ".join(["flood"] * 60), counter=COUNTER)
    client = po.connect(backend)
    result = po.run("summarize", texts([30, 30]), client, words=40, chunk_tokens=300, reduce_tokens=400)
    asked = [(call.tags.step, call.tags.level) for call in backend.calls if call.take]
    assert sorted(asked) == [("corpus", 1), ("reduce", 2)]  # the two documents' are the same, and sent once
    assert result.corpus is not None
    assert result.corpus.notes == ("60 of 40 words",)


def test_a_failed_reduce_waits_for_those_in_flight() -> None:
    """They are paid for: their replies are kept, and are the document's usage."""

    async def answer(call: Call) -> str:
        if call.tags.step == "map":
            return f"{call.messages[-1].content[12:40]}. " * 8
        if "Day 0:" in call.messages[-1].content:
            raise RefusedError("the content filter refused it")
        await asyncio.sleep(0.05)
        return "joined."

    client = po.connect(Scripted(answer=answer))
    text = "".join(f"Day {day}: {PROSE}" for day in range(60))
    result = po.run("summarize", [Source("a", text=text)], client, chunk_tokens=100, reduce_tokens=400)
    assert result.status == "failed"
    assert result.documents[0].usage == result.usage
    assert not any(row.possibly_billed for row in client.ledger.rows("run"))


def test_a_template_that_fails_on_one_document_fails_that_one(tmp_path: Path) -> None:
    """The others are paid for, and are answered."""
    (tmp_path / "m.j2").write_text(
        "---\nname: m\nversion: 1\ndescription: d\ninputs:\n  text: {type: string, document: true}\n---\n"
        "{{ 1 // (0 if 'zero' in text else 1) }} {{ text | fence }}\n"
    )
    steps = "map: {template: m}, reduce: {template: summarize/reduce}, corpus: {template: summarize/corpus}"
    (tmp_path / "c.yaml").write_text(f"name: c\nplan: map_reduce\nsteps: {{{steps}}}\n")
    sources = [Source(name, text=name) for name in ("one", "zero", "two")]
    result = po.run(str(tmp_path / "c.yaml"), sources, po.connect(Scripted(answer=lambda call: "x.")))
    assert [document.status for document in result.documents] == ["ok", "failed", "ok"]
    assert "m.j2" in (result.documents[1].error or "")


@pytest.mark.parametrize("window", range(380, 700, 40))
def test_a_long_title_gives_way_in_a_small_window(window: int) -> None:
    """It is no part of the text, and costs no document its answer."""
    backend = Scripted(answer=lambda call: " ".join(["flood"] * 400), window=window)
    source = Source("a.md", text=f"# {'ꦗꦮꦱ ' * 30}\n\n{PROSE * 20}")
    document = po.run("summarize", [source], po.connect(backend), words=10).documents[0]
    assert document.text


def test_what_stops_the_overview_is_in_the_result() -> None:
    """As what stops a document is."""

    def answer(call: Call) -> str | Exception:
        return QuotaError("no credit left") if call.tags.step == "corpus" else "x."

    result = po.run("summarize", texts([1, 2]), po.connect(Scripted(answer=answer)))
    assert (result.status, result.stopped, result.reason) == ("incomplete", {"quota"}, "no credit left")


def structured(folder: Path) -> str:
    """A chain whose answers are JSON."""
    schema = "{type: object, properties: {actor: {type: string}}, required: [actor], additionalProperties: false}"
    for step, declared in (("map", "text: {type: string, document: true}"), ("join", "texts: {type: list}")):
        (folder / f"{step}.j2").write_text(
            f"---\nname: {step}\nversion: 1\ninputs:\n  {declared}\noutput: {{format: json, schema: {schema}}}\n---\n"
            f"{{% user %}}{{{{ {declared.split(':')[0]} }}}}{{% enduser %}}\n"
        )
    steps = "{map: {template: map}, reduce: {template: join}, corpus: {template: summarize/corpus}}"
    (folder / "who.yaml").write_text(f"name: who\nplan: map_reduce\nsettings: {{corpus: false}}\nsteps: {steps}\n")
    return str(folder / "who.yaml")


def test_a_json_answer_is_in_the_results_data(tmp_path: Path) -> None:
    """The schema goes to the model, and what it answers is read."""
    backend = Scripted(answer=lambda call: '{"actor": "the miller"}')
    result = po.run(structured(tmp_path), [Source("a", text=PROSE * 20)], po.connect(backend), chunk_tokens=200)
    assert result.documents[0].data == {"actor": "the miller"}
    assert all(call.schema is not None for call in backend.calls)


def test_an_answer_that_is_no_json_is_asked_for_again_with_what_was_wrong(tmp_path: Path) -> None:
    """Once, then it is a failure with the reason."""
    backend = Scripted(["the miller", '```json\n{"actor": "the miller"}\n```'])
    (document,) = po.run(structured(tmp_path), [Source("a", text=PROSE)], po.connect(backend)).documents
    assert (document.status, document.data) == ("ok", {"actor": "the miller"})
    assert "it is no JSON: Expecting value" in backend.calls[1].messages[-1].content
    backend = Scripted(answer=lambda call: "the miller")
    (document,) = po.run(structured(tmp_path), [Source("a", text=PROSE)], po.connect(backend)).documents
    assert (document.status, document.data, len(backend.calls)) == ("failed", None, 2)
    assert "cannot be used: it is no JSON" in (document.error or "")


def test_a_useless_answer_from_the_store_says_how_to_ask_anew(tmp_path: Path) -> None:
    """It was paid for, and running again changes nothing by itself."""
    store, backend = tmp_path / "store.db", Scripted(answer=lambda call: "the miller")
    errors = []
    for fresh in (False, False, True):
        with po.connect(backend, store=store, fresh=fresh) as client:
            errors.append(po.run(structured(tmp_path), [Source("a", text=PROSE)], client).documents[0].error or "")
    assert len(backend.calls) == 4
    assert ["it is kept in the store, --fresh asks again" in error for error in errors] == [False, True, False]


@pytest.mark.parametrize("answer", ['{"actor": "the miller"}', '{"actor": "%s"}' % ("miller " * 75), "no json", "{"])
def test_a_chain_of_json_ends_within_the_estimates_bound(answer: str, tmp_path: Path) -> None:
    """Which has its reduces too, though no answer cut at its limit would be of use to them."""
    backend = Scripted(answer=lambda call: answer, counter=COUNTER, window=4_000)
    planned = job(structured(tmp_path), texts([20]), backend, {"chunk_tokens": 400, "words": 60})
    most = asyncio.run(estimate(planned)).most
    used = asyncio.run(run(planned, Client(backend))).usage
    assert used.calls <= most.calls
    assert used.tokens <= most.tokens


def test_a_bound_of_json_answers_has_every_step(tmp_path: Path) -> None:
    """At the least as many calls of each as are expected."""
    backend = Scripted(answer=lambda call: "", counter=COUNTER, window=4_000)
    planned = job(structured(tmp_path), texts([20]), backend, {"chunk_tokens": 400, "words": 60})
    levels = asyncio.run(estimate(planned)).levels
    assert {level.step for level in levels} == {"map", "reduce"}
    assert all(level.most.calls >= level.expected.calls > 0 for level in levels if level.level < 2)


def test_an_estimate_of_json_answers_finds_every_document_readable(tmp_path: Path) -> None:
    """Its phantom replies fit the schema and have the asked length, so that the expected calls are the run's."""
    backend = Scripted(answer=lambda call: '{"actor": "the miller"}', counter=COUNTER, window=4_000)
    planned = job(structured(tmp_path), texts([1, 20]), backend, {"chunk_tokens": 400, "words": 60})
    estimated = asyncio.run(estimate(planned))
    assert (estimated.documents, estimated.unreadable) == (2, ())
    assert asyncio.run(run(planned, Client(backend))).usage.calls == estimated.expected.calls < estimated.most.calls
