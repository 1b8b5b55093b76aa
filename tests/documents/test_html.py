"""What of a page's structure is kept as Markdown, and that no markup is too broken or too deep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.documents.html import charset, looks_like_html, to_markdown


def _text(page: str) -> str:
    return to_markdown(page)[0]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<h1>One</h1><h3>Three <em>parts</em></h3>", "# One\n\n### Three parts"),
        ("<h2><div>Inside</div></h2>after", "## Inside\n\nafter"),
        ("<p>a  b\n c<p>d", "a b c\n\nd"),
        ("<p>a<br>b<br/>c", "a\nb\nc"),
        ("a <a href='http://x'>link</a>, <b>bold</b>", "a link, bold"),
        ("<p>fish &amp; chips &lt;3 &nbsp; &#44032;", "fish & chips <3 가"),
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e", "- a\n- b\n  - c\n- d\n\ne"),
        ("<ol start=3><li>c<li>d</ol>", "3. c\n4. d"),
        ("<ul><li><p>a</p><p>b</p><li>c</ul>", "- a\n\n  b\n\n- c"),
        ("<p>run <code>a  b</code> or <kbd>x`y</kbd>", "run `a b` or `` x`y ``"),
        ("<pre><code class='language-js'>a\n  b\n</code></pre>", "```js\na\n  b\n```"),
        ("<pre>```\nx\n```</pre>", "````\n```\nx\n```\n````"),
        ("<div class='highlight-python3 x'><pre>f(<b>1</b>)<br>g</pre></div>", "```python3\nf(1)\ng\n```"),
        ("<blockquote>said<p>twice</blockquote>", "> said\n\n> twice"),
        (
            "<table><caption>Cap</caption><tr><th>a<th>b<tr><td>1|2<td><p>x</p><p>y</p></table>",
            "Cap\n\n| a | b |\n| --- | --- |\n| 1\\|2 | x y |",
        ),
        ("<table><tr><td colspan=2>a<tr><td>b<td>c</table>", "| a |  |\n| --- | --- |\n| b | c |"),
        ("<table><tr><td><h2>Menu</h2>m<td>body</table>", "## Menu\n\nm\n\nbody"),
        ("<table><tr><td>only</table>", "only"),
        ("<table><tr><td><table><tr><td>1<td>2</table><td>x</table>", "| 1 | 2 |\n| --- | --- |\n\nx"),
        ("<img alt='A chart'>", "A chart"),
        ("in\xadvisible hy\xadphen", "invisible hyphen"),
        ("", ""),
        ("  \n ", ""),
        ("no markup", "no markup"),
    ],
)
def test_structure_becomes_markdown(page: str, expected: str) -> None:
    """Headings, paragraphs, lists, tables, quotations and code."""
    assert _text(page) == expected


def test_what_is_not_read_is_dropped() -> None:
    """Scripts, styles, navigation, hidden parts and the marks beside headings."""
    page = """<head><title>T</title><style>.a{}</style></head><script>var a = "<p>no</p>";</script><nav>no</nav>
      <div role=navigation>no</div><div hidden>no</div><i aria-hidden=true>no</i><template>no</template>
      <svg><title>no</title><text>no</text></svg><h1>Yes<a class=headerlink>¶</a></h1><!-- no --><button>no</button>"""
    assert to_markdown(page) == ("# Yes", "T")


def test_a_page_of_links_is_kept() -> None:
    """Where navigation is all there is, it is the document."""
    assert _text("<nav><ul><li>one<li>two</ul></nav><script>no</script>") == "- one\n- two"


def test_the_title_is_one_line() -> None:
    """White space collapsed, entities resolved, the first that says anything."""
    assert to_markdown("<title></title><title> A\n &amp; B </title><title>C</title>")[1] == "A & B"


def test_the_declared_encoding_is_found() -> None:
    """In either form of the meta element, and in an XML declaration."""
    assert charset(b"<html><meta charset=EUC-KR>") == "EUC-KR"
    assert charset(b"<meta http-equiv='Content-Type' content='text/html; charset=shift_jis'>") == "shift_jis"
    assert charset(b"<?xml version='1.0' encoding='big5'?><html>") == "big5"
    assert charset(b"<p>charset=none") is None


def test_a_page_is_known_by_its_beginning() -> None:
    """Markdown that holds markup is not a page."""
    assert looks_like_html(" <!-- saved -->\n<!DOCTYPE html><p>")
    assert looks_like_html("<?xml version='1.0'?><html lang=ko>")
    assert not looks_like_html("# Title\n<html>")
    assert not looks_like_html("<htmlish>")


@pytest.mark.parametrize(
    "unit",
    [
        "<div>", "<b><i>", "<ul><li>", "<ol><li>x", "<table><tr><td>", "<blockquote>", "<font><a><p>", "<pre>",
        "<code>", "<h1>", "<nav>", "<title>", "<td colspan=999>x", "<a <b <<!-- <p x='", "<!",
        "</p>", "<br>", "&", "<", "`", " ",
        "<p class='language", "<!-- ", "<svg>", "<dl><dd>", "<td>x</table>", "</ul></table></pre></blockquote>",
    ],
)  # fmt: skip
def test_no_markup_is_too_deep_or_too_broken(unit: str) -> None:
    """A quarter of a megabyte of anything, then text that is not lost where the markup leaves it text."""
    text, title = to_markdown(unit * (250_000 // len(unit)) + "<p>the end")
    assert len(text) < 3_000_000
    assert isinstance(title, str)


def test_deep_markup_loses_no_text() -> None:
    """What stands a hundred thousand elements deep is there, its indentation bounded."""
    assert _text("<div>" * 100_000 + "deep") == "deep"
    assert _text("<ul><li>" * 100_000 + "deep").strip() == "- deep"
    assert _text("<blockquote>" * 100_000 + "deep") == "> " * 8 + "deep"
    assert _text("<table><tr><td>a<td>" * 2_000 + "deep").split()[-1] in {"deep", "|"}


FRAGMENTS = [
    "<p>", "</p>", "<ul>", "</ul>", "<li>", "<table>", "</table>", "<tr>", "<td>", "<pre>", "</pre>", "<code>",
    "</code>", "<h2>", "</h2>", "<blockquote>", "</blockquote>", "<br>", "<b>", "</b>", "<ol>",
    "</ol>", "<dd>", "</div>",
    "<caption>",
]  # fmt: skip


@given(st.lists(st.sampled_from([*FRAGMENTS, "wordone ", "wordtwo ", "wordthree "]), max_size=60))
def test_every_word_of_any_markup_is_kept(parts: list[str]) -> None:
    """Tags in any order: the words come out once each."""
    text = _text("<body>" + "".join(parts))
    for word in "wordone", "wordtwo", "wordthree":
        assert text.count(word) == parts.count(word + " ")


@given(st.text(max_size=300))
def test_any_text_converts(page: str) -> None:
    """Nothing is raised, and the result can be encoded."""
    text, title = to_markdown(page)
    (text + title).encode()
