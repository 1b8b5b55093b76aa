"""The text of an answer as it arrives: whole characters, no stop text, whatever the bytes are cut into."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptops.local.engine.output import Writer, begun, first_stop

ALPHABET = st.text("ab강🙂é", max_size=12)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    parts, at = [], 0
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    return [*parts, data[at:]]


STOPS = st.lists(st.text("ab강🙂", min_size=1, max_size=3), max_size=3)


@given(ALPHABET, STOPS, st.lists(st.integers(0, 4), max_size=12))
def test_the_cuts_make_no_difference(text: str, stop: list[str], sizes: list[int]) -> None:
    """The pieces join to the text up to the first stop text to be complete, for any token borders."""
    writer = Writer(stop)
    pieces = [writer.add(part) for part in cut(text.encode(), sizes)] + [writer.end()]
    at = first_stop(text, stop)
    assert "".join(pieces) == writer.text == (text if at is None else text[:at])
    assert writer.stopped == (at is not None)


@given(st.binary(max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_bytes_that_are_no_text_are_marked(data: bytes, sizes: list[int]) -> None:
    """They become U+FFFD, as decoding all at once would have it."""
    writer = Writer()
    for part in cut(data, sizes):
        writer.add(part)
    writer.end()
    assert writer.text == data.decode("utf-8", "replace")


def test_what_may_become_a_stop_text_is_held_back() -> None:
    """A beginning of it is not shown, and comes out once it leads elsewhere."""
    writer = Writer(["END"])
    assert [writer.add(part) for part in (b"a E", b"N", b"d", b" EN", b"D b")] == ["a ", "", "ENd", " ", ""]
    assert writer.text == "a ENd "


def test_the_one_complete_first_ends_it() -> None:
    """Not the one that began first: that one could go on forever."""
    assert first_stop("xabcdy", ["abcd", "bc"]) == 2
    assert begun("xab", ["abcd"]) == 2
