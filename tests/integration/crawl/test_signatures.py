"""Signatures in the crawl: what is believed, what waits, what is refused, and whose keys count (protocol section 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from sqlalchemy import func, select

from api.app import create_app
from federation import nodes, origins, pinning, removals, status
from federation.database import Database, table
from federation.identity import read_manifest
from federation.merge import DIRECT, SIGNED
from federation.sign import Signer
from schema.entry import stamp
from schema.errors import Later
from schema.tables import Removal, Unproven
from tests.integration.crawl.world import (
    Aggregator,
    FakeNode,
    World,
    feed,
    live_contracts,
    node_row,
    problems,
    rows,
    signature,
)
from tests.services import client, make_services

REVOKED = {"revoked": "2026-11-03T00:00:00Z", "reason": "stolen"}


@pytest.fixture
def signed(world: World) -> FakeNode:
    """Return a node that has signed all it says from the start."""
    made = world.node()
    made.key("2026-1")
    made.all_again()
    return made


def _relay(world: World, host: str = "relay.example", code: str = "REL") -> FakeNode:
    return world.node(host, code, role="aggregator", size=50)


def _waiting(database: Database) -> int:
    with database.read() as session:
        found: int = session.connection().execute(select(func.count()).select_from(table(Unproven))).scalar_one()
    return found


def _rules(database: Database) -> set[str]:
    return {problem.rule for problem in problems(database)}


def _first_key_revoked(moot: Aggregator, world: World, node: FakeNode) -> None:
    """Take a node in, which then takes a second key and revokes its first."""
    moot.add(node)
    moot.crawl()
    node.key("2026-2", by=node.signer)
    world.pass_time(hours=1)
    moot.crawl()
    node.keys["2026-1"].update(REVOKED)
    world.pass_time(hours=1)
    moot.crawl()


def _release(moot: Aggregator, node: FakeNode) -> None:
    body = node.answer(node.id)
    with moot.database.write() as session:
        known = nodes.find(session, node.id)
        nodes.release(session, known, read_manifest(body, node.id), body, now=moot.world.now)


def test_t10_signed_records_are_valid(moot: Aggregator, signed: FakeNode) -> None:
    """What the origin signed is valid, records and tombstones alike, and the node's status names its keys."""
    record_id, gone = signed.put("contract", "C-1"), signed.put("contract", "C-2")
    signed.delete("contract", "C-2")
    moot.add(signed)
    moot.crawl()
    held = rows(moot.database)
    assert (held[record_id].signature, held[gone].signature, held[gone].deleted) == ("valid", "valid", True)
    assert problems(moot.database) == []
    with moot.database.read() as session:
        shown = status.one(session, "exa.example")
    assert shown["signature"] == "valid"
    assert [(key["kid"], len(key["thumbprint"]), key["until"]) for key in shown["keys"]] == [("2026-1", 43, None)]


def test_t10_a_signature_that_is_left_out_is_refused(moot: Aggregator, signed: FakeNode) -> None:
    """An origin that publishes a key is taken at its word: what comes unsigned is refused, tombstones too."""
    record_id, other = signed.put("contract", "C-1"), signed.put("contract", "C-2")
    moot.add(signed)
    moot.crawl()
    signed.signer = None
    signed.put("contract", "C-1", title="stripped")
    signed.delete("contract", "C-2")
    moot.world.pass_time(minutes=10)
    moot.crawl()
    held = rows(moot.database)
    assert orjson.loads(held[record_id].data)["title"] == "contract C-1"
    assert not held[other].deleted
    assert [(p.rule, p.pointer) for p in problems(moot.database)] == [("signature-absent", "/origin/sig")] * 2


def test_t10_a_forged_signature_is_refused(moot: Aggregator, signed: FakeNode) -> None:
    """A signature over other content does not hold."""
    record_id = signed.put("contract", "C-1")
    signed.items[record_id]["data"] = {"reference": "C-1", "title": "forged"}
    moot.add(signed)
    moot.crawl()
    assert record_id not in rows(moot.database)
    assert _rules(moot.database) == {"signature-invalid"}


def test_t10_a_relay_cannot_forge_what_a_signing_origin_says(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """Content that a relay bent, and a deletion that it made up, are refused: neither bears the origin's signature."""
    relay, record_id, other = _relay(world), signed.put("contract", "C-1"), signed.put("contract", "C-2")
    bent = signed.items[record_id] | {"data": {"reference": "C-1", "title": "bent"}}
    relay.pass_on(bent)
    relay.pass_on(signed.items[other] | {"state": "deleted", "reason": "ended"})
    moot.add(relay, relays=True)
    moot.crawl()
    assert {record_id, other}.isdisjoint(rows(moot.database))
    assert _rules(moot.database) == {"signature-invalid"}


def test_a_relayed_record_with_a_signature_has_rank_one(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """Relayed and signed stands before relayed and unsigned, whatever number the unsigned one claims."""
    relay, record_id = _relay(world), signed.put("contract", "C-1")
    relay.pass_on(signed.items[record_id])
    moot.add(relay, relays=True)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.rank, row.signature) == (1, "valid")
    assert orjson.loads(row.origin)["sig"] == signed.items[record_id]["origin"]["sig"]


def test_signatures_hold_over_two_relays(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """However many hops a record has passed, it is the origin's own keys that count."""
    first, second, record_id = _relay(world), _relay(world, "top.example", "TOP"), signed.put("contract", "C-1")
    first.pass_on(signed.items[record_id])
    second.pass_on(first.items[record_id])
    moot.add(second, relays=True)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.rank, row.signature, len(orjson.loads(row.via))) == (1, "valid", 3)


def test_an_unsigned_nodes_records_are_absent(moot: Aggregator, world: World) -> None:
    """A node without keys is read as before, and its records say that they are not signed."""
    node = world.node()
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    assert rows(moot.database)[record_id].signature == "absent"


def test_a_signature_of_an_unpublished_key_is_unknown(moot: Aggregator, world: World) -> None:
    """Where the origin publishes no key at all, a signed record is taken as unsigned ones are, and says so."""
    node = world.node()
    node.key("2026-1", publish=False)
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    assert rows(moot.database)[record_id].signature == "unknown-key"


def test_a_first_key_is_taken_and_judges_what_came_before(moot: Aggregator, world: World) -> None:
    """When a node begins to publish the key, what it had signed already becomes valid, as a change of the log."""
    node = world.node()
    node.key("2026-1", publish=False)
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    number = rows(moot.database)[record_id].number
    node.key("2026-1")
    world.pass_time(hours=1)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.signature, row.number > number, node_row(moot.database).state) == ("valid", True, "active")


def test_what_is_signed_with_an_unknown_key_waits(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """A new key that is not in the manifest yet: what it signed is kept aside, and taken once the key is endorsed."""
    record_id, old = signed.put("contract", "C-1"), signed.signer
    moot.add(signed)
    moot.crawl()
    signed.key("2026-2", publish=False)
    signed.put("contract", "C-1", title="new")
    world.pass_time(minutes=10)
    moot.crawl()
    assert orjson.loads(rows(moot.database)[record_id].data)["title"] == "contract C-1"
    assert (_waiting(moot.database), _rules(moot.database)) == (1, {"signature-unknown-key"})
    signed.key("2026-2", by=old)
    world.pass_time(hours=1)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (orjson.loads(row.data)["title"], row.signature) == ("new", "valid")
    assert (_waiting(moot.database), problems(moot.database)) == (0, [])


def test_what_is_said_again_under_a_known_key_waits_no_more(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """A word under a known key takes the place of the one that waits for an unknown key; other words wait on."""
    record_id, other, old = signed.put("contract", "C-1"), signed.put("contract", "C-2"), signed.signer
    moot.add(signed)
    moot.crawl()
    signed.key("2026-2", publish=False)
    for reference in ("C-1", "C-2"):
        signed.put("contract", reference, title="under a key that nobody knows")
    world.pass_time(minutes=10)
    moot.crawl()
    assert _waiting(moot.database) == 2
    signed.signer = old
    signed.put("contract", "C-1", title="said again")
    world.pass_time(minutes=10)
    moot.crawl()
    assert orjson.loads(rows(moot.database)[record_id].data)["title"] == "said again"
    assert _waiting(moot.database) == 1
    told = [(p.rule, p.record_id, p.severity) for p in problems(moot.database)]
    assert told == [("signature-unknown-key", other, "warning")]
    signed.key("2026-2", by=old)
    world.pass_time(hours=1)
    moot.crawl()
    held = {i: orjson.loads(rows(moot.database)[i].data)["title"] for i in (record_id, other)}
    assert held == {record_id: "said again", other: "under a key that nobody knows"}


def test_a_rotation_between_two_visits_is_taken(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """A visit that meets a new key asks for the manifest first: an endorsed key costs nobody a problem."""
    record_id, old = signed.put("contract", "C-1"), signed.signer
    moot.add(signed)
    moot.crawl()
    signed.keys["2026-1"]["exp"] = "2026-11-02T09:00:00Z"
    second = signed.key("2026-2", by=old)
    signed.keys["2026-2"]["exp"] = "2026-11-02T09:00:00Z"
    signed.key("2026-3", by=second)
    signed.put("contract", "C-1", title="new")
    world.pass_time(minutes=10)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (orjson.loads(row.data)["title"], row.signature, problems(moot.database)) == ("new", "valid", [])


def test_unchanged_signed_records_are_not_verified_again(
    moot: Aggregator, world: World, signed: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full reading of what is held already verifies nothing, straight or relayed."""
    relay = _relay(world)
    relay.pass_on(signed.items[signed.put("contract", "C-1")])
    moot.add(signed)
    moot.add(relay, relays=True)
    moot.crawl()
    monkeypatch.setattr("federation.sign.Ring.judge", None)
    signed.epoch = relay.epoch = "second"
    world.pass_time(hours=1)
    results = moot.crawl()
    assert {result.outcome for result in results} == {"ended"}
    assert problems(moot.database) == []


def _gone(node: FakeNode) -> None:
    node.keys.clear()
    node.signer = None


def _stranger(node: FakeNode) -> None:
    node.key("2026-9")


def _another(node: FakeNode) -> None:
    node.keys["2026-1"] = node.keys["2026-1"] | {"x": "A" * 42 + "E"}


def _back(node: FakeNode) -> None:
    del node.keys["2026-1"]["exp"]


def _role(node: FakeNode) -> None:
    node.role = "aggregator"


def _elsewhere(node: FakeNode) -> None:
    node.more["id"] = "https://evil.example/.well-known/folkmoot"


TAKEOVERS: dict[str, Any] = {
    "the key is gone": _gone,
    "a key without anybody's word": _stranger,
    "another key under the name": _another,
    "an end that is taken back": _back,
    "another role": _role,
    "another id": _elsewhere,
    "its own word alone": lambda node: node.key("2026-9", by=node.key("2026-8", publish=False)),
    "a retired key's word": lambda node: node.key("2026-9", by=node.key("2026-1", publish=False)),
}


@pytest.mark.parametrize("change", TAKEOVERS.values(), ids=TAKEOVERS.keys())
def test_t11_another_identity_is_held(moot: Aggregator, world: World, signed: FakeNode, change: Any) -> None:
    """A host that answers with other keys, role or id than was pinned is held, and its last good copy is served.

    Nothing that it says is taken, and the cursor stays, until a person confirms.
    """
    signed.keys["2026-1"]["exp"] = "2026-12-01T00:00:00Z"
    record_id = signed.put("contract", "C-1")
    moot.add(signed)
    moot.crawl()
    change(signed)
    signed.put("contract", "C-1", title="taken over")
    for _visit in range(3):
        world.pass_time(hours=7)
        moot.crawl()
    assert orjson.loads(rows(moot.database)[record_id].data)["title"] == "contract C-1"
    row = node_row(moot.database)
    assert (row.state, row.stale_since is not None) == ("held", True)
    assert "identity-changed" in _rules(moot.database)


DECISIONS = (
    (_stranger, "folkmoot node release exa.example --identity"),
    (_elsewhere, "folkmoot node moved exa.example"),
)


@pytest.mark.parametrize("decision", DECISIONS, ids=("keys", "id"))
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_held_identity_says_how_it_is_decided(
    moot: Aggregator, world: World, signed: FakeNode, tmp_path: Path, decision: tuple[Any, str]
) -> None:
    """Page, JSON and feeds of a held node name the command with which the operator takes what it says now."""
    change, command = decision
    moot.add(signed)
    moot.crawl()
    change(signed)
    world.pass_time(hours=1)
    moot.crawl()
    services = make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)
    ask = client(create_app(services))
    assert command in ask.get("/v1/nodes/exa.example").json()["problems"][0]["message"]
    page = ask.get("/nodes/exa.example").text
    assert command in page.partition('<div class="banner"><p>')[2].partition("</p>")[0], "at the head"
    assert "has not been reached" not in page
    told = ask.get("/v1/nodes/exa.example?format=jsonfeed").text
    assert command in told
    assert "until a person has confirmed it" in told


def test_t11_what_a_held_node_published_is_served_and_marked(
    moot: Aggregator, world: World, signed: FakeNode, tmp_path: Path
) -> None:
    """A held node's records are marked stale until it is who it was, or is confirmed; its next visit is told."""
    record_id = signed.put("contract", "C-1")
    moot.add(signed)
    moot.crawl()
    site = client(create_app(make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)))
    assert "marks" not in site.get("/v1/records", params={"id": record_id}).json()
    _stranger(signed)
    world.pass_time(hours=1)
    moot.crawl()
    assert site.get("/v1/records", params={"id": record_id}).json()["marks"] == ["stale"]
    node = site.get("/v1/nodes/exa.example").json()
    assert (node["state"], node["nextVisit"]) == ("held", stamp(feed(moot.database).due))
    assert "It is asked again whether it is as before." in site.get("/nodes/exa.example").text
    _release(moot, signed)
    assert "marks" not in site.get("/v1/records", params={"id": record_id}).json()


def test_t11_a_person_confirms_an_identity(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """`node release --identity` pins the node as it is now, and reads on from where the cursor stood."""
    record_id = signed.put("contract", "C-1")
    moot.add(signed)
    moot.crawl()
    signed.keys.clear()
    signed.key("2027-1")
    signed.put("contract", "C-1", title="new key")
    signed.all_again()
    world.pass_time(hours=1)
    moot.crawl()
    assert node_row(moot.database).state == "held"
    _release(moot, signed)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (orjson.loads(row.data)["title"], row.signature) == ("new key", "valid")
    assert (node_row(moot.database).state, problems(moot.database)) == ("active", [])


def _pinned_ends(database: Database, key: str = "exa.example") -> dict[str, bool]:
    return {key["kid"]: "revoked" in key for key in orjson.loads(node_row(database, key).jwks)}


@pytest.mark.parametrize("joined", ["active", "preview"])
def test_t11_a_stolen_key_ends_though_its_node_is_held(
    moot: Aggregator, world: World, signed: FakeNode, joined: Literal["active", "preview"]
) -> None:
    """A node that revokes a key, and shows a new one that nobody endorsed, waits for a person; the revocation does not.

    What the stolen key signed is invalid from then on, and what a relay brings under it is refused.
    """
    relay, record_id, thief = _relay(world), signed.put("contract", "C-1"), signed.signer
    if joined == "preview":
        signed.items[signed.put("contract", "C-2")]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-2"
    relay.pass_on(signed.items[record_id])
    moot.add(signed, state=joined)
    moot.add(relay, relays=True)
    moot.crawl()
    assert rows(moot.database)[record_id].signature == "valid"
    signed.keys["2026-1"].update(REVOKED)
    signed.key("2027-1")
    world.pass_time(hours=2)
    moot.crawl()
    assert _pinned_ends(moot.database) == {"2026-1": True}
    assert "identity-changed" in _rules(moot.database)
    forger = FakeNode()
    forger.signer, forger.number = thief, 500
    forged = forger.put("contract", "C-666", title="Pay here")
    relay.pass_on(forger.items[forged])
    world.pass_time(hours=2)
    moot.crawl()
    assert forged not in rows(moot.database)
    assert rows(moot.database)[record_id].signature == "invalid"


def test_t11_what_revoked_a_key_and_is_taken_back_waits_for_a_person(
    moot: Aggregator, world: World, signed: FakeNode
) -> None:
    """A held node that shows the very manifest that it was pinned with takes its revocation back: it is held on.

    One that keeps the revocation, and no longer shows the key that nobody endorsed, is as it should be.
    """
    moot.add(signed)
    moot.crawl()
    before, signer = {"2026-1": dict(signed.keys["2026-1"])}, signed.signer
    signed.keys["2026-1"].update(REVOKED)
    after = {"2026-1": dict(signed.keys["2026-1"])}
    signed.key("2027-1")
    signed.signer = signer
    world.pass_time(hours=2)
    moot.crawl()
    signed.keys = before
    for _visit in range(2):
        world.pass_time(hours=7)
        moot.crawl()
        assert (node_row(moot.database).state, _pinned_ends(moot.database)) == ("held", {"2026-1": True})
    (told,) = problems(moot.database)
    assert told.message.startswith("The key 2026-1 was revoked and is not any more. ")
    signed.keys = after
    world.pass_time(hours=7)
    moot.crawl()
    assert (node_row(moot.database).state, problems(moot.database)) == ("active", [])


def test_t11_a_node_on_trial_changes_its_keys_by_the_word_of_a_pinned_one(
    moot: Aggregator, world: World, signed: FakeNode
) -> None:
    """A preview that retires its key for one which that key endorsed is let in, though it did not pass at first."""
    bad = signed.put("contract", "C-1")
    signed.items[bad]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-1"
    moot.add(signed, state="preview")
    moot.crawl()
    signed.key("2026-2", by=signed.signer)
    signed.keys["2026-1"]["exp"] = "2026-11-02T10:00:00Z"
    world.pass_time(hours=2)
    moot.crawl()
    assert (node_row(moot.database).state, "identity-changed" in _rules(moot.database)) == ("preview", False)
    signed.items[bad]["id"] = bad
    signed.all_again()
    world.pass_time(hours=7)
    moot.crawl()
    assert (node_row(moot.database).state, rows(moot.database)[bad].signature) == ("active", "valid")


def _ten_silent_days(moot: Aggregator, node: FakeNode, record_id: str) -> None:
    """Let it not answer until a relay's word applies, then answer again."""
    moot.world.faults[node.url] = Later("It hangs.")
    for _ in range(12):
        moot.world.pass_time(hours=20)
        moot.crawl()
    assert rows(moot.database)[record_id].rank == SIGNED
    moot.world.faults.clear()


def test_t11_a_confirmed_node_has_its_rank_again(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """After ten silent days a relay's word applies; the node's own applies again when a person confirms who it is."""
    relay, record_id = _relay(world), signed.put("contract", "C-1")
    relay.pass_on(signed.items[record_id])
    moot.add(signed)
    moot.add(relay, relays=True)
    moot.crawl()
    _ten_silent_days(moot, signed, record_id)
    _stranger(signed)
    world.pass_time(hours=20)
    moot.crawl()
    assert (node_row(moot.database).state, rows(moot.database)[record_id].rank) == ("held", SIGNED)
    _release(moot, signed)
    assert (node_row(moot.database).state, rows(moot.database)[record_id].rank) == ("active", DIRECT)


@pytest.mark.parametrize("role", ["aggregator", "node"])
def test_t11_an_aggregator_relays_for_as_long_as_it_is_one(moot: Aggregator, world: World, role: str) -> None:
    """Confirmed as an aggregator still, a node goes on relaying; confirmed as a node, it speaks for itself alone."""
    origin, relay = world.node("origin.example", "ORG"), _relay(world)
    relay.key("2026-1")
    relay.pass_on(origin.items[origin.put("contract", "C-1")])
    moot.add(relay, relays=True)
    moot.crawl()
    relay.keys.clear()
    relay.key("2027-1")
    relay.role = role
    _release(moot, relay)
    row = node_row(moot.database, "relay.example")
    assert (row.role, row.relays, row.state) == (role, role == "aggregator", "active")
    later = origin.put("contract", "C-2")
    relay.pass_on(origin.items[later])
    moot.crawl()
    assert (later in rows(moot.database)) is (role == "aggregator")


def test_t11_a_mistake_that_is_taken_back_mends_itself(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """A held node is asked on: when it shows its pinned keys again, it is active again."""
    moot.add(signed)
    moot.crawl()
    keys = dict(signed.keys)
    signed.keys.clear()
    world.pass_time(hours=1)
    moot.crawl()
    assert node_row(moot.database).state == "held"
    signed.keys = keys
    world.pass_time(hours=7)
    moot.crawl()
    assert (node_row(moot.database).state, problems(moot.database)) == ("active", [])


def test_a_revoked_key_verifies_nothing_any_more(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """What a key signed that is revoked stays, marked invalid, until the origin says it again under another."""
    record_id, old = signed.put("contract", "C-1"), signed.signer
    moot.add(signed)
    moot.crawl()
    number = rows(moot.database)[record_id].number
    signed.key("2026-2", by=old)
    world.pass_time(hours=1)
    moot.crawl()
    signed.keys["2026-1"].update(REVOKED)
    world.pass_time(hours=1)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.signature, row.number > number) == ("invalid", True)
    with moot.database.read() as session:
        found = status.one(session, "exa.example", now=world.now)
    assert found["signatures"]["invalid"] == found["records"]
    assert {key["kid"]: (key["revoked"], key["reason"]) for key in found["keys"]} == {
        "2026-1": (True, "stolen"),
        "2026-2": (False, None),
    }
    signed.key("2026-3", by=signed.signer)
    world.pass_time(hours=1)
    moot.crawl()
    after = rows(moot.database)[record_id]
    assert (after.signature, after.number) == ("invalid", row.number), "another new key says nothing of it"
    signed.all_again()
    world.pass_time(hours=1)
    moot.crawl()
    assert rows(moot.database)[record_id].signature == "valid"


def test_a_revocation_that_is_taken_back_waits_for_a_person(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """A node that shows a revoked key as good again is held, is told so, and the key stays revoked here."""
    old = signed.signer
    _first_key_revoked(moot, world, signed)
    signed.all_again()
    world.pass_time(hours=1)
    moot.crawl()
    assert (node_row(moot.database).state, problems(moot.database)) == ("active", [])
    for name in REVOKED:
        del signed.keys["2026-1"][name]
    signed.signer = old
    record_id = signed.put("contract", "C-1")
    world.pass_time(hours=1)
    moot.crawl()
    row = node_row(moot.database)
    pinned = {key["kid"]: "revoked" in key for key in orjson.loads(row.jwks)}
    assert (row.state, pinned) == ("held", {"2026-1": True, "2026-2": False})
    (told,) = problems(moot.database)
    assert (told.rule, told.pointer, told.severity) == ("identity-changed", "/keys", "error")
    assert told.message.startswith("The key 2026-1 was revoked and is not any more. ")
    assert record_id not in rows(moot.database)


def test_what_a_revocation_spoiled_is_good_again_when_a_person_takes_it_back(
    moot: Aggregator, world: World, signed: FakeNode
) -> None:
    """A revocation that was a mistake, and is released, leaves no record marked invalid, though none is said again."""
    record_id = signed.put("contract", "C-1")
    _first_key_revoked(moot, world, signed)
    assert rows(moot.database)[record_id].signature == "invalid"
    for name in REVOKED:
        del signed.keys["2026-1"][name]
    _release(moot, signed)
    assert rows(moot.database)[record_id].signature == "valid"


def test_a_relayed_record_loses_its_rank_with_its_key(moot: Aggregator, world: World) -> None:
    """A relayed record loses its rank with its key: it stands no higher than one that nobody signed."""
    origin, relay = world.node(), _relay(world)
    first = origin.key("2026-1")
    origin.all_again()
    record_id = origin.put("contract", "C-1")
    relay.pass_on(origin.items[record_id])
    moot.add(relay, relays=True)
    moot.crawl()
    assert rows(moot.database)[record_id].rank == 1
    origin.key("2026-2", by=first)
    other = origin.put("contract", "C-2")
    relay.pass_on(origin.items[other])
    world.pass_time(hours=1)
    moot.crawl()
    third = origin.key("2026-3", by=origin.signer)
    origin.keys["2026-1"].update(REVOKED)
    relay.pass_on(origin.items[origin.put("contract", "C-3")])
    world.pass_time(hours=1)
    moot.crawl()
    held = rows(moot.database)
    assert third.kid == "2026-3"
    assert (held[record_id].rank, held[record_id].signature) == (2, "invalid")
    assert (held[other].rank, held[other].signature) == (1, "valid")


def test_an_origin_may_end_a_key_that_it_cannot_replace(moot: Aggregator, world: World) -> None:
    """A relayed origin that revokes its only key is heard, though the new one has nobody's word: the old one ends."""
    origin, relay = world.node(), _relay(world)
    origin.key("2026-1")
    origin.all_again()
    record_id = origin.put("contract", "C-1")
    relay.pass_on(origin.items[record_id])
    moot.add(relay, relays=True)
    moot.crawl()
    origin.keys["2026-1"].update(REVOKED)
    origin.key("2027-1")
    relay.pass_on(origin.items[origin.put("contract", "C-2")])
    world.pass_time(hours=1)
    moot.crawl()
    assert (rows(moot.database)[record_id].rank, rows(moot.database)[record_id].signature) == (2, "invalid")
    assert _waiting(moot.database) == 1


def test_a_key_is_pinned_before_a_relay_can_name_it(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """Keys come from the origin's own manifest: a relay that signs with a key of its own is not believed."""
    relay, record_id = _relay(world), signed.put("contract", "C-1")
    forged = signed.items[record_id] | {"data": {"reference": "C-1", "title": "forged"}}
    forged["origin"] = {name: value for name, value in forged["origin"].items() if name != "sig"}
    forged["origin"]["sig"] = signature(forged, relay.key("2026-1"))
    relay.pass_on(forged)
    relay.pass_on(signed.items[record_id] | {"data": {"reference": "C-1"}, "state": "deleted", "reason": "ended"})
    moot.add(relay, relays=True)
    moot.crawl()
    assert record_id not in rows(moot.database)
    assert "signature-invalid" in _rules(moot.database)


def test_dropped_needs_no_signature(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """That a relay no longer carries a record is its own word, which no origin signs."""
    relay, record_id = _relay(world), signed.put("contract", "C-1")
    relay.pass_on(signed.items[record_id])
    moot.add(relay, relays=True)
    moot.crawl()
    relay.pass_on(signed.items[record_id], state="deleted", reason="dropped")
    world.pass_time(hours=1)
    moot.crawl()
    row = rows(moot.database)[record_id]
    assert (row.deleted, row.reason, problems(moot.database)) == (True, "dropped", [])


def test_two_keys_of_one_name_are_held(signed: FakeNode, world: World) -> None:
    """A manifest that names a key twice objects."""
    doubled = read_manifest(orjson.dumps(signed.manifest() | {"keys": [*signed.keys.values()] * 2}), signed.id)
    pinned = pinning.anew(read_manifest(signed.answer(signed.id), signed.id), now=world.now)
    assert pinning.take(pinned, doubled, now=world.now).objections == ("The key 2026-1 stands there twice.",)


@pytest.mark.parametrize(
    "shown",
    [
        {"x": "A" * 42 + "E", "exp": "2026-11-01T00:00:00Z"},
        {"exp": "2026-11-03T00:00:00Z"},
        {"revoked": None, "exp": "2026-11-01T00:00:00Z"},
        None,
    ],
    ids=["another key", "a later end", "no revocation", "no such key"],
)
def test_an_end_is_taken_from_the_key_itself_alone(
    signed: FakeNode, world: World, shown: dict[str, str | None] | None
) -> None:
    """Where a change of keys has nobody's word, a key that shows anything but a new end stays as it is pinned."""
    signed.keys["2026-1"] |= {"exp": "2026-11-02T00:00:00Z"} | (REVOKED if shown and "revoked" in shown else {})
    pinned = pinning.anew(read_manifest(signed.answer(signed.id), signed.id), now=world.now)
    now = {name: value for name, value in (signed.keys["2026-1"] | (shown or {})).items() if value is not None}
    signed.keys = {"2026-1": now, "2027-1": signed.keys["2026-1"] | {"kid": "2027-1"}}
    if shown is None:
        del signed.keys["2026-1"]
    assert pinning.ended(pinned, read_manifest(signed.answer(signed.id), signed.id)) == pinned


def test_a_revocation_is_taken_whoever_stands_behind_the_rest(signed: FakeNode, world: World) -> None:
    """Of a change of keys that has nobody's word a revocation is taken, and no new key, nor an `exp`."""
    pinned = pinning.anew(read_manifest(signed.answer(signed.id), signed.id), now=world.now)
    ends = REVOKED | {"exp": "2026-11-01T00:00:00Z"}
    signed.keys = {"2026-1": signed.keys["2026-1"] | ends, "2027-1": signed.keys["2026-1"] | {"kid": "2027-1"}}
    after = pinning.ended(pinned, read_manifest(signed.answer(signed.id), signed.id))
    assert after == [{**pinned[0], **REVOKED}]


def test_a_retired_key_that_is_revoked_needs_no_end_beside_it(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """A manifest may show `revoked` where it showed `exp`: that says more, and is taken without a person."""
    record_id = signed.put("contract", "C-1")
    signed.key("2026-2", by=signed.signer)
    signed.keys["2026-1"]["exp"] = "2026-12-01T00:00:00Z"
    moot.add(signed)
    moot.crawl()
    del signed.keys["2026-1"]["exp"]
    signed.keys["2026-1"].update(REVOKED)
    world.pass_time(hours=2)
    moot.crawl()
    assert (node_row(moot.database).state, rows(moot.database)[record_id].signature) == ("active", "invalid")


@pytest.mark.parametrize("beside", ["another role", "a key without anybody's word"])
def test_t11_a_rotation_that_came_beside_something_else_is_taken_when_that_is_mended(
    moot: Aggregator, world: World, signed: FakeNode, beside: str
) -> None:
    """A manifest that retires a key for one that it endorsed is refused for its rest: the key can endorse it still."""
    moot.add(signed)
    moot.crawl()
    signed.key("2026-2", by=signed.signer)
    signed.keys["2026-1"]["exp"] = "2026-11-02T11:00:00Z"
    whole, signer = dict(signed.keys), signed.signer
    TAKEOVERS[beside](signed)
    world.pass_time(hours=1)
    moot.crawl()
    assert node_row(moot.database).state == "held"
    signed.keys, signed.role, signed.signer = whole, "node", signer
    record_id = signed.put("contract", "C-1")
    world.pass_time(hours=7)
    moot.crawl()
    assert (node_row(moot.database).state, rows(moot.database)[record_id].signature) == ("active", "valid")


@pytest.mark.parametrize("known", ["while they wait", "when they are held"])
def test_t11_removals_that_a_stolen_key_signed_do_not_outlive_it(
    moot: Aggregator, world: World, signed: FakeNode, known: str
) -> None:
    """Tombstones that wait, or are held, are judged anew with the records: they are forgotten, and take nothing."""
    stolen, names = signed.signer, [f"C-{n}" for n in range(60)]
    one, two = (world.node(f"{n}.example", code, role="aggregator", size=500) for n, code in _TWO.items())
    for name in names:
        one.pass_on(signed.items[signed.put("contract", name)])
    for relay in (one, two):
        moot.add(relay, relays=True)
    moot.crawl()
    forger = FakeNode(size=500)
    forger.signer, forger.number = stolen, 1_000
    gone = names if known == "when they are held" else names[:10]
    for name in gone:
        two.pass_on(forger.items[forger.delete("contract", name)])
    if known == "while they wait":
        two.size = 5
        two.put("contract", "R-1")
        _break_off(moot, world, two)
    else:
        world.pass_time(hours=1)
        moot.crawl()
    with moot.database.read() as session:
        states = set(session.connection().execute(select(table(Removal).c.state)).scalars())
    assert states == {"waiting" if known == "while they wait" else "held"}
    signed.keys["2026-1"].update(REVOKED)
    signed.key("2027-1")
    manifest = read_manifest(signed.answer(signed.id), signed.id)
    with moot.database.write() as session:
        origins.confirm(session, signed.id, manifest, now=world.now)
    world.pass_time(hours=7)
    moot.crawl()
    with moot.database.write() as session:
        removals.release(session, nodes.find(session, "two.example").id, now=world.now)
    assert live_contracts(moot.database) >= len(names)
    assert "removal-held" not in _rules(moot.database)


def _break_off(moot: Aggregator, world: World, relay: FakeNode) -> None:
    """Let a visit end after its first pages: the next one goes on."""
    page, asked = relay.page, [0]

    def once(after: int) -> Any:
        asked[0] += 1
        return page(after) if asked[0] <= 2 else {}

    relay.page = once  # type: ignore[method-assign]
    world.pass_time(hours=1)
    moot.crawl()
    relay.page = page  # type: ignore[method-assign]


def test_another_key_under_the_name_of_the_old_verifies_anew(moot: Aggregator, world: World, signed: FakeNode) -> None:
    """What the old key signed is no longer valid when a person confirms another key that has its name."""
    record_id = signed.put("contract", "C-1")
    moot.add(signed)
    moot.crawl()
    assert rows(moot.database)[record_id].signature == "valid"
    (kid,) = signed.keys
    signed.keys[kid] = {**Signer(kid, bytes(32)).jwk}
    _release(moot, signed)
    assert rows(moot.database)[record_id].signature == "invalid"


def test_a_node_that_comes_back_with_a_revoked_key_has_its_rank_again(
    moot: Aggregator, world: World, signed: FakeNode
) -> None:
    """After ten silent days a relay's word applies; the node's own, signed by what is revoked now, applies again."""
    relay, record_id = _relay(world), signed.put("contract", "C-1")
    relay.pass_on(signed.items[record_id])
    moot.add(signed)
    moot.add(relay, relays=True)
    moot.crawl()
    signed.key("2026-2", by=signed.signer)
    world.pass_time(hours=1)
    moot.crawl()
    _ten_silent_days(moot, signed, record_id)
    signed.keys["2026-1"].update(REVOKED)
    world.pass_time(hours=20)
    moot.crawl()
    assert (rows(moot.database)[record_id].rank, rows(moot.database)[record_id].signature) == (DIRECT, "invalid")


@pytest.mark.parametrize(("contracts", "held"), [(19, 0), (60, 60)])
def test_t12_a_revoked_key_takes_no_records_past_the_guard(
    moot: Aggregator, world: World, signed: FakeNode, contracts: int, held: int
) -> None:
    """Where tombstones go before live words whose key is revoked, they are removals as others are: so many are held."""
    names, stolen = [f"C-{n}" for n in range(contracts)], signed.signer
    relays = [world.node(f"{name}.example", code, role="aggregator", size=500) for name, code in _TWO.items()]
    signed.key("2026-2", by=stolen)
    for name in names:
        signed.put("contract", name)
        relays[1].pass_on(signed.items[signed.delete("contract", name)])
    signed.signer = stolen
    for name in names:
        relays[0].pass_on(signed.items[signed.put("contract", name)])
    for relay in relays:
        moot.add(relay, relays=True)
        moot.crawl()
    assert live_contracts(moot.database) == contracts
    signed.keys["2026-1"].update(REVOKED)
    relays[0].pass_on(next(iter(signed.items.values())))
    world.pass_time(hours=30)
    moot.crawl()
    assert live_contracts(moot.database) == held
    assert ("removal-held" in _rules(moot.database)) == bool(held)


_TWO = {"one": "ONE", "two": "TWO"}


def test_t11_who_reads_the_list_of_nodes_learns_of_a_revocation(
    moot: Aggregator, world: World, signed: FakeNode
) -> None:
    """The manifest of a held node stands there as it is pinned, but with what was heard of its keys since."""
    moot.add(signed)
    moot.crawl()
    signed.keys["2026-1"].update(REVOKED)
    signed.key("2027-1")
    world.pass_time(hours=2)
    moot.crawl()
    with moot.database.read() as session:
        item = status.one(session, "exa.example", now=world.now)
    (key,) = item["manifest"]["keys"]
    assert (item["state"], key["kid"], key["revoked"]) == ("held", "2026-1", REVOKED["revoked"])


def test_t11_what_was_heard_of_a_key_holds_when_its_node_is_pinned(
    moot: Aggregator, world: World, signed: FakeNode
) -> None:
    """A manifest that knows nothing of a revocation, shown at joining, makes no stolen key good again."""
    relay, before = _relay(world), {"2026-1": dict(signed.keys["2026-1"])}
    record_id = signed.put("contract", "C-1")
    relay.pass_on(signed.items[record_id])
    moot.add(relay, relays=True)
    moot.crawl()
    signed.keys["2026-1"].update(REVOKED)
    relay.pass_on(signed.items[record_id])
    world.pass_time(hours=26)
    moot.crawl()
    signed.keys = before
    moot.add(signed)
    moot.crawl()
    assert (rows(moot.database)[record_id].signature, _pinned_ends(moot.database)) == ("invalid", {"2026-1": True})
    assert node_row(moot.database).state == "held"
