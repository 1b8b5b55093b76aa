"""Whatever comes together in the engine, each greedy answer is the one that its call has alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("llama_cpp", reason="the engine needs the extra 'local'")

from promptops.local.engine import Done, Engine, Request
from promptops.local.settings import EngineSettings

BEGINNINGS = [tuple(range(20, 20 + size)) for size in (0, 3, 40, 90)]
CALLS = st.lists(
    st.tuples(
        st.sampled_from(BEGINNINGS),
        st.lists(st.integers(20, 60), min_size=1, max_size=30),
        st.integers(1, 20),
        st.integers(0, 12),
        st.sampled_from(["", "", "", "cancel", "shift"]),
    ),
    min_size=1,
    max_size=9,
)


@pytest.fixture(scope="module")
def engines(models: dict[str, str]) -> Iterator[tuple[Engine, list[Engine]]]:
    """One that answers alone and keeps nothing that matters, and several that answer together."""
    base = EngineSettings(models["sure"], context=256, sequences=1, threads=1, repack=False)
    together = [replace(base, sequences=3, batch=24), replace(base, sequences=5, lookup=4, micro_batch=32)]
    opened = [Engine(one) for one in (base, *together)]
    yield opened[0], opened[1:]
    for engine in opened:
        engine.close()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS, which=st.integers(0, 1))
def test_any_mixture(
    engines: tuple[Engine, list[Engine]],
    calls: list[tuple[tuple[int, ...], list[int], int, int, str]],
    which: int,
) -> None:
    """Calls that come at any time, share any beginning, are cancelled or pass the window: all end, none is changed."""
    alone, engine = engines[0], engines[1][which]
    ends: dict[int, Done] = {}
    coming = sorted(enumerate(calls), key=lambda item: item[1][3])
    for step in range(3000):
        while coming and coming[0][1][3] <= step:
            number, call = coming.pop(0)
            engine.submit(_request(number, call))
        for number, call in enumerate(calls):
            if call[4] == "cancel" and step == call[3] + 4:
                engine.cancel(number)
        for event in engine.step():
            assert isinstance(event, Done), event
            ends[event.id] = event
        if not coming and not engine.busy:
            break
    assert ends.keys() == set(range(len(calls)))
    for number, call in enumerate(calls):
        expected = _alone(alone, _request(number, call))
        if ends[number].finish == "cancelled":
            assert expected.text.startswith(ends[number].text)
        else:
            assert (ends[number].text, ends[number].finish) == (expected.text, expected.finish)


def _request(number: int, call: tuple[tuple[int, ...], list[int], int, int, str]) -> Request:
    beginning, rest, most, _, how = call
    return Request(number, (*beginning, *rest), 220 if how == "shift" else most, shift=how == "shift")


def _alone(engine: Engine, request: Request) -> Done:
    engine.submit(request)
    while engine.busy:
        for event in engine.step():
            assert isinstance(event, Done)
            return event
    raise AssertionError("no answer")
