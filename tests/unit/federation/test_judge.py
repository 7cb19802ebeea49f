"""Items judged one by one: whose they are, and which rule each fault breaks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from federation.judge import judge, read, strays
from federation.verdicts import Judged, Source

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
NODE = "https://exa.example/.well-known/folkmoot"
RELAY = "https://relay.example/.well-known/folkmoot"
ME = "https://moot.example/.well-known/folkmoot"
PREFIX = "https://exa.example/id/GB-LAE-EXA/"
OWN = Source(1, NODE, {PREFIX: "GB-LAE-EXA", "https://exa.example/id/GB-LAE-EXB/": "GB-LAE-EXB"})
THROUGH = Source(2, RELAY, {}, relays=True)
HOP = {"node": RELAY, "harvested": "2026-11-02T09:00:00Z"}
ORIGIN = {"node": NODE, "publisher": "GB-LAE-EXA", "seq": 5, "time": "2026-11-02T09:00:00Z"}


def item(**changes: Any) -> dict[str, Any]:
    """Make an item that keeps the rules, with changes; None takes a member away."""
    made = {
        "state": "updated",
        "kind": "contract",
        "id": PREFIX + "contract/C-1",
        "modified": 5,
        "data": {"reference": "C-1", "title": "T"},
        "origin": ORIGIN,
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def judged(*items: dict[str, Any] | bytes, source: Source = OWN, known: bool = True) -> Judged:
    """Judge items of a page."""
    raws = [i if isinstance(i, bytes) else orjson.dumps(i) for i in items]
    return judge(read(raws), source, me=ME, origins={NODE: OWN.prefixes} if known else {}, now=NOW)


def test_good_item_is_a_statement() -> None:
    """An item of the node's own stands at rank 0, its data and origin the bytes that came, via ours alone."""
    raw = b'{"state":"updated","kind":"contract","id":"%s","modified":5,"data":{"title":"T",  "reference":"C-1"},' % (
        (PREFIX + "contract/C-1").encode()
    ) + b'"origin":%s,"futureMember":1}' % orjson.dumps(ORIGIN)
    ((statement, ends),) = judged(raw).heard
    assert (statement.rank, statement.seq, statement.node_id, ends) == (0, 5, 1, False)
    assert statement.data == b'{"title":"T",  "reference":"C-1"}'
    assert orjson.loads(statement.via or b"") == [{"node": ME, "harvested": "2026-11-02T09:00:00Z"}]


FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "outside": ({"id": "https://exa.example/id/GB-LAE-EXC/contract/C-1"}, "id-prefix", "/id"),
    "sibling": ({"id": "https://exa.example/id/GB-LAE-EXA2/contract/C-1"}, "id-prefix", "/id"),
    "dots": ({"id": PREFIX + "../GB-LAE-EXB/contract/C-1"}, "id-prefix", "/id"),
    "host": ({"id": "https://exa.example.evil.example/id/GB-LAE-EXA/contract/C-1"}, "id-prefix", "/id"),
    "case": ({"id": "https://EXA.example/id/GB-LAE-EXA/contract/C-1"}, "id-prefix", "/id"),
    "deeper": ({"id": PREFIX + "contract/C/1"}, "id-form", "/id"),
    "long": ({"id": PREFIX + "contract/" + "C" * 2_600}, "id", "/id"),
    "publisher": ({"origin": ORIGIN | {"publisher": "GB-LAE-EXB"}}, "publisher", "/origin/publisher"),
    "kind": ({"kind": "tool"}, "kind", "/kind"),
    "reference": ({"data": {"reference": "C-2", "title": "T"}}, "reference", "/data/reference"),
    "schema": ({"data": {"reference": "C-1", "title": 5}}, "schema", "/data/title"),
    "missing": ({"data": {"reference": "C-1"}}, "schema", "/data/title"),
    "no data": ({"data": None}, "item-members", "/data"),
    "time": ({"origin": ORIGIN | {"time": "yesterday"}}, "origin", "/origin/time"),
    "seq": ({"origin": ORIGIN | {"seq": 0}}, "origin", "/origin/seq"),
    "seq text": ({"origin": ORIGIN | {"seq": "5"}}, "item-members", ""),
    "via": ({"via": [HOP]}, "via", "/via"),
    "another's": ({"origin": ORIGIN | {"node": RELAY}}, "not-an-aggregator", "/origin/node"),
    "no reason": ({"state": "deleted", "data": None}, "tombstone-reason", "/reason"),
    "dropped": ({"state": "deleted", "data": None, "reason": "dropped"}, "tombstone-reason", "/reason"),
    "data on deleted": ({"state": "deleted", "reason": "ended"}, "deleted-no-data", "/data"),
    "moved": (
        {"state": "deleted", "data": None, "reason": "moved", "movedTo": "javascript:1"},
        "moved-to",
        "/movedTo",
    ),
    "size": ({"data": {"reference": "C-1", "title": "T", "more": "x" * 300_000}}, "item-size", ""),
}


@pytest.mark.parametrize(("changes", "rule", "pointer"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_told_by_rule_and_pointer(changes: dict[str, Any], rule: str, pointer: str) -> None:
    """Each fault refuses its item alone, named by its rule and the place where it stands; its neighbour is taken."""
    good = item(id=PREFIX + "contract/C-9", data={"reference": "C-9", "title": "T"}, modified=6)
    found = judged(item(**changes), good)
    assert [(t.rule, t.pointer) for t in found.refused] == [(rule, pointer)]
    assert [statement.id for statement, _ in found.heard] == [good["id"]]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"via": None}, "via"),
        ({"via": [{"node": NODE, "harvested": "2026-11-02T09:00:00Z"}]}, "via"),
        ({"via": [HOP | {"harvested": "now"}]}, "via"),
        ({"via": [{"node": "x", "harvested": "2026-11-02T09:00:00Z"}, HOP]}, "via"),
        ({"via": [HOP] * 8}, "hops"),
    ],
)
def test_relay_puts_itself_into_via(changes: dict[str, Any], rule: str) -> None:
    """What a relay passes on ends its via with that relay, in at most eight hops: else loops could not be seen."""
    found = judged(item(**{"via": [HOP], **changes}), source=THROUGH)
    assert [t.rule for t in found.refused] == [rule]


def test_relayed_item_is_judged_by_its_origins_prefixes() -> None:
    """An aggregator is believed within the prefixes of the origin, and refused where nothing is known of it."""
    assert [s.rank for s, _ in judged(item(via=[HOP]), source=THROUGH).heard] == [2]
    assert [t.rule for t in judged(item(via=[HOP]), source=THROUGH, known=False).refused] == ["origin-unknown"]


def test_loops_are_counted() -> None:
    """What began or passed here is dropped and counted, whatever is wrong with it; by what passed a route ends."""
    ours = item(origin=ORIGIN | {"node": ME}, via=[HOP])
    passed = item(via=[{"node": ME, "harvested": "2026-11-02T09:00:00Z"}, HOP], data={"wrong": 1})
    found = judged(ours, passed, source=THROUGH)
    assert (found.loops, found.refused, found.heard) == (2, [], [])
    assert [(s.id, s.data, s.reason) for s in found.looped] == [(PREFIX + "contract/C-1", None, "dropped")]


def test_moved_and_suffixed_records_are_taken() -> None:
    """`movedTo` names the new id; an import's suffix may stand behind the reference."""
    moved = item(state="deleted", data=None, reason="moved", movedTo=PREFIX + "contract/C-2")
    suffixed = item(id=PREFIX + "contract/C-1~abcdefg2", modified=6)
    found = judged(moved, suffixed)
    assert found.refused == []
    assert [s.moved_to for s, _ in found.heard] == [PREFIX + "contract/C-2", None]


def test_bytes_that_are_no_item_are_refused() -> None:
    """What is no JSON object, or nests without end, is refused alone."""
    found = judged(b"5", b"[" * 5_000 + b"]" * 5_000, item())
    assert ([t.rule for t in found.refused], len(found.heard)) == (["item-members", "item-members"], 1)


def test_texts_told_can_be_stored() -> None:
    """NUL in a refused id does not reach the database."""
    found = judged(item(id=PREFIX + "contract/\x00"))
    assert "\x00" not in found.refused[0].record_id + found.refused[0].message


def test_strays_are_those_to_ask() -> None:
    """Asked are origins without that prefix; not those asked in vain, nor any that the node may not relay."""
    elsewhere = item(id="https://exa.example/id/GB-LAE-NEW/contract/C-1", via=[HOP])
    readings = read([orjson.dumps(elsewhere), orjson.dumps(item(via=[HOP]))])
    assert strays(readings, THROUGH, {NODE: OWN.prefixes}) == [NODE]
    assert strays(readings[1:], THROUGH, {NODE: OWN.prefixes}) == []
    assert strays(readings, THROUGH, {}) == [NODE]
    assert strays(readings, THROUGH, {NODE: {}}) == []
    assert strays(readings, Source(2, RELAY, {}), {}) == []
    assert strays(readings, OWN, {}) == [NODE]
