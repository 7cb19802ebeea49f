"""What a publisher is told of a refused item, word for word: what is wrong, what was found, what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from federation.verdicts import MAX_ID, Source, Trouble
from tests.unit.federation.test_judge import HOP, NODE, ORIGIN, OWN, PREFIX, RELAY, THROUGH, item, judged

C_1 = PREFIX + "contract/C-1"
OUTSIDE = "https://exa.example/id/GB-LAE-EXC/contract/C-1"
TOMBSTONE: dict[str, Any] = {"state": "deleted", "data": None}
UNTIMELY = HOP | {"harvested": "now"}
OTHER = "https://other.example/.well-known/folkmoot"
FAULTS: dict[str, tuple[dict[str, Any], Source, Trouble]] = {
    "time": (
        {"origin": ORIGIN | {"time": "yesterday"}},
        OWN,
        Trouble("origin", "/origin/time", "This is no time in UTC. Found: yesterday. Expected: 2026-11-02T09:00:00Z."),
    ),
    "own with via": (
        {"via": [HOP, HOP]},
        OWN,
        Trouble("via", "/via", "A node's own record has passed nobody. Found: 2. Expected: no via."),
    ),
    "relayed without via": (
        {},
        THROUGH,
        Trouble("via", "/via", f"An aggregator puts itself at the end of via. Expected: {RELAY}."),
    ),
    "hop that is no node": (
        {"via": [HOP | {"node": "x"}, HOP]},
        THROUGH,
        Trouble("via", "/via/0", "A hop is the id of a node and a time in UTC. Found: x."),
    ),
    "hop without a time": (
        {"via": [HOP | {"node": OTHER}, UNTIMELY]},
        THROUGH,
        Trouble("via", "/via/1", f"A hop is the id of a node and a time in UTC. Found: {RELAY}."),
    ),
    "dropped": (
        TOMBSTONE | {"reason": "dropped"},
        OWN,
        Trouble("tombstone-reason", "/reason", "dropped is a relay's word alone. Found: dropped."),
    ),
    "moved nowhere": (
        TOMBSTONE | {"reason": "moved", "movedTo": "mailto:x"},
        OWN,
        Trouble("moved-to", "/movedTo", "movedTo is no id. Found: mailto:x. Expected: the record's new id."),
    ),
    "no aggregator": (
        {"origin": ORIGIN | {"node": OTHER}, "via": [HOP]},
        Source(2, RELAY, {}),
        Trouble(
            "not-an-aggregator",
            "/origin/node",
            "The node passes on another's record, yet it was not accepted as an aggregator."
            f" Found: {OTHER}. Expected: {RELAY}.",
        ),
    ),
    "unknown origin": (
        {"origin": ORIGIN | {"node": OTHER}, "via": [HOP]},
        THROUGH,
        Trouble("origin-unknown", "/origin/node", f"Nothing is known of this origin. Found: {OTHER}."),
    ),
    "outside": (
        {"id": OUTSIDE},
        Source(1, NODE, {f"https://exa.example/id/GB-LAE-{place}/": "" for place in "ABCD"}),
        Trouble(
            "id-prefix",
            "/id",
            f"The id lies outside its origin's prefixes. Found: {OUTSIDE}. Expected: https://exa.example/id/GB-LAE-A/,"
            " https://exa.example/id/GB-LAE-B/, https://exa.example/id/GB-LAE-C/.",
            OUTSIDE,
        ),
    ),
    "publisher": (
        {"origin": ORIGIN | {"publisher": "GB-LAE-EXB"}},
        OWN,
        Trouble(
            "publisher",
            "/origin/publisher",
            "The publisher is not the one whose prefix the id has. Found: GB-LAE-EXB. Expected: GB-LAE-EXA.",
        ),
    ),
    "kind": (
        {"kind": "tool"},
        OWN,
        Trouble("kind", "/kind", "The kind is not the one in the id. Found: tool. Expected: contract."),
    ),
    "reference": (
        {"data": {"reference": "C-2", "title": "T"}},
        OWN,
        Trouble("reference", "/data/reference", "The reference is not the one in the id. Found: C-2. Expected: C-1."),
    ),
    "data": (
        {"data": {"reference": "C-1", "title": 5}},
        OWN,
        Trouble("schema", "/data/title", "It is not a text. Found: 5. Expected: a text."),
    ),
}


@pytest.mark.parametrize(("changes", "source", "told"), FAULTS.values(), ids=FAULTS.keys())
def test_a_refusal_is_told_in_words(changes: dict[str, Any], source: Source, told: Trouble) -> None:
    """A publisher reads what is wrong, what was found, what was expected, and of which record."""
    (trouble,) = judged(item(**changes), source=source).refused
    whole = Trouble(told.rule, told.pointer, told.message, told.record_id or C_1)
    assert trouble == whole


def test_a_long_id_is_told_short() -> None:
    """An id beyond the limit is told with its length and 200 characters, and kept as far as an id may go."""
    name = PREFIX + "contract/" + "C" * MAX_ID
    (trouble,) = judged(item(id=name)).refused
    assert trouble.message == f"The id has {len(name)} characters; at most {MAX_ID} are taken. Found: {name[:200]}."
    assert trouble.record_id == name[:MAX_ID]


def test_what_is_no_item_is_told_of_the_record_that_it_names() -> None:
    """An item that cannot be read is told in words too, with its id where that much can be read, cut like any."""
    name = PREFIX + "contract/" + "C" * MAX_ID
    short, long = judged(b'{"id":"%b"}' % C_1.encode(), b'{"id":"%b"}' % name.encode()).refused
    assert (short.rule, short.pointer, short.record_id) == ("item-members", "", C_1)
    assert short.message == "The item is no change of a feed: Object missing required field `state`."
    assert long.record_id == name[:MAX_ID]


def test_each_fault_of_an_item_is_told() -> None:
    """Data with two faults is told twice, and the faults of one item do not hide those of another."""
    twice = item(data={"title": 5})
    found = judged(twice, item(kind="tool", modified=6))
    assert sorted(t.pointer for t in found.refused) == ["/data/reference", "/data/title", "/kind"]
    assert {t.record_id for t in found.refused} == {C_1}


def test_a_clock_that_runs_ahead_is_told_and_nothing_refused() -> None:
    """A time more than 24 hours ahead of ours is told to its publisher, and the record is taken all the same."""
    times = ["2026-11-03T09:00:00Z", "2026-11-03T09:00:01Z"]
    found = judged(*(item(origin=ORIGIN | {"time": time}) for time in times))
    assert len(found.heard) == 2
    assert found.refused == []
    told = f"The time lies in the future. Found: {times[1]}. Expected: {times[0]} at the latest."
    assert found.warned == [Trouble("clock", "/origin/time", told, C_1)]


def test_a_relay_is_not_told_of_its_origins_clock() -> None:
    """Who passes a record on cannot mend the clock of the node that it came from."""
    ahead = item(origin=ORIGIN | {"time": "2027-01-01T00:00:00Z"}, via=[HOP])
    found = judged(ahead, source=THROUGH)
    assert (len(found.heard), found.warned) == (1, [])
