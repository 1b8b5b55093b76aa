"""The engine through the real library, on models of random weights."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="the engine needs the extra 'local'")

from promptops.local.engine import Done, Engine, Failed, Piece, Request
from tests.local.engine.support import Open, answered, events, failed, run

SYSTEM = "Summarize what follows in a few words, and keep to what it says. " * 3


def prompts(engine: Engine, number: int = 6) -> list[tuple[int, ...]]:
    """Prompts of different lengths that begin alike."""
    texts = [SYSTEM + f"The river {i} 강이 흐른다. " + "It rained. " * i for i in range(number)]
    return [tuple(engine.tokenize(text)) for text in texts]


def texts(found: dict[int, object]) -> dict[int, str]:
    return {number: event.text for number, event in found.items() if isinstance(event, Done)}


@pytest.mark.parametrize("sequences", [2, 8])
def test_neighbours_change_nothing(engine: Open, sequences: int) -> None:
    """A greedy answer is the same alone and beside others that come and go, whatever they share."""
    alone, together = engine(sequences=1), engine(sequences=sequences, batch=64)
    requests = [Request(i, prompt, 10 + 7 * (i % 3)) for i, prompt in enumerate(prompts(alone, 10))]
    found = texts(run(together, *requests))
    fresh = [engine(sequences=1) for _ in range(2)]
    assert found == {request.id: answered(alone, request).text for request in requests}
    assert [answered(fresh[i], requests[i]).text for i in range(2)] == [found[0], found[1]]


def test_what_calls_share_is_computed_once(engine: Open) -> None:
    """The common beginning is evaluated for the first call only, and calls say what they were spared."""
    one = engine(sequences=4)
    asked = prompts(one, 4)
    found = run(one, *(Request(i, prompt, 4) for i, prompt in enumerate(asked)))
    shared = len(one.tokenize(SYSTEM))
    assert one.evaluated <= sum(map(len, asked)) - 3 * (shared - 1)
    cached = sorted(event.cached_tokens for event in found.values() if isinstance(event, Done))
    assert cached[0] == 0
    assert cached[1] >= shared - 1


def test_calls_are_decoded_together(engine: Open) -> None:
    """Four calls take hardly more decodes than the longest, and a free sequence is filled at once."""
    one = engine(sequences=4)
    run(one, *(Request(i, prompt, 20) for i, prompt in enumerate(prompts(one, 8))))
    assert one.decodes <= 2 * 20 + 6


def test_a_beginning_is_kept_between_calls(engine: Open) -> None:
    """The next call finds it, even where another has used the only sequence meanwhile."""
    one = engine(sequences=1)
    first, second, third = prompts(one, 3)
    other = tuple(one.tokenize("Something else. " * 20))
    assert answered(one, Request(1, first, 4)).cached_tokens == 0
    assert answered(one, Request(2, second, 4)).cached_tokens > 30
    assert answered(one, Request(3, other, 4)).cached_tokens < 5
    assert answered(one, Request(4, third, 4)).cached_tokens > 30


@pytest.mark.parametrize("harm", ["nothing", "cut", "changed", "another cache"])
def test_a_beginning_outlives_the_process(engine: Open, tmp_path: Path, harm: str) -> None:
    """A state file spares its prefix; one that is damaged or of other settings costs only that."""
    one = engine(sequences=2, prefix_folder=tmp_path)
    asked = prompts(one, 3)
    run(one, *(Request(i, prompt, 4) for i, prompt in enumerate(asked)))
    one.close()
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    if harm in {"cut", "changed"}:
        file.write_bytes(data[:-100] if harm == "cut" else data[:-100] + b"x" + data[-99:])
    more = {"flash_attention": True, "key_type": "q8_0"} if harm == "another cache" else {}
    two = engine(sequences=2, prefix_folder=tmp_path, **more)
    found = answered(two, Request(9, asked[2], 4))
    assert (found.cached_tokens > 30) == (harm == "nothing")
    if not more:
        assert found.text == answered(engine(sequences=1), Request(9, asked[2], 4)).text


def test_seeds_decide_chance(engine: Open) -> None:
    """The same seed says the same beside other calls; another says something else."""
    one = engine("random", sequences=3)
    prompt = prompts(one, 1)[0]
    calls = [
        Request(i, prompt, 24, temperature=1.5, top_p=0.95, top_k=200, min_p=0.001, seed=s)
        for i, s in enumerate([7, 8, 7])
    ]
    found = texts(run(one, *calls))
    assert found[0] == found[2] != found[1]


def test_penalties_end_repetition(engine: Open) -> None:
    """A token that was said is said less often."""
    one = engine("random")
    prompt = prompts(one, 1)[0]
    plain, varied = (answered(one, Request(1, prompt, 60, presence_penalty=value, logprobs=1)) for value in (0.0, 50.0))
    assert len({item.token for item in varied.logprobs}) > len({item.token for item in plain.logprobs})


def test_logprobs_are_of_the_model(engine: Open) -> None:
    """A greedy token is the likeliest, probabilities are at most one, and as many come as were asked for."""
    one = engine("random")
    found = answered(one, Request(1, prompts(one, 1)[0], 8, logprobs=3))
    assert len(found.logprobs) == found.output_tokens == 8
    for item in found.logprobs:
        assert len(item.top) == 3
        assert item.top[0][1] == pytest.approx(item.logprob)
        assert 0 >= item.top[0][1] >= item.top[1][1]


def test_a_stop_text_spans_tokens(engine: Open) -> None:
    """The answer ends before it, wherever the token borders are, and nothing of it is streamed."""
    one = engine()
    prompt = prompts(one, 1)[0]
    whole = answered(one, Request(1, prompt, 40))
    stop = whole.text[17:25]
    cut = whole.text[: whole.text.index(stop)]
    one.submit(Request(2, prompt, 40, stop=(stop,), stream=True))
    *pieces, done = events(one)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Piece)) == cut
    assert isinstance(done, Done)
    assert (done.text, done.finish) == (cut, "stop")
    assert done.output_tokens < 40


def test_pieces_are_whole_characters(engine: Open) -> None:
    """Streamed together with others, the pieces of each call are its text."""
    one = engine("random", sequences=3)
    calls = [Request(i, prompt, 40, temperature=1.0, seed=i, stream=True) for i, prompt in enumerate(prompts(one, 3))]
    for call in calls:
        one.submit(call)
    heard = {call.id: "" for call in calls}
    for event in events(one):
        if isinstance(event, Piece):
            heard[event.id] += event.text
        else:
            assert isinstance(event, Done)
            assert heard[event.id] == event.text


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_a_grammar_is_kept_to(engine: Open, temperature: float) -> None:
    """Whatever the model would rather say, the answer is of the grammar, beside calls without one."""
    one = engine("random", sequences=3)
    prompt = prompts(one, 1)[0]
    grammar = 'root ::= "[" ("yes" | "no" | "아마") ("," [0-9])? "]"'
    calls = [Request(i, prompt, 30, temperature=temperature, seed=i, grammar=grammar) for i in range(5)]
    found = run(one, *calls, Request(9, prompt, 12))
    for call in calls:
        event = found[call.id]
        assert isinstance(event, Done)
        assert event.finish == "stop"
        assert event.text.strip("[]").split(",")[0] in {"yes", "no", "아마"}


@pytest.mark.parametrize(
    "grammar", ['root ::= "a', "root ::= other", 'start ::= "a"', 'root ::= root "a"', "", 'root ::= "\0"']
)
def test_a_broken_grammar_fails_its_call_alone(engine: Open, grammar: str) -> None:
    """A syntax error, a rule that is missing, no root, left recursion: an error, and the next call is answered."""
    one = engine()
    prompt = prompts(one, 1)[0]
    assert failed(one, Request(1, prompt, 5, grammar=grammar)).code == "grammar"
    assert answered(one, Request(2, prompt, 5)).output_tokens == 5


def test_cancelled_at_once(engine: Open) -> None:
    """One that is written and one that waits end as cancelled; the others are answered as ever."""
    one = engine(sequences=2)
    asked = prompts(one, 4)
    for i, prompt in enumerate(asked):
        one.submit(Request(i, prompt, 30, expected=30 - i))
    for _ in range(6):
        one.step()
    one.cancel(0)
    one.cancel(3)
    found = {event.id: event for event in events(one)}
    assert [event.finish for _, event in sorted(found.items()) if isinstance(event, Done)] == [
        "cancelled",
        "length",
        "length",
        "cancelled",
    ]
    alone = engine(sequences=1)
    assert texts(found)[1] == answered(alone, Request(1, asked[1], 30)).text
    assert answered(alone, Request(0, asked[0], 30)).text.startswith(texts(found)[0])


def test_cancelled_while_it_computes(engine: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread makes the decode return at once; the other calls lose nothing."""
    one = engine(sequences=2, batch=32)
    asked = prompts(one, 2)
    decode = one._native.decode
    states: list[str] = []

    def while_cancelling(parts: list[object]) -> str:
        if len(states) == 5:
            thread = threading.Thread(target=one.cancel, args=(0,))
            thread.start()
            thread.join()
        states.append(decode(parts))  # type: ignore[arg-type]
        return states[-1]

    monkeypatch.setattr(one._native, "decode", while_cancelling)
    found = run(one, *(Request(i, prompt, 12) for i, prompt in enumerate(asked)))
    assert "aborted" in states
    assert found[0].finish == "cancelled"  # type: ignore[union-attr]
    assert texts(found)[1] == answered(engine(sequences=1), Request(1, asked[1], 12)).text


def test_a_full_cache_is_waited_out(engine: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less is read at once, and the answers are the same; where nothing helps, one call fails and not all."""
    one = engine(sequences=2)
    asked = prompts(one, 3)
    decode, refusals = one._native.decode, iter([True, False, True, True, False])
    monkeypatch.setattr(one._native, "decode", lambda parts: "full" if next(refusals, False) else decode(parts))
    requests = [Request(i, prompt, 6) for i, prompt in enumerate(asked)]
    assert texts(run(one, *requests)) == texts(run(engine(sequences=1), *requests))
    monkeypatch.setattr(one._native, "decode", lambda _: "full")
    found = run(one, *requests)
    assert {event.code for event in found.values() if isinstance(event, Failed)} == {"engine"}


def test_an_answer_ends_at_the_window(engine: Open) -> None:
    """Refused where the prompt alone is too long; cut where the answer comes there; gone past only where asked."""
    one = engine(context=256, sequences=2)
    prompt = tuple(one.tokenize("It rained all day. " * 30))[:200]
    assert failed(one, Request(1, prompt * 2, 5)).code == "window"
    found = answered(one, Request(2, prompt, 400))
    assert (found.finish, found.output_tokens) == ("length", one.window - 200 + 1)
    beside = Request(4, prompt[:50], 20)
    both = run(one, Request(3, prompt, 400, shift=True), beside)
    assert both[3].output_tokens == 400  # type: ignore[union-attr]
    assert texts(both)[3].startswith(found.text)
    assert texts(both)[4] == answered(engine(context=256, sequences=1), beside).text
    assert answered(one, Request(5, prompt, 20)).text == found.text[: len(answered(one, Request(6, prompt, 20)).text)]


def test_looking_up_changes_only_the_time(engine: Open) -> None:
    """Guesses save decodes where a text repeats itself, and never change what is said."""
    plain, guessing = engine("random"), engine("random", lookup=6)
    grammar = (
        'root ::= "It rained all day. It rained all day. It rained all day. It rained all day. It rained all day."'
    )
    requests = [Request(i, prompt, 80, grammar=grammar) for i, prompt in enumerate(prompts(plain, 3))]
    chance = [Request(8 + i, prompt, 40, temperature=0.4, seed=i) for i, prompt in enumerate(prompts(plain, 2))]
    assert texts(run(plain, *requests)) == texts(run(guessing, *requests))
    assert guessing.decodes < 0.7 * plain.decodes
    assert texts(run(plain, *chance)) == texts(run(guessing, *chance))


@pytest.mark.parametrize("kinds", [("q8_0", "q8_0"), ("q4_0", "q4_0"), ("q8_0", "f16"), ("bf16", "bf16")])
def test_smaller_caches_answer(engine: Open, kinds: tuple[str, str]) -> None:
    """Keys and values may be quantized, with flash attention, and are still shared."""
    one = engine(key_type=kinds[0], value_type=kinds[1], flash_attention=True)
    found = run(one, *(Request(i, prompt, 8) for i, prompt in enumerate(prompts(one, 4))))
    assert {event.output_tokens for event in found.values() if isinstance(event, Done)} == {8}


def test_wrong_calls_never_reach_the_library(engine: Open) -> None:
    """Each would end the process or give nonsense: refused with a reason, and the engine goes on."""
    one = engine()
    good = Request(1, (5, 6, 7), 3)
    wrong = [
        Request(2, (), 3),
        Request(3, (5, one.vocabulary), 3),
        Request(4, (-1,), 3),
        Request(5, (5,), 0),
        Request(6, (5,), 3, temperature=float("nan")),
        Request(7, (5,), 3, top_p=0.0),
        Request(8, (5,), 3, logprobs=10**6),
    ]
    found = run(one, *wrong, good)
    assert {number for number, event in found.items() if isinstance(event, Failed)} == {2, 3, 4, 5, 6, 7, 8}
    assert isinstance(found[1], Done)


def test_nothing_reaches_the_terminal(
    engine: Open, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """What the library says goes to the log, at debug level."""
    with caplog.at_level(logging.DEBUG, "promptops"):
        one = engine("random")
        answered(one, Request(1, prompts(one, 1)[0], 5))
    assert capfd.readouterr() == ("", "")
    assert any(record.name == "promptops.local.llama" for record in caplog.records)
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


def test_korean_goes_round(engine: Open) -> None:
    """Text to tokens and back; special tokens are read out of a text only where that is asked for."""
    one = engine()
    text = "세 강이 만난다 🙂 <|im_end|> \ud800"
    assert one.detokenize(one.tokenize(text)) == text.replace("\ud800", "?")
    assert len(one.tokenize("<|im_end|>", special=True)) == 1 < len(one.tokenize("<|im_end|>"))
    assert one.chat_template is not None
