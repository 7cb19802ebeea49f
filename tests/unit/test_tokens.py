"""Tokens without a database: their reach; fingerprints of requests; the removal guard's arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.guard import guard
from federation.idempotency import fingerprint
from federation.tokens import Grant
from schema.errors import Forbidden
from schema.kinds import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_grant_without_kinds_reaches_all(kind: str) -> None:
    """`kinds` None is every kind of the publisher, and of no other."""
    grant = Grant(1, "GB-LAE-EXA", None)
    grant.need("GB-LAE-EXA", kind)
    with pytest.raises(Forbidden):
        grant.need("GB-LAE-OTH", kind)


@given(
    st.sets(st.sampled_from(sorted(KINDS))),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["GB-LAE-EXA", "GB-LAE-EX", ""]),
)
def test_a_grant_reaches_what_it_names(kinds: set[str], kind: str, publisher: str) -> None:
    """A grant reaches a record exactly where both its publisher and its kind are named."""
    grant = Grant(1, "GB-LAE-EXA", frozenset(kinds))
    reached = publisher == "GB-LAE-EXA" and kind in kinds
    if reached:
        grant.need(publisher, kind)
        return
    with pytest.raises(Forbidden):
        grant.need(publisher, kind)


@given(st.lists(st.binary(max_size=4), max_size=5), st.lists(st.binary(max_size=4), max_size=5))
def test_requests_have_fingerprints_of_their_own(one: list[bytes], other: list[bytes]) -> None:
    """Two requests have one fingerprint exactly where all their parts are the same: no part runs into the next."""
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_guard_holds_a_fifth_of_at_least_twenty(live: int, going: int) -> None:
    """A removal may go at once where it is under 20 records, or not more than 20 % of what is live."""
    assert guard(live, going) == (going < 20 or 100 * going <= 20 * live)
