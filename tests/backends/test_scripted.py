"""The scripted backend: rules, faults and counts like a server's, from code and from files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.backends.scripted import Scripted, lead
from promptops.errors import (
    AccessError,
    CallError,
    NotFoundError,
    QuotaError,
    RefusedError,
    RejectedError,
    ThrottledError,
    TokenizerError,
    TransientError,
    UsageError,
)
from promptops.tokens import counter
from promptops.types import Backend, Call, Message, Reply, Usage

COUNTER = counter(tokenizer="o200k_base")


def ask(backend: Backend, text: str = "Say it.", limit: int = 100) -> Reply:
    """One call, answered."""
    return asyncio.run(backend.complete(Call((Message("system", "Be brief."), Message("user", text)), limit)))


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Write a script file."""

    def write(text: str, name: str = "s.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_replies_come_in_order_and_are_counted() -> None:
    """Texts are counted exactly; a whole Reply passes as it is; an exception is raised."""
    whole = Reply("mine", Usage(7, 1, 2, 0), model="x")
    backend = Scripted(["the first", whole, ThrottledError("wait", retry_after=2)])
    first = ask(backend)
    assert first.text == "the first"
    assert first.usage == Usage(COUNTER.count("Be brief.") + COUNTER.count("Say it."), 0, COUNTER.count("the first"))
    assert ask(backend) is whole
    with pytest.raises(ThrottledError) as caught:
        ask(backend)
    assert caught.value.retry_after == 2
    assert len(backend.calls) == 3


def test_a_call_without_an_answer_is_rejected() -> None:
    """When the replies are used up, the error says so and does not show the prompt."""
    with pytest.raises(RejectedError, match="no reply left") as caught:
        ask(Scripted(), "a secret document")
    assert "secret" not in str(caught.value)


def test_an_answer_may_be_computed() -> None:
    """A function, or a coroutine function, of the call answers, and what it raises comes out."""

    async def later(call: Call) -> str:
        await asyncio.sleep(0)
        return call.messages[-1].content.upper()

    def broken(_: Call) -> str:
        raise TransientError("down", status=503)

    assert ask(Scripted(answer=later), "abc").text == "ABC"
    with pytest.raises(TransientError):
        ask(Scripted(answer=broken))


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200), st.integers(1, 60))
def test_no_answer_is_longer_than_the_call_allows(text: str, limit: int) -> None:
    """Like a server, it cuts at the limit and says so; what fits comes whole."""
    reply = ask(Scripted([text or "x"], counter=COUNTER), limit=limit)
    assert reply.usage.output_tokens == COUNTER.count(reply.text) <= limit
    assert (reply.finish == "stop") == (reply.text == (text or "x"))
    assert (text or "x").startswith(reply.text)


def test_a_file_answers_by_rules(script: Callable[..., Path]) -> None:
    """The first rule that matches and has times left answers, else the default."""
    backend = Scripted.from_file(
        script("""
        default: nothing special
        replies:
          - {match: apple, text: once, times: 1}
          - {match: "app.e", text: then, finish: length}
          - {match: pear, lead: 3}
    """)
    )
    assert ask(backend, "an apple").text == "once"
    again = ask(backend, "an apple")
    assert (again.text, again.finish) == ("then", "length")
    fenced = 'Summarize the pear.\n<document-7f id="3">\nOne two\nthree four\n</document-7f>\nShortly.'
    assert ask(backend, fenced).text == "One two three"
    assert ask(backend, "plum").text == "nothing special"
    assert backend.calls == []


@pytest.mark.parametrize(
    ("error", "kind", "billed"),
    [
        ("{status: 429, retry_after: 1.5}", ThrottledError, False),
        ("{status: 429, code: insufficient_quota}", QuotaError, False),
        ("{status: 503, message: overloaded}", TransientError, False),
        ("{status: 400, code: content_filter}", RefusedError, False),
        ("{status: 404}", AccessError, False),
        ("{status: 422}", RejectedError, False),
    ],
)
def test_a_file_fails_as_a_server_would(
    script: Callable[..., Path], error: str, kind: type[CallError], billed: bool
) -> None:
    """Statuses and codes become the same errors as the openai backend's."""
    backend = Scripted.from_file(script(f"replies: [{{error: {error}}}]"))
    with pytest.raises(CallError) as caught:
        ask(backend)
    assert type(caught.value) is kind
    assert caught.value.billed is billed
    assert caught.value.retry_after == (1.5 if "retry_after" in error else None)


def test_a_filtered_answer_was_paid_for(script: Callable[..., Path]) -> None:
    """The content filter's refusal carries what it used."""
    backend = Scripted.from_file(script("replies: [{text: bad words, finish: content_filter}]"))
    with pytest.raises(RefusedError) as caught:
        ask(backend)
    assert caught.value.billed
    assert caught.value.usage is not None
    assert caught.value.usage.output_tokens == COUNTER.count("bad words")


def test_a_call_that_no_rule_answers_names_its_document(script: Callable[..., Path]) -> None:
    """Without a default, an unanswered call is rejected, and says how to mend it."""
    with pytest.raises(RejectedError, match="add one, or a `default`"):
        ask(Scripted.from_file(script("replies: [{match: apple, text: x}]")), "pear")


def test_the_model_gives_tokenizer_window_and_price(script: Callable[..., Path]) -> None:
    """A named model brings its own; without one the script is free and counts with o200k_base."""
    plain = Scripted.from_file(script("default: x"))
    assert (plain.counter.name, plain.window) == ("o200k_base", 128_000)
    assert plain.price is not None
    assert plain.price.cost(Usage(10, 0, 10)) == Decimal(0)
    old = Scripted.from_file(script("{model: gpt-4, default: x}"))
    assert (old.counter.name, old.window) == ("cl100k_base", 8192)
    assert old.price is not None
    assert old.price.cost(Usage(1000, 0, 0)) == Decimal("0.03")
    assert Scripted.from_file(script("{model: gpt-4, window: 500, default: x}")).window == 500


def test_identity_is_the_content_of_the_file(script: Callable[..., Path]) -> None:
    """Another script never gets the stored replies of this one, and the same script under another name does."""
    first = Scripted.from_file(script("default: x", "a.yaml"))
    same = Scripted.from_file(script("default: x", "b.yaml"))
    other = Scripted.from_file(script("default: y", "c.yaml"))
    assert first.identity == same.identity != other.identity
    assert first.name != same.name


def test_json_is_read_too(script: Callable[..., Path]) -> None:
    """JSON with tabs and escaped emoji, which YAML readers get wrong."""
    text = json.dumps({"default": "well done 🎉"}, indent="\t")
    assert ask(Scripted.from_file(script(text, "s.json"))).text == "well done 🎉"


@pytest.mark.parametrize(
    ("text", "name", "complaint"),
    [
        ("default: x\nreplys: []", "s.yaml", "s.yaml:2: replys: unknown key"),
        ("replies:\n  - {match: '(', text: x}", "s.yaml", "s.yaml:2: replies.0.match: .*not a regular expression"),
        ("replies:\n  - text: x\n    lead: 3", "s.yaml", "s.yaml:2: replies.0: .*exactly one of text, lead and error"),
        ("replies:\n  - match: x", "s.yaml", "s.yaml:2: replies.0: .*exactly one of"),
        ("replies:\n  - error: {status: 20}", "s.yaml", "s.yaml:2: replies.0.error.status"),
        ("window: -1", "s.yaml", "s.yaml:1: window"),
        ("default: [", "s.yaml", "s.yaml:1: not valid YAML"),
        ("- a", "s.yaml", "s.yaml:1: "),
        ('{"default": 3}', "s.json", "s.json: default: "),
        ('{"nope": 3}', "s.json", "s.json: nope: unknown key"),
        ('{\n"default": }', "s.json", "s.json:2: not valid JSON"),
    ],
)
def test_a_bad_file_is_named_with_its_line(script: Callable[..., Path], text: str, name: str, complaint: str) -> None:
    """Every mistake is one line that says where."""
    with pytest.raises(UsageError, match=complaint) as caught:
        Scripted.from_file(script(text, name))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path, script: Callable[..., Path]) -> None:
    """A missing file, a folder, bytes that are no text, an unknown model: one clear error each."""
    with pytest.raises(NotFoundError, match="no such script"):
        Scripted.from_file(tmp_path / "none.yaml")
    with pytest.raises(NotFoundError):
        Scripted.from_file(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"default: x\n\xff\xfe")
    with pytest.raises(UsageError, match=r"b\.yaml:2: not UTF-8"):
        Scripted.from_file(tmp_path / "b.yaml")
    with pytest.raises(TokenizerError):
        Scripted.from_file(script("model: nobodys-model"))


def test_times_hold_across_threads(script: Callable[..., Path]) -> None:
    """A rule that applies five times applies five times, whoever asks."""
    backend = Scripted.from_file(script("default: rest\nreplies: [{text: first, times: 5}]"))

    async def many() -> list[str]:
        one = Call((Message("user", "x"),), 9)
        replies = await asyncio.gather(*(asyncio.to_thread(asyncio.run, backend.complete(one)) for _ in range(40)))
        return [reply.text for reply in replies]

    assert asyncio.run(many()).count("first") == 5


@given(st.lists(st.text(alphabet="abc</> \n", min_size=1), max_size=20).map(" ".join), st.integers(0, 10))
def test_lead_is_the_beginning_of_the_fenced_document(text: str, words: int) -> None:
    """Whatever stands in the document, its first words come back, without the fence."""
    prompt = f"Instructions here.\n<document>\n{text}\n</document>\nMore."
    assert lead(prompt, words) == " ".join(text.split()[:words])


def test_it_is_a_backend() -> None:
    """It has everything that a backend declares."""
    assert all(hasattr(Scripted(), name) for name in Backend.__annotations__)
