"""The removal guard's boundary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.guard import guard


@pytest.mark.parametrize(
    ("live", "going", "passes"),
    [(0, 0, True), (10, 10, True), (19, 19, True), (20, 20, False), (100, 20, True), (100, 21, False), (99, 20, False)],
)
def test_boundary(live: int, going: int, passes: bool) -> None:  # noqa: FBT001
    """A fifth may go, a fifth and one may not; fewer than twenty records always may."""
    assert guard(live, going) is passes


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_is_never_safer(live: int, going: int, more: int) -> None:
    """What is held for some is held for more."""
    assert guard(live, going) or not guard(live, going + more)
