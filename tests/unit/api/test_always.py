"""What every answer carries, whatever its route says."""

from __future__ import annotations

import pytest

from api.always import API_POLICY, PAGE_POLICY, Always, Field

PAGE: Field = (b"content-type", b"text/html; charset=utf-8")
OWN: Field = (b"content-security-policy", b"default-src 'self'")


@pytest.mark.parametrize(
    ("own", "policies"),
    [
        ([], [API_POLICY]),
        ([(b"content-type", b"application/json")], [API_POLICY]),
        ([PAGE], [PAGE_POLICY]),
        ([OWN], [OWN]),
        ([PAGE, OWN], [OWN]),
        ([OWN, PAGE], [OWN]),
    ],
)
@pytest.mark.parametrize("https", [True, False])
def test_an_answer_has_one_policy(own: list[Field], policies: list[Field], *, https: bool) -> None:
    """A page has that of pages, all else that of the API, and a route that sets its own keeps it alone."""
    fields = Always(https=https).dressed(own, readable=False)
    assert [field for field in fields if field[0] == b"content-security-policy"] == policies
    assert fields[: len(own)] == own
    names = [name for name, _ in fields]
    assert (b"x-content-type-options" in names, b"strict-transport-security" in names) == (True, https)
    assert b"access-control-allow-origin" not in names
