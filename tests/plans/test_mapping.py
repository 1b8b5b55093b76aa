"""The plan ``map``: answers joined in order, within the estimate's bound, and what cannot be used said so."""

from __future__ import annotations

import asyncio
import json
import re
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
from promptops.errors import NotFoundError, RefusedError, TransientError, UsageError
from promptops.plans.entries import united
from promptops.prompts.shape import misfit
from promptops.testing import FakeOpenAI
from promptops.tokens import counter
from promptops.types import Call, Reply, Source, Usage

COUNTER = counter(tokenizer="o200k_base")
TEXT = "# 강\n\nThe river rose in the night.\n\n\n강은 밤새 불어났다. 양을 옮긴 사람은 없었다.\n\n- one\n- two\n" * 12
GIVEN = {
    "translate": {"language": "한국어"},
    "keywords": {},
    "classify": {"labels": "river,양"},
    "shorten": {},
    "extract": {},
}


def fenced(call: Call) -> str:
    """What stands in the fence of a prompt."""
    found = re.search(r"<document[^>\n]*>\n(.*)\n</document", call.messages[-1].content, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_translation_keeps_every_blank_between_its_parts() -> None:
    """A model that gives back each part as it is gives back the document."""
    backend = Scripted(answer=lambda call: fenced(call).strip(), counter=COUNTER)
    asked = {"chunk_tokens": 30, "language": "한국어"}
    document = po.run("translate", [Source("a.md", text=TEXT)], po.connect(backend), **asked).documents[0]
    assert document.chunks > 5
    assert (document.status, document.text) == ("ok", TEXT.strip())


def test_keywords_of_all_parts_are_united_and_stand_once() -> None:
    """In the order in which they came first."""
    told = iter(range(10**6))
    backend = Scripted(answer=lambda call: json.dumps({"keywords": ["강", f"k{next(told) % 3}"]}), counter=COUNTER)
    text = "".join(f"{number}. {TEXT[:60]}" for number in range(20))
    document = po.run("keywords", [Source("a.md", text=text)], po.connect(backend), chunk_tokens=60).documents[0]
    assert document.status == "ok"
    assert sorted(document.data["keywords"]) == ["k0", "k1", "k2", "강"]
    assert json.loads(document.text) == document.data


def test_json_that_does_not_fit_is_asked_for_once_more_and_then_failed() -> None:
    """With the reason, in the document and in its coverage."""
    backend = Scripted(["no json", '{"keywords": ["강"]}'])
    assert po.run("keywords", [Source("a", text="강.")], po.connect(backend)).documents[0].data == {"keywords": ["강"]}
    backend = Scripted(['{"keywords": "강"}', '{"words": []}'])
    document = po.run("keywords", [Source("a", text="강.")], po.connect(backend)).documents[0]
    assert (document.status, document.coverage[0].status, len(backend.calls)) == ("failed", "failed", 2)
    assert "the answer: 'keywords' is a required property" in (document.error or "")


def test_a_translation_that_is_cut_is_never_taken_for_one() -> None:
    """It is asked for again with twice the room."""
    backend = Scripted([Reply("half", finish="length"), "whole."])
    document = po.run("translate", [Source("a", text="강.")], po.connect(backend), language="English").documents[0]
    assert (document.status, document.text) == ("ok", "whole.")
    assert backend.calls[1].max_output_tokens == 2 * backend.calls[0].max_output_tokens


@pytest.mark.parametrize(
    ("chain", "given", "kind", "said"),
    [
        ("translate", {}, UsageError, "chain translate needs the setting 'language'"),
        ("classify", {"labels": " , "}, UsageError, "chain classify needs the setting 'labels'"),
        ("keywords", {"labels": "a"}, NotFoundError, "no setting is named 'labels'"),
        ("summarize", {"most": 3}, NotFoundError, "no setting is named 'most'"),
        ("keywords", {"most": 0}, UsageError, "setting most=0"),
    ],
)
def test_a_setting_is_refused_where_the_chain_does_not_take_it(
    chain: str, given: dict[str, Any], kind: type[UsageError], said: str
) -> None:
    """Or asked for where it needs it, before anything is sent."""
    backend = Scripted(["never"])
    with pytest.raises(kind, match=said):
        po.run(chain, [Source("a", text="강.")], po.connect(backend), **given)
    assert not backend.calls


WAYS = st.sampled_from(["echo", "json", "flood", "cut", "blank", "fail", "refuse"])


@given(
    chain=st.sampled_from(sorted(GIVEN)),
    ways=st.lists(WAYS, min_size=1, max_size=6),
    window=st.integers(2_400, 9_000),
    chunk=st.integers(16, 800),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_run_ends_within_the_estimates_bound(chain: str, ways: list[str], window: int, chunk: int) -> None:
    """Whatever the replies: calls stay below ``most``, prompts fit the window, and the coverage tiles the text."""
    told = iter(range(10**9))

    def answer(call: Call) -> Reply | Exception:
        way = ways[next(told) % len(ways)]
        if way in {"fail", "refuse"}:
            return TransientError("it broke") if way == "fail" else RefusedError("refused")
        text = {"echo": "강 x.", "json": '{"keywords": ["강"]}', "blank": " "}.get(way, "flood " * 3_000)
        return Reply(text, Usage(1, 0, 1), "length" if way == "cut" else "stop")

    backend = Scripted(answer=answer, counter=COUNTER, window=window)
    planned = job(chain, [Source("a.md", text=TEXT)], backend, {"chunk_tokens": chunk, "words": 40, **GIVEN[chain]})
    estimated = asyncio.run(estimate(planned))
    result = asyncio.run(run(planned, Client(backend, patience=Patience(attempts=1))))
    assert not estimated.unreadable
    assert len(backend.calls) <= estimated.most.calls
    given_ = [sum(COUNTER.count(one.content) for one in call.messages) for call in backend.calls]
    assert all(size + call.max_output_tokens <= window for size, call in zip(given_, backend.calls, strict=True))
    assert sum(given_) <= estimated.most.input_tokens
    ends = [0, *(span.end for span in result.documents[0].coverage)]
    assert [span.start for span in result.documents[0].coverage] == ends[:-1]
    assert ends[-1] == len(TEXT)


@pytest.mark.parametrize("chain", sorted(GIVEN))
def test_the_chains_run_on_a_server(openai_environment: FakeOpenAI, chain: str) -> None:
    """One that answers by the schema, or with the first words of the part, in two languages."""
    if chain == "classify":
        openai_environment.answer = lambda body: "river"
    client = po.connect("openai:gpt-4o-mini", base_url=openai_environment.base_url)
    result = po.run(chain, [Source("en.md", text="The river."), Source("ko.md", text="강.")], client, **GIVEN[chain])
    assert [document.status for document in result.documents] == ["ok", "ok"]
    assert all(document.text for document in result.documents)


def test_lists_unite_member_by_member() -> None:
    """Entries stand once, objects among them; of a plain value the first holds."""
    assert united([{"a": [1, {"b": 2}], "c": "x"}, {"a": [{"b": 2}, 3], "d": []}]) == {
        "a": [1, {"b": 2}, 3],
        "c": "x",
        "d": [],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"k": ["a"]}', None),
        ("{", "it is no JSON"),
        ('{"k": NaN}', "NaN is no JSON number"),
        ("[" * 100_000, "it is no JSON"),
        ("[]", "the answer: [] is not of type 'object'"),
        ("{}", "the answer: 'k' is a required property"),
        ('{"k": [1]}', "the answer.k[0]: 1 is not of type 'string'"),
        ('{"k": ["c"]}', "the answer.k[0]: 'c' is not one of ['a', 'b']"),
        ('{"k": [], "z": 1}', "the answer: Additional properties are not allowed ('z' was unexpected)"),
        ('{"k": [], "n": 3}', "the answer.n: 3 is less than the minimum of 4"),
        ('{"k": [], "d": "3 May"}', "the answer.d: '3 May' does not match"),
        ('{"k": [], "r": {"r": {"r": 1}}}', "the answer.r.r.r: 1 is not of type 'object'"),
    ],
)
def test_what_does_not_fit_a_schema_is_said_by_its_place(text: str, said: str | None) -> None:
    """Types, members, items, choices, numbers, patterns and references."""
    items = {"type": "string", "enum": ["a", "b"]}
    nested = {"type": "object", "properties": {"r": {"$ref": "#/$defs/nested"}}}
    found = misfit(
        text,
        {
            "type": "object",
            "properties": {
                "k": {"type": "array", "items": items},
                "n": {"type": "integer", "minimum": 4},
                "d": {"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^[0-9-]+$"}]},
                "r": {"$ref": "#/$defs/nested"},
            },
            "$defs": {"nested": nested},
            "required": ["k"],
            "additionalProperties": False,
        },
    )
    assert found is None if said is None else said in (found or "")


def facts(call: Call) -> str:
    """The first two lines of the part as facts, and one that nothing states."""
    lines = [line for line in fenced(call).splitlines() if line.strip()][:2]
    items = [{"name": "line", "value": line, "quote": f"  {line.replace(' ', '  ')}"} for line in lines]
    return json.dumps({"items": [*items, {"name": "Guess", "value": "?", "quote": "Nobody said so."}]})


def test_an_extraction_says_where_each_entry_stands() -> None:
    """To the character, in English and Korean; what is nowhere said is flagged and kept."""
    sources = [
        Source("en.md", text="The river rose.\nIt fell.\n" * 9),
        Source("ko.md", text="강이 불었다.\nIt fell.\n" * 9),
    ]
    result = po.run("extract", sources, po.connect(Scripted(answer=facts, counter=COUNTER)), chunk_tokens=20)
    for source, document in zip(sources, result.documents, strict=True):
        assert document.status == "ok"
        items = {item["value"]: item for item in document.data["items"]}
        assert [items["?"]["verified"], items["?"]["places"]] == [False, []]
        for value, item in items.items():
            for place in item["places"]:
                assert (source.text or "")[place["start"] : place["end"]] == value
                assert place["source"] == source.name
    assert result.corpus is not None
    merged = {item["value"]: item for item in result.corpus.data["items"]}
    assert list(merged) == ["The river rose.", "It fell.", "?", "강이 불었다."]
    assert {place["source"] for place in merged["It fell."]["places"]} == {"en.md", "ko.md"}
    assert json.loads(result.text) == result.corpus.data


def own_chain(folder: Path, extra: str = "", schema: str = "who: {type: string}, words: {type: string}") -> str:
    """A chain of one's own whose template takes all but the schema from the library."""
    item = f"{{type: object, properties: {{{schema}}}, required: [who]}}"
    (folder / "people.j2").write_text(
        "---\nname: people\nversion: 1\noutput:\n  format: json\n"
        f"  schema: {{type: object, properties: {{people: {{type: array, items: {item}}}}}, required: [people]}}\n---\n"
        '{% extends "extract/map" %}\n{% block task %}List who is named.{% endblock %}\n'
    )
    text = f"name: people\nplan: map\njoin: list\n{extra}steps: {{map: {{template: people}}}}\n"
    (folder / "people.yaml").write_text(text)
    return str(folder / "people.yaml")


def test_a_schema_of_yours_names_its_quote_and_its_key(tmp_path: Path) -> None:
    """Entries with the same key become one where nothing contradicts."""
    said = iter(['{"people": [{"who": "Ada"}]}', '{"people": [{"who": "ADA", "words": "Ada wrote."}]}'])
    chain = own_chain(tmp_path, "quote: words\nkey: [who]\n")
    text = "Once there was a river and nobody knew whence it came.\n\nAda wrote. Then the river rose in the night."
    backend = Scripted(answer=lambda call: next(said), counter=COUNTER)
    document = po.run(chain, [Source("a", text=text)], po.connect(backend), chunk_tokens=16).documents[0]
    assert backend.calls[0].messages[0].content.startswith("List who is named.")
    (entry,) = document.data["people"]
    assert (entry["who"], entry["words"], entry["verified"]) == ("Ada", "Ada wrote.", True)
    assert text[entry["places"][0]["start"] :].startswith("Ada wrote.")


@pytest.mark.parametrize(
    ("extra", "schema", "said"),
    [
        ("key: [name]\n", "who: {type: string}", "people.yaml:4: key: no list that is joined has the member 'name'"),
        ("", "who: {type: strnig}", "people.j2: output.schema.properties.people.items.properties.who.type: 'strnig'"),
        ("", "quote: {type: string}, places: {type: string}", "'places' is added to every entry that has a quote"),
    ],
)
def test_a_schema_that_cannot_be_joined_is_refused(tmp_path: Path, extra: str, schema: str, said: str) -> None:
    """With the file, before anything is sent."""
    with pytest.raises(UsageError, match=re.escape(said)):
        po.run(own_chain(tmp_path, extra, schema), [Source("a", text="강.")], po.connect(Scripted(["never"])))


def test_a_label_is_one_of_those_that_were_given() -> None:
    """However it is spelled; another one is asked for again, with what there is, and then failed."""
    client = po.connect(Scripted(['"River."', "sea", "양"]))
    one, other = po.run(
        "classify", [Source("a", text="강."), Source("b", text="양.")], client, labels="river,양"
    ).documents
    assert (one.text, other.text) == ("river", "양")
    backend = Scripted(answer=lambda call: "sea")
    document = po.run("classify", [Source("a", text="강.")], po.connect(backend), labels="river,양").documents[0]
    assert (document.status, len(backend.calls)) == ("failed", 2)
    assert "it is none of: river, 양" in (document.error or "")
    assert "it is none of: river, 양" in backend.calls[1].messages[-1].content


def test_many_short_documents_share_prompts_and_each_gets_its_own_label(openai_environment: FakeOpenAI) -> None:
    """What a prompt leaves out is asked for by itself; a label that was not given, once more."""
    lost = iter([True])

    def answer(body: Any) -> str:
        said = body["messages"][-1]["content"]
        parts = re.findall(r'<item id="([^"]+)">\n<document>\n(.*?)\n</document>', said, re.DOTALL)
        if not parts:
            return label(said)
        told = [{"id": name, "answer": label(text)} for name, text in parts]
        return json.dumps({"answers": told[1:] if next(lost, False) else told})

    def label(text: str) -> str:
        return "river" if "river" in text or "강" in text else "sea"

    openai_environment.answer = answer
    sources = [
        Source(f"{n}", text=f"{n}: {'강' if n % 3 == 0 else 'the river' if n % 3 == 1 else 'a sea'}") for n in range(40)
    ]
    result = po.run("classify", sources, po.connect("openai:gpt-4o-mini"), labels="river,sea")
    assert [document.text for document in result.documents] == ["sea" if n % 3 == 2 else "river" for n in range(40)]
    assert len(openai_environment.requests) < 25
