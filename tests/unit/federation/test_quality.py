"""How good a node is as a source: the parts, the whole, and what a promise of freshness is held to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from federation.quality import Facts, availability, completeness, parts, seconds_of, whole

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
GOOD = Facts(100, 0, 1.0, 1.0, 100, 0, "P1D", NOW - timedelta(hours=5))


def test_a_node_without_fault_is_one() -> None:
    """What keeps every promise is worth 1, in each part and on the whole."""
    shares = parts(GOOD, NOW)
    assert set(shares.values()) == {1.0}
    assert whole(shares) == 1.0


def test_nothing_is_said_before_the_first_visit() -> None:
    """A part of which nothing is known counts neither way."""
    shares = parts(Facts(0, 0, None, None, 0, 0, None, None), NOW)
    assert set(shares.values()) == {None}
    assert whole(shares) is None
    assert whole(shares | {"accepted": 0.5}) == 0.5


@pytest.mark.parametrize(
    ("facts", "part", "share"),
    [
        (replace(GOOD, refused=300), "accepted", 0.25),
        (replace(GOOD, availability=0.12345), "availability", 0.1235),
        (replace(GOOD, completeness=0.5), "completeness", 0.5),
        (replace(GOOD, changed=NOW - timedelta(days=4)), "freshness", 0.25),
        (replace(GOOD, changed=NOW + timedelta(days=4)), "freshness", 1.0),
        (replace(GOOD, promised="P1M", changed=NOW - timedelta(days=4)), "freshness", 1.0),
        (replace(GOOD, promised="now and then"), "freshness", None),
        (replace(GOOD, held=40), "released", 0.6),
        (replace(GOOD, held=400), "released", 0.0),
    ],
)
def test_each_part_falls_alone(facts: Facts, part: str, share: float | None) -> None:
    """One shortcoming lowers one part, by its share."""
    found = parts(facts, NOW)
    assert found[part] == share
    assert {name: one for name, one in found.items() if name != part} == dict.fromkeys(found.keys() - {part}, 1.0)


def test_visits_are_forgotten_slowly() -> None:
    """A hundred good visits make up for a bad one, and one bad visit after them costs three per cent."""
    share: float | None = availability(None, good=False)
    assert share == 0.0
    for _ in range(200):
        share = availability(share, good=True)
    assert share is not None
    assert 0.99 < share < 1.0
    assert availability(1.0, good=False) == pytest.approx(0.97)


def test_completeness_counts_what_readers_look_for() -> None:
    """Members that are empty are not there; kinds that nobody knows say nothing."""
    skill = orjson.dumps({"reference": "S", "name": "X", "description": "About", "level": "", "department": "ICT"})
    assert completeness([("skill", skill)]) == pytest.approx(2 / 3)
    assert completeness([("recipe", b"{}")]) is None
    assert completeness([]) is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("P1D", 86_400),
        ("PT1H30M", 5_400),
        ("P1W", 604_800),
        ("P1M", 31 * 86_400),
        ("P1Y2M", (366 + 62) * 86_400),
        ("PT0.5S", 0),
        ("P", None),
        ("PT", None),
        ("1 day", None),
        ("P99999999999999999999Y", None),
        ("P" + "1" * 100 + "D", None),
    ],
)
def test_durations_are_read(said: str, seconds: int | None) -> None:
    """An ISO 8601 duration has a length in seconds; what is none has none, and nothing overflows."""
    assert seconds_of(said) == seconds
