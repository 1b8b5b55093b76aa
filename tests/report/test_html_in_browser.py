"""The page of ``--html`` in a real browser: what lights up, by mouse and by keys, and how it can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from promptops.plans.results import Citation, CorpusResult, DocumentResult, Flag, Node, Place, Span
from promptops.types import Source, Totals, Usage

RIVERS = "Three rivers meet at the bridge. 🌊 The oldest is the Aare; nobody knows how old.\n\n" * 30
KOREAN = "세 강이 다리에서 만난다. 👩‍👩‍👧 가장 오래된 강은 아레이다. 아무도 그 나이를 모른다.\n" * 30
LONG = "x" * 3_000

CONTRAST = """() => {
    const parse = (colour) => colour.match(/[0-9.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = parse(colour).slice(0, 3).map((part) => part / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if ((parse(colour)[3] ?? 1) > 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const found = [];
    for (const element of document.querySelectorAll("body *"))
        for (const pseudo of [null, "::before", "::after"]) {
            const style = getComputedStyle(element, pseudo);
            if (pseudo ? style.content === "none" : !element.childNodes.length) continue;
            const own = pseudo && (parse(style.backgroundColor)[3] ?? 1) > 0 ? style.backgroundColor : behind(element);
            const [high, low] = [light(style.color), light(own)].sort((a, b) => b - a);
            if ((high + 0.05) / (low + 0.05) < 4.5)
                found.push(`${element.localName}.${element.className}${pseudo ?? ""}: ${style.color} on ${own}`);
        }
    return [...new Set(found)];
}"""


Open = Callable[..., Any]


def place(source: str, text: str, words: str, nth: int = 0) -> Place:
    """Where ``words`` stand in ``text`` for the nth time."""
    start = -1
    for _ in range(nth + 1):
        start = text.index(words, start + 1)
    return Place(source, start, start + len(words), words)


def sentence(
    answer: str, words: str, *places: Place, flag: Flag | None = None, numbers: tuple[int, ...] = ()
) -> Citation:
    """What a sentence of ``answer`` rests on."""
    start = answer.index(words)
    return Citation(start, start + len(words), places, flag, numbers)


def usage(tokens: int) -> Totals:
    """What one call took."""
    return Totals.of(Usage(tokens, 0, 10, 0), None)


ANSWER = "The Aare is the oldest. Three rivers meet. Nobody knows more. It was \u201cvery old\u201d. See also [9]."
COREAN = "아레가 가장 오래되었다. 세 강이 만난다."


@pytest.fixture
def rivers(written: Callable[..., Path]) -> Path:
    """Two documents, one of them Korean, with an overview; sentences of every kind and spans of every status."""
    citations = (
        sentence(ANSWER, "The Aare is the oldest.", place("a.txt", RIVERS, "The oldest is the Aare", 20), numbers=(1,)),
        sentence(
            ANSWER, "Three rivers meet.", place("a.txt", RIVERS, "Three rivers meet", 3),
            place("a.txt", RIVERS, "rivers meet at the bridge. 🌊", 3), place("a.txt", RIVERS, "Three rivers", 25),
            numbers=(2, 3, 4),
        ),
        sentence(ANSWER, "Nobody knows more.", flag="uncited"),
        sentence(ANSWER, "It was \u201cvery old\u201d.", place("a.txt", RIVERS, "how old", 1), flag="misquoted"),
        sentence(ANSWER, "See also [9].", flag="unresolved"),
    )  # fmt: skip
    fifth = len(RIVERS) // 5
    spans = [
        Span(number * fifth, (number + 1) * fifth if number < 4 else len(RIVERS), status, reason)
        for number, (status, reason) in enumerate(
            [
                ("ok", None),
                ("failed", "the server said 500"),
                ("truncated", None),
                ("refused", "<filter>"),
                ("ok", None),
            ]
        )
    ]
    leaves = tuple(Node("map", 0, span.start, span.end, span.status, "part", span.reason, usage(100)) for span in spans)
    tree = (Node("reduce", 1, 0, len(RIVERS), "ok", ANSWER, usage=usage(50), children=leaves),)
    korean = (sentence(COREAN, "아레가 가장 오래되었다.", place("나.md", KOREAN, "가장 오래된 강은 아레이다.", 9)),)
    overview = "Two texts speak of the Aare. Both are long."
    both = sentence(
        overview, "Two texts speak of the Aare.", place("나.md", KOREAN, "강은 아레이다. 아무도", 28),
        place("a.txt", RIVERS, "is the Aare; nobody", 20),
    )  # fmt: skip
    folder = (Node("corpus", 1, 0, 2, "ok", overview, usage=usage(70)),)
    path: Path = written(
        DocumentResult("a.txt", "truncated", ANSWER, coverage=tuple(spans), citations=citations, tree=tree),
        DocumentResult("나.md", "ok", COREAN, coverage=(Span(0, len(KOREAN), "ok"),), citations=korean),
        texts=[RIVERS, KOREAN],
        corpus=CorpusResult("ok", overview, 2, citations=(both,), tree=folder),
    )
    return path


def test_a_click_lights_what_a_sentence_rests_on(opened: Open, rivers: Path) -> None:
    """Exactly that, though emoji stand before it; in view, in the right document; a second click ends it."""
    seen = opened(rivers)
    assert seen.texts(".lit") == ""
    pressed = seen.press(1)
    assert pressed.get_attribute("aria-pressed") == "true"
    assert seen.texts(".lit") == seen.texts(".current") == "The oldest is the Aare"
    assert seen.page.locator(".source:visible h3").all_text_contents() == ["a.txt"]
    assert seen.in_view(".current")
    start = place("a.txt", RIVERS, "The oldest is the Aare", 20).start + 1
    assert seen.texts("#told") == f"a.txt, characters {start:,}–{start + 21:,}"
    pressed.click()
    assert pressed.get_attribute("aria-pressed") == "false"
    assert seen.texts(".lit") == ""


def test_a_sentence_of_the_overview_lights_several_documents(opened: Open, rivers: Path) -> None:
    """The first place first; the next one on request, whichever document it is in."""
    seen = opened(rivers)
    seen.press(0)
    assert seen.texts(".current") == "강은 아레이다. 아무도"
    assert seen.page.locator(".source:visible h3").all_text_contents() == ["나.md"]
    assert seen.in_view(".current")
    seen.page.get_by_role("button", name="Next").click()
    assert seen.texts(".current") == "is the Aare; nobody"
    assert seen.page.locator(".source:visible h3").all_text_contents() == ["a.txt"]
    assert seen.in_view(".current")
    assert seen.texts("#told").startswith("2 of 2: a.txt, characters ")


def test_keys_do_what_clicks_do(opened: Open, rivers: Path) -> None:
    """Tab to a sentence, Enter or space lights it, n and p go through its places, Escape leads back to it."""
    seen = opened(rivers)
    keys, focused = seen.page.keyboard, ":focus"
    for _ in range(30):
        keys.press("Tab")
        if seen.texts(focused) == "Three rivers meet.":
            break
    keys.press("Enter")
    assert seen.page.locator(focused).get_attribute("aria-pressed") == "true"
    assert seen.texts(".lit") == "Three rivers meet at the bridge. 🌊Three rivers"
    stops = ["Three rivers meet", "rivers meet at the bridge. 🌊", "Three rivers"]
    for key, words in [("n", stops[1]), ("n", stops[2]), ("n", stops[0]), ("p", stops[2])]:
        keys.press(key)
        assert seen.texts(".current") == words
        assert seen.in_view(".current")
    seen.page.get_by_role("button", name="Next").focus()
    keys.press("Escape")
    assert seen.texts(focused) == "Three rivers meet."
    assert seen.texts(".lit") == ""
    keys.press("Space")
    assert seen.texts(".lit") == "Three rivers meet at the bridge. 🌊Three rivers"


def test_a_click_on_a_source_finds_the_sentences(opened: Open, rivers: Path) -> None:
    """All that rest on just that, of documents and of the overview."""
    seen = opened(rivers)
    seen.page.locator("#s0 .cited", has_text="is the Aare").last.click()
    assert seen.page.locator(".sentence.resting").all_text_contents() == [
        "Two texts speak of the Aare.",
        "The Aare is the oldest.",
    ]
    assert seen.texts("#told") == "2 sentences rest on this"


def test_doubtful_sentences_are_marked_in_words(opened: Open, rivers: Path) -> None:
    """Beside the sentence, and in a legend that says what they mean; the header counts them."""
    seen = opened(rivers)
    assert "7, 1 misquoted, 1 uncited, 1 unresolved" in seen.texts("header dd")
    for flag, words in {
        "uncited": "Nobody knows more.",
        "misquoted": "It was \u201cvery old\u201d.",
        "unresolved": "See also [9].",
    }.items():
        marked = seen.page.locator(f"#d0 [data-flag={flag}]")
        assert marked.text_content() == words
        assert marked.evaluate("element => getComputedStyle(element, '::after').content") == f'"\xa0{flag}"'
        assert seen.page.locator(f"#means-{flag}").count() == 1
    assert seen.page.locator("#d0 [aria-describedby]").get_attribute("aria-describedby") == "means-misquoted"
    seen.page.locator(".legend summary").click()
    assert seen.page.locator("#means-uncited").is_visible()


def test_coverage_is_seen_on_the_source(opened: Open, rivers: Path) -> None:
    """Each span has its colour, and begins with its status and reason; the strip above shows where they are."""
    seen = opened(rivers)
    fifth = len(RIVERS) // 5
    for number, status in enumerate(["failed", "truncated", "refused"], 1):
        assert seen.texts(f"#s0 .text .{status}") == RIVERS[number * fifth : (number + 1) * fifth]
    assert [label.get_attribute("data-fate") for label in seen.page.locator("#s0 [data-fate]").all()] == [
        "failed: the server said 500",
        "truncated",
        "refused: <filter>",
    ]
    colours = seen.page.locator("#s0 .strip rect").evaluate_all("all => all.map(one => getComputedStyle(one).fill)")
    assert len(colours) == 5
    assert len(set(colours)) == 4
    assert "the answer rests on 60 %" in seen.texts("#s0 .figures")


def test_the_tree_leads_to_the_spans(opened: Open, rivers: Path) -> None:
    """Each node says what it took and what all below it did; a click lights its span, and opens or closes it."""
    seen = opened(rivers)
    seen.page.locator("#d0 .tree > summary").click()
    root, leaf = seen.page.locator("#d0 .node").first, seen.page.locator("#d0 .node .node").nth(1)
    assert "1 call · 50 tokens in, 10 out · price unknown" in (root.locator("> summary").text_content() or "")
    assert "With all below: 6 calls · 550 tokens in, 60 out" in (root.locator("> .figures").text_content() or "")
    fifth = len(RIVERS) // 5
    leaf.locator("> summary").click()
    assert seen.texts(".lit") == RIVERS[fifth : 2 * fifth]
    assert leaf.locator(".error").text_content() == "the server said 500"
    assert leaf.locator(".error").is_visible()
    root.locator("> summary").click()
    assert seen.texts(".lit") == RIVERS
    assert leaf.is_visible()
    root.locator("> summary").click()
    assert not leaf.is_visible()
    seen.page.locator("#overview .tree > summary").click()
    seen.page.locator("#overview .node > summary").click()
    assert seen.page.locator("details.document.resting").count() == 2


def test_any_places_light_exactly_their_text(opened: Open, written: Callable[..., Path]) -> None:
    """A hundred places that overlap at random, in a text whose characters are not what a browser counts in."""
    chance = Random(7)
    text = "".join(chance.choices(["a", "é", "e\u0301", "한", "🌊", "👩‍👩‍👧", "\n", " ", "<b>", "&amp;", "\t"], k=600))
    ranges = [sorted(chance.sample(range(len(text) + 1), 2)) for _ in range(100)]
    answer = "".join(f"{number:03}. " for number in range(100))
    citations = tuple(
        Citation(5 * number, 5 * number + 4, (Place("a", start, end, text[start:end]),))
        for number, (start, end) in enumerate(ranges)
    )
    spans = tuple(Span(start, min(start + 70, len(text)), "ok") for start in range(0, len(text), 70))
    seen = opened(written(DocumentResult("a", "ok", answer, coverage=spans, citations=citations), texts=[text]))
    found = seen.page.evaluate(
        """() => [...document.querySelectorAll(".sentence[role]")].map((sentence) => {
            sentence.click();
            return [...document.querySelectorAll(".lit")].map((part) => part.textContent).join("");
        })"""
    )
    assert found == [text[start:end] for start, end in ranges]
    assert seen.page.locator(".source .text").text_content() == text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1_600])
def test_it_is_readable_at_any_width_and_in_the_dark(
    opened: Open, written: Callable[..., Path], rivers: Path, width: int, scheme: str
) -> None:
    """Nothing runs off the side, and every text has the contrast of WCAG AA (4.5 to 1) to what is behind it."""
    seen = opened(rivers, width=width, color_scheme=scheme)
    seen.page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    seen.press(2)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("main", "#sources"):
        assert seen.page.locator(name).evaluate("element => element.scrollWidth <= element.clientWidth")
    assert seen.page.evaluate(CONTRAST) == []
    assert seen.in_view(".current")
    wide = written(DocumentResult(LONG, "failed", LONG, error=LONG), texts=[LONG], model=LONG)
    assert opened(wide, width=width, color_scheme=scheme).page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_and_roles_are_in_order(opened: Open, rivers: Path) -> None:
    """Every id once, every reference to one that is there, languages and directions of what is not English."""
    seen = opened(rivers)
    ids = seen.page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))
    for name in ("aria-describedby", "aria-labelledby"):
        assert set(
            seen.page.locator(f"[{name}]").evaluate_all(f"all => all.map(one => one.getAttribute('{name}'))")
        ) <= {*ids}
    assert seen.page.locator("html").get_attribute("lang") == "en"
    for selector, language in [("#d1 > .answer", "ko"), ("#s1 .text", "ko"), ("#d0 > .answer", "")]:
        assert seen.page.locator(selector).get_attribute("lang") == language
        assert seen.page.locator(selector).get_attribute("dir") == "auto"
    assert seen.page.get_by_role("button", name="The Aare is the oldest.").count() == 1
    assert seen.page.get_by_role("button", name="Nobody knows more.").count() == 0
    assert seen.page.get_by_role("region", name="Sources").count() == 1


def test_paper_and_pages_without_script_show_everything(opened: Open, rivers: Path) -> None:
    """All answers and all sources, one after another, with the numbers that lead from one to the other."""
    plain = opened(rivers, java_script_enabled=False)
    assert [plain.page.locator(name).is_visible() for name in ("#d0", "#d1", "#s0", "#s1")] == [True] * 4
    assert not plain.page.locator("#bar").is_visible()
    paper = opened(rivers)
    paper.page.emulate_media(media="print")
    assert [paper.page.locator(name).is_visible() for name in ("#d0", "#d1", "#s0", "#s1")] == [True] * 4
    assert not paper.page.locator("#bar").is_visible()
    numbers = paper.page.locator("#s0 [data-labels]").evaluate_all("all => all.map(one => one.dataset.labels)")
    assert numbers == ["2", "3", "1", "4"]
    assert len(paper.page.pdf()) > 10_000


def test_what_cannot_be_read_again_lights_its_excerpts(
    opened: Open, written: Callable[..., Path], tmp_path: Path
) -> None:
    """Those that sentences rest on; a node has nothing to light, and says so."""
    cited = (sentence(ANSWER, "Three rivers meet.", place("a", RIVERS, "rivers meet"), place("a", RIVERS, "the Aare")),)
    tree = (Node("map", 0, 0, 9, "ok", "x"),)
    seen = opened(
        written(
            DocumentResult("a", "ok", ANSWER, citations=cited, tree=tree),
            sources=[Source("a", str(tmp_path / "gone.txt"))],
        )
    )
    seen.press()
    assert seen.texts(".current q") == "rivers meet"
    seen.page.keyboard.press("n")
    assert seen.texts(".current q") == "the Aare"
    seen.page.locator(".tree > summary").click()
    seen.page.locator(".node > summary").click()
    assert seen.texts("#told") == "a, characters 1–9, whose text is not shown"


def test_a_deep_tree_and_many_documents_stay_in_their_place(opened: Open, written: Callable[..., Path]) -> None:
    """Two thousand levels do not push what follows out of the page; a name filters many documents."""
    tree = Node("refine", 0, 0, 3, "ok", "x")
    for level in range(1, 2_000):
        tree = Node("refine", level, 0, 3, "ok", "x", children=(tree,))
    names = ["first", *(f"{number}.txt" for number in range(30))]
    results = [DocumentResult(name, "ok", "abc", tree=(tree,) if name == "first" else ()) for name in names]
    seen = opened(written(*results, texts=["abc"] * len(results)))
    assert seen.page.locator("#d0 .node").count() == 2_000
    assert seen.page.locator("#documents > .document").count() == len(names)
    assert seen.page.locator("#sources > .source").count() == len(names)
    seen.page.locator("#filter").fill("12")
    assert seen.page.locator(".document:visible h3").all_text_contents() == ["12.txt"]
    seen.page.locator("#d13 > summary").click()
    assert seen.page.locator(".source:visible h3").all_text_contents() == ["12.txt"]
