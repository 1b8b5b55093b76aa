"""Every stock chain answers on English and Korean documents, and together they use every stock template."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

import promptops as po
from promptops.backends.scripted import Scripted
from promptops.chains import names
from promptops.prices import price
from promptops.prompts import Library
from promptops.types import Call

TEXTS = {
    "english": "The council met on 3 May. It voted 7 to 2 for the bridge. Work begins in August. ",
    "korean": "시의회는 5월 3일에 열렸다. 다리 건설안은 7대 2로 가결되었다. 공사는 8월에 시작한다. ",
}
ANSWERS = {"english": "The bridge was approved by 7 to 2.", "korean": "다리 건설안은 7대 2로 가결되었다."}
LONG = ("summarize", "checked", "refine", "compress", "outline", "compare", "shorten", "translate", "ask")
"""Chains whose documents are read in parts here."""
SETTINGS: dict[str, dict[str, Any]] = {
    "ask": {"question": "다리는 어떻게 되었나? What about the bridge?"},
    "classify": {"labels": "politics,스포츠"},
    "translate": {"language": "Korean"},
}


def said(call: Call, text: str, answer: str) -> str:
    """What a model that does as it is told answers, in the language of ``text``."""
    quote, template = text.split(". ")[1] + ".", call.tags.template.partition("@")[0]
    if call.items > 1:
        ids = [part.partition('"')[0] for part in call.messages[-1].content.split('<item id="')[1:]]
        return json.dumps({"answers": [{"id": one, "answer": "politics"} for one in ids]})
    parts = [{"id": "a", "request": quote, "needs": []}, {"id": "b", "request": quote, "needs": ["a"]}]
    structured = {
        "critique/check": {"problems": [{"statement": answer, "kind": "unsupported", "source": "", "correction": ""}]},
        "decompose/split": {"parts": parts},
        "extract/map": {"items": [{"name": "votes", "value": "7:2", "quote": quote}]},
        "keywords/map": {"keywords": ["7", answer.partition(" ")[0]]},
    }
    if template in structured:
        return json.dumps(structured[template])
    plain = {"ask/map": f"- {quote}", "ask/answer": f"{answer} [1]", "classify/one": "politics"}
    return plain.get(template, answer)


@cache
def ran(chain: str, language: str) -> tuple[po.Result, list[Call]]:
    """One run of a chain over two documents, and the calls that reached the model."""
    text, answer = TEXTS[language], ANSWERS[language]
    backend = Scripted(answer=lambda call: said(call, text, answer), price=price("gpt-5-mini"))
    long = {"chunk_tokens": 64} if chain in LONG else {}
    sources = [po.Source(f"{one}.md", text=text.replace("7", str(one)) * (4 if long else 1)) for one in (7, 8)]
    with po.connect(backend) as client:
        result = po.run(chain, sources, client, words=40, **long, **SETTINGS.get(chain, {}))
    return result, backend.calls


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("chain", names())
def test_every_stock_chain_answers_in_both_languages(chain: str, language: str) -> None:
    """Every document, wholly, with what the model said; and nothing of the document stands in the instructions."""
    result, calls = ran(chain, language)
    assert result.status == "ok", [document.error for document in result.documents]
    assert result.coverage == 1
    told = {"classify": "politics", "keywords": ANSWERS[language].partition(" ")[0], "extract": '"value": "7:2"'}
    for text in [result.text] if chain == "ask" else [document.text for document in result.documents]:
        assert told.get(chain, ANSWERS[language].rstrip(".")) in text
    first = TEXTS[language].partition(". ")[0]
    assert all(first not in call.messages[0].content for call in calls)


def test_every_stock_template_is_used_by_a_stock_chain() -> None:
    """None ships that nobody can reach by a chain."""
    used = {call.tags.template.partition("@")[0] for chain in names() for call in ran(chain, "korean")[1]}
    packed = [call for call in ran("classify", "korean")[1] if call.items > 1]
    assert used | ({"packing/items"} if packed else set()) == set(Library().names())
