"""Hostile texts on the page of ``--html``: in a real browser nothing of them runs, and each is shown as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from promptops.documents import load
from promptops.plans.results import Citation, CorpusResult, DocumentResult, Node, Place, Span
from promptops.types import Source

HOSTILE = [
    "<script>document.title = 'ran'</script>",
    "</script><script>document.title = 'ran'</script>",
    "</style><script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title = 'ran'\">",
    "<svg onload=\"document.title = 'ran'\"></svg>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe src=\"javascript:alert(1)\" srcdoc='<script>parent.document.title=1</script>'></iframe>",
    '<a href="javascript:alert(1)">here</a> [here](javascript:alert(1))',
    "<body onload=alert(1)><base href=\"https://example.org/\"><meta http-equiv=refresh content='0;url=about:blank'>",
    "<link rel=stylesheet href=//example.org/x.css><style>* { display: none }</style>",
    "<form action=//example.org><input autofocus onfocus=alert(1)><button formaction=javascript:alert(1)>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "\"><img src=x onerror=alert(1)> '><img src=x onerror=alert(1)> ` onmouseover=alert(1) x=`",
    "<!-- <script>alert(1)</script> --> <!--> --!> <![CDATA[ ]]> <?xml ?> <!doctype html>",
    "</div></span></article></section></main></body></html><plaintext><textarea><title><xmp><noscript>",
    "<template><script>alert(1)</script></template><math><mtext><table><mglyph><style><img src onerror=alert(1)>",
    "&lt;script&gt; &#60;b&#62; &amp;amp; &notit; &NewLine; &#0; &#x202e; &",
    "{{ 7 * 7 }} {% for x in y %} ${7*7} <%= 7 %> {# no #}",
    "line\u2028separator\u2029paragraph\x85next\x0bvertical\x0cform\x1b[2Jescape\x07",
    "abc\u202edesrever\u202c\u2066isolated \u200fright\u061c\u2067 unclosed",
    "zero\u200bwidth\ufeffmark\u00adsoft\ufff9\ufffb\ufffe\uffff\U0010ffff\U000e0041",
    "\n\nleading lines and trailing blanks \n \t \n",
    "عربي مع English ثم עברית",
    "Z\u0351\u036b\u0343\u036a\u0302a\u0334\u0335l\u0338g\u0321o\u0322 " * 3,
    "\x00null\x00 in it",
    "half \ud83c of a character and \udf0a the other",
    "carriage\rreturn\r\nand more\r\r\n",
    "https://example.org/?a=<b>&c=\"d\"#'e'",
]


def shown(text: str) -> str:
    """What HTML can hold of a text: all but null characters and half characters."""
    return "".join("\ufffd" if letter == "\0" or "\ud800" <= letter <= "\udfff" else letter for letter in text)


def test_nothing_in_a_text_acts(opened: Callable[..., Any], written: Callable[..., Path]) -> None:
    """In sources, answers, names, reasons, excerpts, trees and the header; and the page shows each as it is."""
    results = []
    for text in HOSTILE:
        cited = Citation(0, len(text), (Place(text, 0, 3, "gone"),), "misquoted")
        span = Span(0, 4, "failed", text)
        tree = (Node(text, 0, 0, 4, "failed", text, text),)
        results.append(
            DocumentResult(text, "failed", text, coverage=(span,), citations=(cited,), tree=tree, error=text)
        )
    results += [DocumentResult("s", "ok", text) for text in HOSTILE]
    texts = [f"= {text}" for text in HOSTILE]  # or it would be read as HTML, and that is another test
    sources = [*(Source(text, "/nowhere/at all") for text in HOSTILE), *(Source("s", text=text) for text in texts)]
    everything = " ".join(HOSTILE)
    overview = CorpusResult("truncated", everything, 2, error=everything)
    path = written(*results, sources=sources, corpus=overview, model=everything, reason=everything)
    seen = opened(path)
    seen.page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    for number, text in enumerate(HOSTILE):
        assert seen.page.locator(f"#d{number} > .answer").text_content() == shown(text), number
        assert seen.page.locator(f"#d{number} > .error").text_content() == shown(text), number
        assert seen.page.locator(f"#d{number} .node > .answer").text_content() == shown(text), number
        assert seen.page.locator(f"#x{number}-0-3 q").text_content() == "gone"
        other = number + len(HOSTILE)
        assert seen.page.locator(f"#d{other} > .answer").text_content() == shown(text), number
        assert seen.page.locator(f"#s{other} .text").text_content() == shown(load(sources[other]).text), number
    seen.page.locator("#d0 .sentence").click()
    assert seen.page.title() == "summarize: 56 documents"
    assert seen.page.locator("body > *").evaluate_all("all => all.map(one => one.localName)") == [
        "header", "main", "section", "script",
    ]  # fmt: skip
    assert seen.page.locator("script, style, img, iframe, link, form, base, object").count() == 3


def test_even_markup_that_got_in_could_do_nothing(opened: Callable[..., Any], written: Callable[..., Path]) -> None:
    """The page's own policy lets its own scripts and its style run, and nothing else load."""
    seen = opened(written(DocumentResult("a", "ok", "abc"), texts=["abc"]))
    smuggled = "<img src='https://example.org/x' onerror='document.title = 1'><p style='display: none' id=late>x</p>"
    arrived: list[Any] = []
    seen.page.on("requestfinished", lambda request: arrived.append(request.url))
    seen.page.evaluate("text => { document.body.insertAdjacentHTML('beforeend', text); }", smuggled)
    seen.page.wait_for_timeout(100)
    assert seen.page.title() == "summarize: 1 document"
    assert seen.page.locator("#late").is_visible()
    assert arrived == []
    assert len([wrong for wrong in seen.wrong if "Content Security Policy" in wrong]) == 3
    seen.wrong.clear()
