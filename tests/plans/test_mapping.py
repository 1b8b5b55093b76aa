"""The plan ``map``: answers joined in order, within the estimate's bound, and what cannot be used said so."""

from __future__ import annotations

import asyncio
import json
import re
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
from promptops.plans.mapping import united
from promptops.prompts.shape import misfit
from promptops.testing import FakeOpenAI
from promptops.tokens import counter
from promptops.types import Call, Reply, Source, Usage

COUNTER = counter(tokenizer="o200k_base")
TEXT = "# 강\n\nThe river rose in the night.\n\n\n강은 밤새 불어났다. 양을 옮긴 사람은 없었다.\n\n- one\n- two\n" * 12
GIVEN = {"translate": {"language": "한국어"}, "keywords": {}, "classify": {"labels": "river,양"}, "shorten": {}}


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
    for call in backend.calls:
        assert sum(COUNTER.count(one.content) for one in call.messages) + call.max_output_tokens <= window
    ends = [0, *(span.end for span in result.documents[0].coverage)]
    assert [span.start for span in result.documents[0].coverage] == ends[:-1]
    assert ends[-1] == len(TEXT)


@pytest.mark.parametrize("chain", sorted(GIVEN))
def test_the_chains_run_on_a_server(openai_environment: FakeOpenAI, chain: str) -> None:
    """One that answers by the schema, or with the first words of the part, in two languages."""
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
