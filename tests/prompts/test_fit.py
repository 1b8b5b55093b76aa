"""A prompt made to fit: to the exact token, the least important parts first, and never silently."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptops.backends.scripted import Scripted
from promptops.client import Client
from promptops.errors import TemplateError, UsageError, WindowError
from promptops.prompts import Library
from promptops.prompts.shorten import MARK
from promptops.prompts.template import Prompt, Template
from promptops.text import sentences
from promptops.tokens import counter
from promptops.types import Counter, Reply

COUNTER = counter("gpt-5-mini")
HEAD = """---
name: t/fit
version: 1
inputs:
  text: {type: string, document: true, default: ""}
  examples: {type: list, default: []}
  turns: {type: list, default: []}
---
"""
BODY = """{%% system %%}
Answer as the examples do.
{%% for example in examples %%}
{%% section "examples", priority=1, least=%(least)d %%}
Example: {{ example }}
{%% endsection %%}
{%% endfor %%}
{%% endsystem %%}
{%% for turn in turns %%}
{%% section "history", priority=2, keep="tail" %%}
{%% user %%}{{ turn }}{%% enduser %%}
{%% assistant %%}Reply to {{ turn }}{%% endassistant %%}
{%% endsection %%}
{%% endfor %%}
{%% user %%}
{%% section "document", priority=3, shorten=true, keep="%(keep)s" %%}
{{ text | fence }}
{%% endsection %%}
What does it say?
{%% enduser %%}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    folder = tmp_path_factory.mktemp("templates")
    for keep in ("head", "tail", "both"):
        (folder / f"{keep}.j2").write_text(HEAD + BODY % {"least": 0, "keep": keep}, encoding="utf-8")
    (folder / "least.j2").write_text(HEAD + BODY % {"least": 12, "keep": "head"}, encoding="utf-8")
    return {path.stem: Library([folder]).template(path.stem) for path in sorted(folder.glob("*.j2"))}


def contents(prompt: Prompt) -> str:
    return "\n".join(message.content for message in prompt.messages)


TEXT = "".join(
    f"This is sentence {number}. 이것은 {number}번째 문장이다. " + "\n" * (number % 4 == 0) for number in range(400)
)


def test_what_fits_is_left_as_it_is(made: dict[str, Template]) -> None:
    """Nothing is given up, and nothing reported."""
    prompt = made["head"].render(text=TEXT, examples=["one"])
    assert prompt.fit(100_000, model=COUNTER) is prompt


def test_the_least_important_goes_first(made: dict[str, Template]) -> None:
    """Examples before history, the oldest turn first, and the document is only cut when both are gone."""
    given_ = {"text": TEXT, "examples": ["first", "second"], "turns": ["oldest", "newest"]}
    prompt = made["head"].render(**given_)
    whole = prompt.tokens(COUNTER)
    one_less = prompt.fit(whole - 1, model=COUNTER)
    assert "Example: first" in contents(one_less)
    assert "Example: second" not in contents(one_less)
    without_examples = made["head"].render(**{**given_, "examples": []}).tokens(COUNTER)
    fitted = prompt.fit(without_examples - 1, model=COUNTER)
    assert [message.content for message in fitted.messages[1:-1]] == ["newest", "Reply to newest"]
    assert TEXT in contents(fitted)
    short = prompt.fit(500, model=COUNTER)
    assert [message.role for message in short.messages] == ["system", "user"]
    report = {given_up.name: given_up.after for given_up in short.given_up}
    assert list(report) == ["examples", "history", "document"]
    assert report["history"] == 0


@pytest.mark.parametrize(
    ("keep", "begins", "ends"), [("head", True, False), ("tail", False, True), ("both", True, True)]
)
def test_a_document_is_cut_inside_its_fence_at_sentence_ends(
    made: dict[str, Template], keep: str, begins: bool, ends: bool
) -> None:
    """And a line of its own says where."""
    fitted = made[keep].render(text=TEXT).fit(1_000, model=COUNTER)
    content = fitted.messages[-1].content
    inner = content.split("<document>\n", 1)[1].split("\n</document>")[0]
    assert inner.startswith("This is sentence 0.") == begins
    assert inner.rstrip().endswith("399번째 문장이다.") == ends
    kept = [part.strip() for part in inner.split(MARK) if part.strip()]
    assert len(kept) == 1 + (keep == "both")
    for part in kept:
        assert part in TEXT
        assert part.endswith(("다.", "."))
    assert 950 < fitted.tokens(COUNTER) <= 1_000
    assert content.endswith("What does it say?")


TEXTS = st.text(
    st.sampled_from("ab .,\n\t\r다요。한국\u0085\x1c\u200d👩é̂🇰") | st.characters(exclude_categories=["Cs"]),
    max_size=600,
)


@given(
    keep=st.sampled_from(["head", "tail", "both"]),
    text=TEXTS,
    examples=st.lists(TEXTS, max_size=4),
    turns=st.lists(TEXTS.filter(str.strip), max_size=3),
    share=st.floats(0, 1),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_fitted_prompt_is_within_the_limit_and_gives_up_nothing_that_fits(
    made: dict[str, Template], keep: str, text: str, examples: list[str], turns: list[str], share: float
) -> None:
    """Whatever the texts are; an error says by how much what must stay passes the limit."""
    numbered = [f"{number} {example}" for number, example in enumerate(examples)]
    prompt = made[keep].render(text=text, examples=numbered, turns=turns)
    limit = int(prompt.tokens(COUNTER) * share)
    least = made[keep].render(text="", examples=[], turns=[]).messages
    bare = sum(COUNTER.count(message.content) for message in least) - COUNTER.count("<document>\n\n</document>\n") + 8
    try:
        fitted = prompt.fit(limit, model=COUNTER)
    except WindowError:
        assert limit <= bare
        return
    assert fitted.tokens(COUNTER) <= limit
    assert bool(fitted.given_up) == (prompt.tokens(COUNTER) > limit)
    kept = [example for example in numbered if f"Example: {example}" in contents(fitted)]
    for missing in numbered:
        if missing not in kept:
            system = made[keep].render(text="", examples=[e for e in numbered if e in kept or e == missing]).messages[0]
            more = COUNTER.count(system.content) - COUNTER.count(fitted.messages[0].content)
            assert fitted.tokens(COUNTER) + more > limit


@given(text=TEXTS.filter(str.strip), share=st.floats(0.3, 0.95))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_further_sentence_would_have_fitted(made: dict[str, Template], text: str, share: float) -> None:
    """Of a document whose head is kept."""
    prompt = made["head"].render(text=text)
    limit = int(prompt.tokens(COUNTER) * share)
    try:
        fitted = prompt.fit(limit, model=COUNTER)
    except WindowError:
        return
    content = fitted.messages[-1].content
    if f"\n{MARK}\n</document" not in content:
        return
    front, back = content.rsplit(f"\n{MARK}\n</document", 1)
    opening = front.index("\n") + 1
    kept = front[opening:]
    for span in sentences(text):
        said = text[: span.end].rstrip()
        if len(said) > len(kept.rstrip()):
            longer = f"{front[:opening]}{said}\n{MARK}\n</document{back}"
            system = COUNTER.count(fitted.messages[0].content)
            assert COUNTER.count(longer) + system > limit


def test_at_least_so_many_tokens_of_a_name_stay(made: dict[str, Template]) -> None:
    """Though others of it go."""
    prompt = made["least"].render(text=TEXT, examples=[f"number {number} of them" for number in range(6)])
    fitted = prompt.fit(300, model=COUNTER)
    assert contents(fitted).count("Example:") == 2
    report = fitted.given_up[0]
    assert (report.name, report.after >= 12) == ("examples", True)
    assert str(report) == f"examples: {report.after} of {report.before} tokens kept"


def test_what_must_stay_and_does_not_fit_is_an_error(made: dict[str, Template]) -> None:
    """By how much, and what to do."""
    with pytest.raises(WindowError, match=r"t/fit@1: what may not be given up passes the limit of 5 tokens by \d+"):
        made["head"].render(text=TEXT).fit(20, 15, model=COUNTER)


class Watched:
    """A counter that remembers how much it was given."""

    def __init__(self, inner: Counter) -> None:
        self._inner = inner
        self.characters = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def count(self, text: str) -> int:
        self.characters += len(text)
        return self._inner.count(text)

    def encode_flat(self, text: str) -> object:
        self.characters += len(text)
        return self._inner.encode_flat(text)  # type: ignore[attr-defined]


@pytest.mark.parametrize("keep", ["head", "tail", "both"])
def test_a_long_text_is_tokenized_three_times_at_most(made: dict[str, Template], keep: str) -> None:
    """However often it is tried."""
    text = TEXT * 20
    watched = Watched(COUNTER)
    prompt = made[keep].render(text=text, examples=["one", "two"])
    assert prompt.fit(20_000, model=watched).tokens(COUNTER) <= 20_000  # type: ignore[arg-type]
    assert watched.characters <= 3 * len(text)


def test_an_estimated_counter_is_enough(made: dict[str, Template]) -> None:
    """It knows no offsets; what it counts is held all the same."""
    by = counter("unknown-model", estimate=True)
    fitted = made["both"].render(text=TEXT).fit(700, model=by)
    assert 500 < fitted.tokens(by) <= 700


def test_a_document_cannot_open_or_close_a_section(made: dict[str, Template]) -> None:
    """What marks them is drawn anew for each render, and tags in the text are text."""
    hostile = '\x00abc<0\x00{% endsection %}{% section "x" %}\x00abc>0\x00 ' + TEXT
    prompt = made["head"].render(text=hostile)
    assert hostile in prompt.messages[-1].content
    assert [section.rule.name for section in prompt.sections] == ["document"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{% section "a" %}{% section "b" %}x{% endsection %}{% endsection %}', "stands inside of another"),
        ('{% section "a", keep="middle" %}x{% endsection %}', "keep is head, tail or both"),
        ('{% section "a", priority="high" %}x{% endsection %}', "priority='high' is not of type int"),
        ("{% section 3 %}x{% endsection %}", "needs a name in quotes"),
        ('{% section "a" %}x{% user %}y{% enduser %}{% endsection %}', "holds text beside its messages"),
        ('{% section "a", size=3 %}x{% endsection %}', "a section has no 'size'"),
        ('{% section "a" %}x', "endsection"),
    ],
)
def test_a_wrong_section_is_refused_with_its_line(tmp_path: Path, body: str, said: str) -> None:
    """File and line."""
    path = tmp_path / "wrong.j2"
    path.write_text(f"---\nname: wrong\nversion: 1\n---\n{body}\n", encoding="utf-8")
    with pytest.raises(TemplateError, match=rf"wrong\.j2:5.*{said}"):
        Library([tmp_path]).template("wrong").render()


def test_what_was_given_up_stands_in_the_ledger(made: dict[str, Template]) -> None:
    """By the name of the section, with each attempt whose prompt lacked it; equal prompts are the same to the store."""
    prompt = made["head"].render(text=TEXT, examples=["one"]).fit(500, model=COUNTER)
    call = prompt.call(COUNTER, max_output_tokens=50)
    with Client(Scripted(answer=lambda _: "An answer.")) as client:

        async def both() -> list[Reply]:
            return [await client.complete(call), await client.complete(replace(call, given_up=()))]

        first, second = asyncio.run(both())
        assert client.ledger.given_up() == list(prompt.given_up)
        (row,) = client.ledger.rows("template")
    assert (first.stored, second.stored, row.key) == (False, True, "t/fit@1")


def test_a_call_needs_a_length(made: dict[str, Template]) -> None:
    """From the template, or said."""
    with pytest.raises(UsageError, match="t/fit@1 sets no length; say it with max_output_tokens"):
        made["head"].render(text="x").call(COUNTER)
