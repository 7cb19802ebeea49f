"""How often who may ask, without a server: windows, whose address it is, and how much is remembered."""

from __future__ import annotations

from typing import Any

import pytest

from api import counts
from api.counts import SIZE, Counts
from api.limits import WINDOW, Limits, Standing, fields


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def scope(peer: str, *forwarded: str) -> dict[str, Any]:
    """Give what the limits look at of a request."""
    return {"client": (peer, 1), "headers": [(b"x-forwarded-for", one.encode()) for one in forwarded]}


def test_a_window_begins_with_its_first_request_and_ends() -> None:
    """So many requests a window are let in, the next is refused until the window is over."""
    clock = Clock()
    counted = Limits(3, clock=clock)
    left = [counted.address(scope("8.8.8.8")) for _ in range(4)]
    assert [one and (one.left, one.refused) for one in left] == [(2, False), (1, False), (0, False), (0, True)]
    clock.now += WINDOW - 0.5
    last = counted.address(scope("8.8.8.8"))
    assert last == Standing("address", 0, 1, refused=True)
    clock.now += 0.5
    assert counted.address(scope("8.8.8.8")) == Standing("address", 2, WINDOW, refused=False)


def test_the_fields_are_those_of_the_draft() -> None:
    """A list of policies by name with quota and window, and of what is left of each for how many seconds."""
    told = fields([Standing("address", 9, 60, refused=False), Standing("token", 0, 7, refused=True)], 10)
    assert told == [
        (b"ratelimit-policy", b'"address";q=10;w=60, "token";q=10;w=60'),
        (b"ratelimit", b'"address";r=9;t=60, "token";r=0;t=7'),
    ]


@pytest.mark.parametrize(
    ("one", "other", "left"),
    [
        ("8.8.8.8", "8.8.8.9", 4),
        ("2606:4700::1", "2606:4700::ffff:1", 3),
        ("2606:4700::1", "2606:4700:0:1::1", 4),
        ("::ffff:8.8.8.8", "8.8.8.8", 3),
    ],
)
def test_an_address_is_counted_with_its_subscribers_others(one: str, other: str, left: int) -> None:
    """IPv4 addresses are counted each; of IPv6 a /64; an IPv4 address that came as IPv6 is the same."""
    counted = Limits(5)
    counted.address(scope(one))
    found = counted.address(scope(other))
    assert found is not None
    assert found.left == left


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "fe80::1", "testclient", ""])
def test_what_is_no_public_address_is_not_limited_where_no_proxy_is_named(peer: str) -> None:
    """There stands a proxy of ours or a program of this machine, and `X-Forwarded-For` is anybody's word."""
    assert Limits(1).address(scope(peer, "8.8.8.8")) is None


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", ["8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", ["1.1.1.1, 8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", ["1.1.1.1", "8.8.8.8, 10.0.0.2"], "8.8.8.8"),
        ("10.0.0.1", ["192.168.7.7"], "192.168.7.7"),
        ("9.9.9.9", ["8.8.8.8"], "9.9.9.9"),
        ("10.0.0.1", ["8.8.8.8:51000"], "8.8.8.8"),
        ("10.0.0.1", ["8.8.8.8:1, 10.0.0.2:2"], "8.8.8.8"),
        ("10.0.0.1", ["[2001:4860::1]:443"], "2001:4860::1"),
        ("10.0.0.1", ["2001:4860::1"], "2001:4860::2"),
        ("10.0.0.1", [], None),
        ("10.0.0.1", ["unknown"], None),
        ("10.0.0.1", ["10.0.0.7"], None),
    ],
)
def test_a_trusted_proxy_says_whose_address_it_is(peer: str, forwarded: list[str], client: str | None) -> None:
    """The nearest address that is no trusted proxy's is the client's; what the client itself sent is not believed."""
    counted = Limits(10, ["10.0.0.0/8"])
    assert (counted.address(scope(peer, *forwarded)) is None) == (client is None)
    if client:
        again = counted.address(scope("10.0.0.9", client) if client != peer else scope(peer))
        assert again is not None
        assert again.left == 8


def test_no_limit_is_none() -> None:
    """0 a minute: nothing is counted."""
    counted = Limits(0)
    assert counted.address(scope("8.8.8.8")) is None
    assert counted.token(1) is None


def test_processes_count_together() -> None:
    """What one counts, the other has counted too: within one window, that began with the first request of either."""
    clock, memory = Clock(), bytearray(SIZE)
    here, there = (Limits(3, clock=clock, counts=Counts(memoryview(memory))) for _ in range(2))
    said = []
    for one in (here, there, here, there):
        said.append(one.address(scope("8.8.8.8")))
        clock.now += 10
    assert said == [
        Standing("address", 2, 60, refused=False),
        Standing("address", 1, 50, refused=False),
        Standing("address", 0, 40, refused=False),
        Standing("address", 0, 30, refused=True),
    ]
    assert here.token(1) == Standing("token", 2, 60, refused=False)
    clock.now += WINDOW
    assert there.address(scope("8.8.8.8")) == Standing("address", 2, 60, refused=False)


def test_what_is_limited_apart_is_counted_apart() -> None:
    """Checks an hour and requests a minute of one address are two counts in the same memory."""
    both = Counts()
    for one in (Limits(5, counts=both), Limits(5, window=3_600, counts=both)):
        found = one.address(scope("8.8.8.8"))
        assert found is not None
        assert found.left == 4


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask, the memory stays as large: where a row is full the count goes that would end first alone."""
    monkeypatch.setattr(counts, "_ROWS", 1)
    kept = Counts()
    for second in range(9):
        assert kept.count(str(second), second, WINDOW) == (second + WINDOW, 1)
    assert [kept.count(str(second), 9, WINDOW)[1] for second in range(8, 0, -1)] == [2] * 8
    assert kept.count("0", 9, WINDOW) == (9 + WINDOW, 1)
