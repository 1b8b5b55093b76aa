"""The page of ``--html``: texts cut where they must be, nothing acts that was text, a file is whole or absent."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.drivers.result import Result
from promptops.errors import UsageError
from promptops.plans.results import Citation, CorpusResult, DocumentResult, Node, Place, Span
from promptops.report import html
from promptops.report.html.answers import DEEPEST, pieces, rows
from promptops.report.html.markup import language, marked_up
from promptops.report.html.segments import Cited, segments
from promptops.types import Source, SpanStatus, Totals, Usage

Written = Callable[..., Path]

STATUSES: list[SpanStatus] = ["ok", "failed", "truncated", "refused", "empty"]
TEXT = "Three rivers meet. 세 강이 만난다. 🌊🌊 They are wide."


def named(*names: str) -> list[DocumentResult]:
    return [DocumentResult(name, "ok", f"text of {name}") for name in names]


@st.composite
def marked_texts(draw: st.DrawFn) -> tuple[str, list[Span], list[Cited], list[int]]:
    """A text with coverage that tiles it, places that overlap in any way, and borders of nodes."""
    text = draw(st.text(min_size=1, max_size=60))
    cuts = sorted(draw(st.sets(st.integers(1, len(text)), max_size=6)) | {0, len(text)})
    spans = [Span(a, b, draw(st.sampled_from(STATUSES))) for a, b in itertools.pairwise(cuts)]
    ranges = draw(st.lists(st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text))), max_size=8))
    places = [Place("a", start, end, text[start:end]) for start, end in ranges if start < end]
    cited = [Cited(place, str(number)) for number, place in enumerate(places)]
    return text, spans, cited, draw(st.lists(st.integers(-2, len(text) + 2), max_size=4))


@given(marked_texts())
def test_segments_tile_the_text_and_nothing_changes_inside_one(
    made: tuple[str, list[Span], list[Cited], list[int]],
) -> None:
    """Every place is a row of whole segments, each cited; each has the status of its span; every label is there."""
    text, coverage, cited, borders = made
    found = list(segments(text, coverage, cited, borders))
    assert "".join(part.text for part in found) == text
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    for one in cited:
        inside = [part for part in found if one.place.start <= part.start and part.end <= one.place.end]
        assert "".join(part.text for part in inside) == one.place.text
        assert all(part.cited for part in inside)
        assert one.label in inside[0].labels
    covered = {index for one in cited for index in range(one.place.start, one.place.end)}
    status = {index: span.status for span in coverage for index in range(span.start, span.end)}
    for part in found:
        assert part.cited == (part.start in covered)
        assert {status[index] for index in range(part.start, part.end)} == {part.status}
    assert {part.start for part in found if part.fate} == {span.start for span in coverage}


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(-3, 45), st.integers(-3, 45)), max_size=6))
def test_an_answer_is_whole_whatever_its_citations_say(text: str, ranges: list[tuple[int, int]]) -> None:
    """Sentences that overlap, lie outside or are empty neither lose nor repeat a character."""
    citations = [Citation(start, end, (Place("a", 0, 1, "x"),)) for start, end in ranges]
    assert "".join(piece.text for piece in pieces(text, citations, lambda _: 0)) == text


def test_places_keep_their_numbers_and_documents() -> None:
    """Those in documents that are not of this run are left out."""
    places = (Place("a", 0, 2, "x"), Place("gone", 0, 2, "x"), Place("b", 5, 9, "x"))
    citations = [Citation(0, 4, places, numbers=(3, 1, 2)), Citation(4, 6, places)]
    first, second = pieces("abcdef", citations, lambda place: {"a": 0, "b": 7}.get(place.source))
    assert first.named == second.named == "0:0-2 7:5-9"
    assert [one.number for one in first.places] == [3, 2]
    assert [one.number for one in second.places] == [None, None]


def node(start: int, end: int, *children: Node, tokens: int = 1) -> Node:
    return Node("map", 0, start, end, "ok", usage=Totals.of(Usage(tokens, 0, 1, 0), None), children=children)


def test_a_tree_is_rows_that_open_and_close() -> None:
    """Each node before those below it, with what all of them took; every node is closed once."""
    tree = (node(0, 9, node(0, 4, node(0, 2)), node(4, 9), tokens=10), node(9, 12))
    found = rows(tree)
    assert [(row.node.start, row.node.end) for row in found] == [(0, 9), (0, 4), (0, 2), (4, 9), (9, 12)]
    assert [row.closing for row in found] == [0, 0, 2, 2, 1]
    assert [row.below.input_tokens for row in found] == [13, 2, 1, 1, 1]
    assert rows(()) == []


def test_a_tree_of_any_depth_is_shown() -> None:
    """Below a depth its nodes stand side by side, since browsers do not nest further."""
    tree = node(0, 1)
    for _ in range(5_000):
        tree = node(0, 1, tree)
    found = rows((tree,))
    assert sum(row.closing for row in found) == len(found) == found[0].below.calls == 5_001
    open_, deepest = 0, 0
    for row in found:
        open_ += 1
        deepest = max(deepest, open_)
        open_ -= row.closing
    assert (open_, deepest) == (0, DEEPEST + 1)


class Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.title: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.title = dict(attrs).get("title")

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_is_text(text: str) -> None:
    """In an element and in an attribute: the same characters, and no element of its own."""
    parser = Parser()
    parser.feed(f'<p title="{marked_up(text)}">{marked_up(text)}</p>')
    parser.close()
    assert (parser.tags, parser.text, parser.title) == (["p"], text, text)


def test_what_html_cannot_hold_is_replaced() -> None:
    """Null characters and half characters, one for one."""
    assert marked_up("a\0b\ud800c\r<") == "a\ufffdb\ufffdc&#13;&lt;"
    marked_up("\udfff").encode()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("세 강이 만난다.", "ko"),
        ("三つの川が出会う。", "ja"),
        ("三条河流在此相遇。", "zh"),
        ("Three rivers.", ""),
        ("", ""),
        ("Ada spoke of 강 and of much else that had no name, as one does.", ""),
    ],
)
def test_the_script_says_the_language(text: str, name: str) -> None:
    """Where it does; else the browser is told that it is unknown."""
    assert language(text) == name


def test_the_page_takes_its_name_once_it_is_whole(tmp_path: Path) -> None:
    """A run that is stopped leaves the page before it, and nothing beside it."""
    path = tmp_path / "new" / "page.html"
    sources = [Source("a", text="one"), Source("b", text="two")]
    with html.Page(path, sources) as page:
        page.add(named("a")[0])
        assert [found.name for found in path.parent.iterdir()] == ["page.html.part"]
    assert not list(path.parent.iterdir())
    html.write(Result("r", "c", "m", "ok", tuple(named("a", "b")), None, Totals()), path, sources)
    whole = path.read_bytes()
    assert [found.name for found in path.parent.iterdir()] == ["page.html"]
    with html.Page(path, sources) as page:
        page.add(named("a")[0])
    assert path.read_bytes() == whole
    assert html.is_page(path)


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    """A file that is no such page, or a folder, keeps its name; so does a place that cannot be written."""
    (tmp_path / "mine.html").write_text("<!doctype html>\n<html>my own</html>")
    for path in (tmp_path / "mine.html", tmp_path, Path(), Path("/")):
        with pytest.raises(UsageError, match=r"--html .*: something else has that name"):
            html.Page(path, [])
    with pytest.raises(UsageError, match=r"--html .*: .*; name a file that can be written"):
        html.Page(tmp_path / "mine.html" / "page.html", [])
    assert (tmp_path / "mine.html").read_text() == "<!doctype html>\n<html>my own</html>"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """That names the file and says that nothing paid for is lost."""
    (tmp_path / "page.html.part").symlink_to("/dev/full")
    with html.Page(tmp_path / "page.html", [Source("a", text="one")]) as page:
        page.add(named("a")[0])
        with pytest.raises(UsageError, match=r"--html .*: No space left on device; what is paid for is in the store"):
            page.end(Result("r", "c", "m", "ok", (), None, Totals()))
    assert not list(tmp_path.iterdir())


def test_sources_must_be_those_of_the_run(tmp_path: Path) -> None:
    """Or each answer would stand beside another's text."""
    result = Result("r", "c", "m", "ok", tuple(named("a", "b")), None, Totals())
    with pytest.raises(UsageError, match="2 documents and these are 1; give what the run was given"):
        html.write(result, tmp_path / "page.html", [Source("a", text="one")])


def test_a_source_that_cannot_be_read_again_says_so(tmp_path: Path, written: Written) -> None:
    """Only what answers rest on is shown: where it is gone, and where it has changed, be it in length or in words."""
    cited = Citation(0, 4, (Place("a", 6, 12, "rivers"),))
    result = DocumentResult("a", "ok", "Yes.", coverage=(Span(0, len(TEXT), "ok"),), citations=(cited,))
    for number, (source, why) in enumerate(
        [
            (Source("a", str(tmp_path / "gone.txt")), "is not there any more"),
            (Source("a", text=TEXT + "!"), "It has changed since"),
            (Source("a", text=TEXT.replace("rivers", "floods")), "It has changed since"),
        ]
    ):
        page = written(result, sources=[source]).read_text(encoding="utf-8")
        assert why in page, number
        assert '<li id="x0-6-12"><q class="text" lang="" dir="auto">rivers</q>' in page
        assert "만난다" not in page


def test_documents_of_one_name_keep_their_own_places(written: Written) -> None:
    """A sentence of the second rests on the second; one of the overview on the first of that name."""
    one = Citation(0, 4, (Place("a", 0, 5, "Three"),))
    results = [DocumentResult("a", "ok", "Yes.", citations=(one,)), DocumentResult("a", "ok", "Yes.", citations=(one,))]
    path = written(*results, texts=[TEXT, TEXT], corpus=CorpusResult("ok", "Yes.", 2, citations=(one,)))
    page = path.read_text(encoding="utf-8")
    assert [page.count(f'data-places="{number}:0-5"') for number in (0, 1)] == [2, 1]


def test_memory_does_not_grow_with_the_folder(tmp_path: Path) -> None:
    """Documents go to disk as they come, and come back one at a time."""

    def peak(number: int) -> int:
        sources = [Source(f"{n}.txt", text="x" * 20_000) for n in range(number)]
        tracemalloc.start()
        with html.Page(tmp_path / f"{number}.html", sources) as page:
            for source in sources:
                cited = Citation(0, 9, (Place(source.name, 5, 50, "x" * 45),))
                span = Span(0, 20_000, "ok")
                page.add(DocumentResult(source.name, "ok", "y" * 10_000, coverage=(span,), citations=(cited,)))
            page.end(Result("r", "c", "m", "ok", (), CorpusResult("ok", "All.", number), Totals()))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)  # templates are compiled once
    assert peak(200) - peak(20) < (tmp_path / "200.html").stat().st_size / 20
