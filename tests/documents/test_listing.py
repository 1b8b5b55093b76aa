"""Sources in little memory: what goes in comes out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from promptops.documents import Listing
from promptops.types import Source

PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=()), min_size=1)
SOURCES = st.builds(
    lambda path, name, size: Source(name or path, path, size=size), PATHS, st.none() | PATHS, st.integers(0, 2**40)
)


@given(st.lists(SOURCES))
def test_sources_come_out_as_they_went_in(sources: list[Source]) -> None:
    """One by one, by any index, and in slices; paths that are no text too."""
    listed = Listing(sources)
    assert list(listed) == sources
    assert [listed[number] for number in range(-len(sources), len(sources))] == sources * 2
    assert list(listed[1::2]) == sources[1::2]
    assert len(listed) == len(sources)
