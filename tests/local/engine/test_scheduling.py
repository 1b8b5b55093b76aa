"""Which waiting call goes next, what prompts share, and what is guessed: the engine's decisions, without a model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptops.local.engine.lookup import Lookup
from promptops.local.engine.prefix import Source, best, common, promised, shared
from promptops.local.engine.values import Request
from promptops.local.engine.waiting import Waiting

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=12)
LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=30)


def request(number: int, length: int) -> Request:
    return Request(number, (1,), 100, expected=length)


def steps(lengths: list[int], sequences: int, *, sort: bool = True) -> int:
    """Decodes until all calls are answered, each giving every running call a token."""
    waiting = Waiting(patience=10_000)
    for number, length in enumerate(lengths):
        waiting.add(request(number, length if sort else 1))
    running: list[int] = []
    done = 0
    while waiting or running:
        while len(running) < sequences and (taken := waiting.take(())):
            running.append(lengths[taken.id])
        running = [left - 1 for left in running if left > 1]
        done += 1
    return done


@given(LENGTHS, st.integers(1, 6))
def test_no_long_call_is_left_to_the_end(lengths: list[int], sequences: int) -> None:
    """The last answer ends within Graham's bound for lists of jobs (1966)."""
    longest = max(lengths)
    assert steps(lengths, sequences) <= sum(lengths) / sequences + longest * (1 - 1 / sequences)


def test_grouping_by_length_saves_decodes() -> None:
    """A long call that came last is not decoded alone while the others are over."""
    lengths = [10] * 12 + [60]
    assert steps(lengths, 4) == 60
    assert steps(lengths, 4, sort=False) == 90


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), min_size=1, max_size=60), st.integers(1, 5))
def test_no_call_is_overtaken_forever(calls: list[tuple[int, bool]], patience: int) -> None:
    """However many longer ones keep coming, an old call is passed ``patience`` times at most."""
    waiting = Waiting(patience)
    came: list[int] = []
    passed: dict[int, int] = {}
    for number, (length, take) in enumerate(calls):
        waiting.add(request(number, length))
        came.append(number)
        passed[number] = 0
        taken = waiting.take(()) if take else None
        if taken:
            for other in came[: came.index(taken.id)]:
                passed[other] += 1
            came.remove(taken.id)
    assert max(passed.values()) <= patience
    assert {waiting.take(()).id for _ in range(len(waiting))} == set(came)  # type: ignore[union-attr]


def test_calls_of_other_adapters_wait_for_those_that_run() -> None:
    """They cannot share a decode; one that waited long enough stops the others from coming between."""
    waiting = Waiting(patience=1)
    waiting.add(request(0, 5), (("a.gguf", 1.0),))
    waiting.add(request(1, 9))
    waiting.add(request(2, 9))
    assert waiting.take(()).id == 1  # type: ignore[union-attr]
    assert waiting.take(()) is None
    assert waiting.take(None).id == 0  # type: ignore[union-attr]


@given(TOKENS, TOKENS)
def test_the_common_beginning_is_the_longest(one: list[int], other: list[int]) -> None:
    """Equal up to there, different after it."""
    size = common(one, other)
    assert one[:size] == other[:size]
    assert size in {len(one), len(other)} or one[size] != other[size]


@given(TOKENS, st.lists(st.tuples(TOKENS, st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=4))
def test_what_is_taken_from_a_source_is_really_there(prompt: list[int], held: list[tuple[list[int], int, int]]) -> None:
    """Computed already, as the prompt has it, not past a shift, and a token is always left to compute."""
    sources = [Source(i, coming[:now], coming, min(whole, now)) for i, (coming, now, whole) in enumerate(held)]
    index, length = best(prompt, sources, 0)
    source = sources[index]
    assert length < len(prompt)
    assert source.held[:length] == prompt[:length]
    assert length <= source.whole
    assert promised(prompt, sources) >= length


def test_an_own_beginning_needs_no_copy() -> None:
    """Of equal sources the sequence itself is taken."""
    sources = [Source(i, [1, 2, 3], [1, 2, 3], 3) for i in range(3)]
    assert best([1, 2, 9], sources, 1) == (1, 2)
    assert shared([1, 2, 9], [[1, 5], [1, 2, 9]]) == 2


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 6), st.integers(0, 6))
def test_guesses_are_what_followed_before(tokens: list[int], most: int, room: int) -> None:
    """Never longer than asked for, and always a run that stands in the text."""
    guess = Lookup(most).guess(tokens, room)
    assert len(guess) <= min(most, room)
    assert not guess or any(tokens[i : i + len(guess)] == guess for i in range(len(tokens)))


def test_guessing_rests_where_it_fails() -> None:
    """A text that does not repeat itself is not paid for."""
    lookup = Lookup(4)
    tokens = [1, 2, 3, 1, 2]
    sizes = []
    for _ in range(6):
        sizes.append(len(lookup.guess(tokens, 9)))
        lookup.learn(sizes[-1], 0)
    assert sizes == [3, 0, 0, 0, 0, 0]
