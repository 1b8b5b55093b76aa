"""JSON: one valid object however a run ends, with exactly the keys that are promised."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.drivers.estimate import Estimate, Level
from promptops.drivers.result import Result
from promptops.plans.results import CorpusResult, DocumentResult, Span
from promptops.prices import dollars
from promptops.report import jsonable
from promptops.report.words import duration, plain, plural, spent
from promptops.store import Row
from promptops.types import Totals, Usage

USAGE = {"calls", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "usd"}
DOCUMENT = {
    "problems",
    "notes",
    "source",
    "status",
    "text",
    "data",
    "chunks",
    "coverage",
    "citations",
    "tree",
    "usage",
    "error",
}
RUN = {"run", "chain", "model", "status", "documents", "corpus", "coverage", "usage", "estimate"}

TOTALS = Totals.of(Usage(10, 4, 5, 2), Decimal("0.0012"))
ONE = DocumentResult("a.txt", "ok", "요약", chunks=1, coverage=(Span(0, 9, "ok"),), usage=TOTALS)


def result(**changes: Any) -> Result:
    """A run of one document."""
    given = {
        "run": "r1",
        "chain": "c",
        "model": "m",
        "status": "ok",
        "documents": (ONE,),
        "corpus": None,
        "usage": TOTALS,
    }
    return Result(**{**given, **changes})


def written(*documents: DocumentResult, rest: dict[str, Any] | None = None, encoding: str = "utf-8") -> dict[str, Any]:
    """The object that a writer makes of these, read back from bytes."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace")
    writer = jsonable.ObjectWriter(stream)
    for document in documents:
        writer.add(document)
    writer.close(jsonable.rest(result()) if rest is None else rest)
    value: dict[str, Any] = json.loads(raw.getvalue().decode(encoding), parse_constant=pytest.fail)
    return value


@pytest.mark.parametrize("number", [0, 1, 2, 50])
def test_an_object_is_valid_for_any_number_of_documents(number: int) -> None:
    """With the promised keys, and the documents in their order."""
    documents = [DocumentResult(f"{n}.txt", "ok", f"text {n}") for n in range(number)]
    value = written(*documents)
    assert set(value) == RUN
    assert [found["source"] for found in value["documents"]] == [document.source for document in documents]


def test_a_document_has_the_promised_keys() -> None:
    """And its spans and usage theirs; ``stopped`` is for the program, not for the report."""
    value = written(ONE)["documents"][0]
    assert set(value) == DOCUMENT
    assert value["coverage"] == [{"start": 0, "end": 9, "status": "ok", "reason": None}]
    assert value["usage"] == {
        "calls": 1, "input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 5, "reasoning_tokens": 2,
        "usd": 0.0012,
    }  # fmt: skip
    assert value["text"] == "요약"


def test_an_unknown_price_is_null() -> None:
    """Never 0."""
    assert jsonable.usage(Totals.of(Usage(1, 0, 1, 0), None))["usd"] is None
    assert jsonable.usage(Totals())["usd"] == 0


def test_an_object_ends_once() -> None:
    """A second end, as after an interruption, adds nothing."""
    stream = io.StringIO()
    writer = jsonable.ObjectWriter(stream)
    writer.add(ONE)
    writer.close({"status": "ok"})
    writer.close({"status": "incomplete"})
    assert json.loads(stream.getvalue())["status"] == "ok"


def test_nothing_is_written_before_there_is_something() -> None:
    """A run that is refused leaves standard output empty until its object is ended."""
    stream = io.StringIO()
    jsonable.ObjectWriter(stream)
    assert stream.getvalue() == ""


@given(text=st.text(st.characters(exclude_categories=[])), source=st.text(st.characters(exclude_categories=[])))
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "cp949", "utf-16"])
def test_any_text_survives_in_any_encoding(encoding: str, text: str, source: str) -> None:
    """Half characters and scripts that the stream lacks are escaped; the reader gets what was written."""
    value = written(DocumentResult(source, "ok", text), encoding=encoding)["documents"][0]
    assert value["text"].encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
    assert value["source"] == jsonable.printable(source)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("한글.txt", "한글.txt"),
        (b"caf\xe9.txt".decode("utf-8", "surrogateescape"), "caf\ufffd.txt"),
        ("한".encode().decode("ascii", "surrogateescape"), "한"),
        ("a\ud800b", "a\ufffdb"),
        ("", ""),
    ],
)
def test_a_name_of_any_bytes_can_be_shown(name: str, shown: str) -> None:
    """What is no text becomes the replacement character."""
    assert jsonable.printable(name) == shown


def test_an_estimate_has_expected_and_most_per_level() -> None:
    """And what cannot be read."""
    unreadable = (DocumentResult("b.bin", "failed", error="binary"),)
    value = jsonable.estimate(
        Estimate("c", "m", 2, unreadable, TOTALS, TOTALS, (Level("map", 0, TOTALS, TOTALS),), 1, 9)
    )
    assert value is not None
    assert set(value) >= USAGE | {"most", "levels", "stored", "window", "exact", "documents", "unreadable"}
    assert set(value["levels"][0]) == USAGE | {"step", "level", "most"}
    assert value["unreadable"] == [{"source": "b.bin", "status": "failed", "error": "binary"}]
    assert jsonable.estimate(None) is None


def test_a_ledger_row_is_its_key_and_the_six_figures() -> None:
    """And marks for what is not certain."""
    value = jsonable.ledger(Row("r1", TOTALS, possibly_billed=True, failed=2))
    assert set(value) >= USAGE | {"key"}
    assert (value["key"], value["possibly_billed"], value["failed_attempts"]) == ("r1", True, 2)


def test_the_overview_has_its_own_usage() -> None:
    """As a document has."""
    value = written(rest=jsonable.rest(result(corpus=CorpusResult("ok", "all", 2, usage=TOTALS))))
    fields = {"status", "text", "data", "documents", "citations", "tree", "notes", "left_out", "usage", "error"}
    assert set(value["corpus"]) == fields
    assert set(value["corpus"]["usage"]) == USAGE


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        (None, "price unknown"), ("0", "$0"), ("1234.5", "$1,234.50"), ("0.0123", "$0.0123"), ("0.000012", "$0.000012"),
        ("0.00000005", "under $0.000001"),
    ],
)  # fmt: skip
def test_money_shows_what_matters(usd: str | None, said: str) -> None:
    """Neither an unknown price nor a tiny amount looks like nothing."""
    assert dollars(None if usd is None else Decimal(usd)) == said


def test_words_for_figures() -> None:
    """Plurals, durations and a line of what was spent."""
    assert [plural(n, "call") for n in (0, 1, 2000)] == ["0 calls", "1 call", "2,000 calls"]
    assert plural(2, "reply") == "2 replies"
    assert [duration(seconds) for seconds in (0, 7.4, 754, 3723)] == ["0:00", "0:07", "12:34", "1:02:03"]
    assert spent(TOTALS) == "1 call · 10 tokens in (4 cached, 40 %), 5 out · $0.0012"


def test_control_characters_become_spaces() -> None:
    """Those that a caller keeps stay."""
    assert plain("a\x1b[2Jb\nc\u202ed\x9b") == "a [2Jb c d "
    assert plain("a\nb\tc\x07", keep="\n\t") == "a\nb\tc "
