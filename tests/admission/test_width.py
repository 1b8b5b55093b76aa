"""How many requests are in flight where nobody said how many."""

from __future__ import annotations

from promptops.admission.width import WIDEST, Width


def settled(slots: int, rounds: int = 400) -> list[int]:
    """Places after each round of a server that works on so many requests at once, a second each; the rest queue."""
    width, places, seen = Width(16), 16, []
    for _ in range(rounds):
        seconds = max(1.0, places / slots)
        for _ in range(places):
            places = width.answered(seconds, 100, busy=True)
        seen.append(places)
    return seen


def test_a_server_with_room_gets_more() -> None:
    """Up to a bound."""
    assert settled(1_000)[-1] == WIDEST


def test_a_server_that_only_queues_them_does_not() -> None:
    """Little more than it began with."""
    assert max(settled(4)) <= 24


def test_a_server_with_room_for_some_gets_about_those() -> None:
    """More in flight than it works on would take no less time."""
    assert 40 <= settled(40)[-1] <= 60


def test_without_a_queue_there_is_no_need_to_grow() -> None:
    """Nobody waits."""
    width = Width(16)
    assert {width.answered(1.0, 100, busy=False) for _ in range(200)} == {16}
