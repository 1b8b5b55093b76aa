"""Entries that say the same stand once, with their places; what differs is kept, and nothing is lost."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from promptops.plans.entries import United, united, verified

WORDS = st.sampled_from(["", "Ada", "ada ", "ＡＤＡ", "강", "강의  수위", "강의 수위", "7", "x"])
PLACE = st.builds(lambda start: {"source": "a", "start": start, "end": start + 1}, st.integers(0, 3))
ENTRY = st.fixed_dictionaries(
    {"name": WORDS, "value": st.one_of(WORDS, st.none(), st.integers(0, 2))},
    optional={
        "tags": st.lists(WORDS, max_size=2),
        "quote": WORDS,
        "verified": st.booleans(),
        "places": st.lists(PLACE),
    },
)
LISTS = st.lists(st.lists(ENTRY, max_size=4), min_size=1, max_size=4)
KEYS = st.sampled_from([(), ("name",)])


def own(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name in {"name", "value"} and value not in ("", None)}


def says(one: Any, other: Any) -> bool:
    return united([[one]]) == united([[one], [other]])


TWICE = [{"name": "Ada", "value": None, "tags": ["Ada", "Ada"]}]


@example([TWICE] * 3, ())
@given(LISTS, KEYS)
def test_uniting_what_is_united_changes_nothing(values: list[list[dict[str, Any]]], key: tuple[str, ...]) -> None:
    """Nor does taking some of it in an earlier run."""
    whole = united(values, key=key)
    assert united([whole], key=key) == whole
    assert united([united(values[:2], key=key), *values[2:]], key=key) == whole


@given(LISTS, KEYS)
def test_entries_stand_in_the_order_in_which_they_came_first(
    values: list[list[dict[str, Any]]], key: tuple[str, ...]
) -> None:
    """What comes later never moves what was there."""
    before, after = united(values[:-1], key=key) or [], united(values, key=key)
    assert len(before) <= len(after)
    assert [one["name"] for one in before] == [one["name"] for one in after[: len(before)]]


@given(LISTS, KEYS)
def test_nothing_is_lost(values: list[list[dict[str, Any]]], key: tuple[str, ...]) -> None:
    """Each entry is in one that says all that it does, and each place is kept."""
    whole = united(values, key=key)
    for entry in (entry for value in values for entry in value):
        assert any(all(says(one.get(name), value) for name, value in own(entry).items()) for one in whole)
        for place in entry.get("places", ()):
            assert any(place in one.get("places", ()) for one in whole)


def test_only_a_key_lets_blanks_be_filled() -> None:
    """Contradicting entries stay two all the same."""
    values = [[{"name": "Ada", "born": "", "died": None}], [{"name": "ADA", "born": "1815", "died": None}]]
    assert len(united(values)) == 2
    assert united(values, key=["name"]) == [{"name": "Ada", "born": "1815", "died": None}]
    assert len(united([*values, [{"name": "ada", "born": "1816", "died": None}]], key=["name"])) == 2


def test_the_quote_that_stands_in_the_text_is_kept() -> None:
    """With the places of all that say the same."""
    text = "수위는  3미터였다. The level was 3 m."
    found = [
        verified([{"name": "level", "quote": quote}], text, lambda start, end: {"start": start, "end": end})
        for quote in ("nowhere said", "수위는 3미터였다.", "The level was 3 m.")
    ]
    assert found[0] == [{"name": "level", "quote": "nowhere said", "verified": False, "places": []}]
    (entry,) = united(found)
    assert (entry["quote"], entry["verified"]) == ("수위는 3미터였다.", True)
    said = [text[place["start"] : place["end"]] for place in entry["places"]]
    assert said == ["수위는  3미터였다.", "The level was 3 m."]


def test_single_values_keep_the_first_that_is_not_blank_and_say_the_others() -> None:
    """So that an invoice's number is not the blank of its first page."""
    whole = United()
    for value in ({"number": "", "of": {"total": 12}}, {"number": "A1", "of": {"total": 12.0}}, {"of": {"total": 15}}):
        whole.add(value)
    assert whole.value == {"number": "A1", "of": {"total": 12}}
    assert list(whole.conflicts()) == ["of.total: 12 is kept, and other parts say 15"]
    assert whole.lists is None
