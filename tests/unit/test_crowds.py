"""Who counts as one client, and who has the most connections."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.crowds import FEW, Crowds, networks, whose


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("10.0.0.5", None),
        ("::ffff:10.0.0.5", None),
        ("192.168.1.77", None),
        ("fd00::7", None),
        ("10.0.0.6", "10.0.0.6"),
        ("testclient", None),
        ("", None),
    ],
)
def test_whose_a_connection_is(host: str, client: str | None) -> None:
    """An IPv4 address, however it is written, or a /64 is one client; a proxy that is named is none."""
    assert whose(host, networks("10.0.0.5/32,192.168.1.0/24,fd00::/8")) == client


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 12)), max_size=200))
def test_the_largest_crowd_is_the_one_that_counting_finds(steps: list[tuple[bool, int, int]]) -> None:
    """After any coming and going, a second leaving included, it is one of those with the most, its oldest first."""
    crowds: Crowds[tuple[int, int]] = Crowds()
    counted: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for comes, client, number in steps:
        one = (client, number)
        if comes and one not in counted[client]:
            crowds.join(str(client), one)
            counted[client].append(one)
        elif not comes:
            crowds.leave(str(client), one)
            counted[client] = [other for other in counted[client] if other != one]
        most = max(map(len, counted.values()), default=0)
        found = list(crowds.largest(100))
        assert found in ([crowd for crowd in counted.values() if len(crowd) == most] if most > FEW else [[]])
        assert list(crowds.largest(3)) == found[:3]
    for client, crowd in counted.items():
        for one in list(crowd):
            crowds.leave(str(client), one)
    assert vars(crowds) == vars(Crowds())
