"""Cursors: they come back as they went, and belong to one query alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cursors import decode, digest, encode, pack
from federation.index import Position, Query, Terms
from schema.errors import BadParameter


@given(key=st.integers(0, 2**63 - 1), offset=st.integers(0, 1000), number=st.integers(0, 2**53))
def test_a_cursor_comes_back_as_it_went(key: int, offset: int, number: int) -> None:
    """Position to text to position is the same position."""
    position = Position(key, offset, number)
    assert decode(encode(position, "abc"), "abc") == position


@given(st.text())
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Any other text is a bad parameter, never an error of the server."""
    with pytest.raises(BadParameter):
        decode(text, "abc")


@pytest.mark.parametrize(
    "parts", [[], ["abc"], ["abc", -1, 0, 0], ["abc", 0, 1001, 0], ["abc", 0, 0, "1"], ["abc", True, 0, 0.5]]
)
def test_a_forged_cursor_is_refused(parts: list[str | int]) -> None:
    """A cursor that we would not have made is refused, however well it is packed."""
    with pytest.raises(BadParameter):
        decode(pack(parts), "abc")


def test_a_cursor_of_another_query_is_refused() -> None:
    """Path, words, filters and sort bind a cursor; how much a page shows and what it counts do not."""
    one = Query(words="parking", filters=(Terms("stage", ("active",)),), sort="end")
    bound = digest("/v1/contracts", one)
    assert bound == digest("/v1/contracts", Query("parking", one.filters, "end", limit=3, facets=("cpv",)))
    others = {
        digest("/v1/search", one),
        digest("/v1/contracts", Query("parks", one.filters, "end")),
        digest("/v1/contracts", Query("parking", (), "end")),
        digest("/v1/contracts", Query("parking", one.filters, "start")),
        digest("/v1/contracts", Query("parking", one.filters, "end", descending=False)),
    }
    assert bound not in others
    assert len(others) == 5
    with pytest.raises(BadParameter, match="this query"):
        decode(encode(Position(5), bound), others.pop())
