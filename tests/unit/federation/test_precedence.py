"""A body's own node goes before those that publish for it: which nodes those are, and what is hidden (section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import event, select
from sqlmodel import col

from federation import precedence
from federation.database import WriteSession
from federation.identity import read_manifest
from federation.merge import Statement
from federation.precedence import claimed, cover, owners, settle
from schema.tables import Counter, Meta, Node, Publisher, Record
from tests.integration.crawl.world import FakeNode

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(days=3)
BODY, NEIGHBOUR = "GB-LAE-EXA", "GB-LAE-EXB"
OWN = "https://own.example/.well-known/folkmoot"
HOST = "https://host.example/.well-known/folkmoot"
HERE = "https://moot.example/.well-known/folkmoot"


def take_in(session: WriteSession, url: str, own: list[str], state: str = "active") -> None:
    """Take a node in that an operator confirmed as the own node of these publishers."""
    session.add(
        Node(
            key=url,
            url=url,
            name=url,
            role="node",
            state=state,
            manifest=b"",
            prefixes="{}",
            own=orjson.dumps(own).decode(),
            added=EARLIER,
        )
    )
    session.flush()


def serve(session: WriteSession, publisher: str, relation: str = "own") -> None:
    """Let this server publish for a body itself."""
    prefix = f"https://moot.example/id/{publisher}/"
    session.add(Publisher(id=publisher, id_prefix=prefix, relation=relation, created=EARLIER))
    session.flush()


def publish(session: WriteSession, number: int, node: str, publisher: str = BODY, *, hidden: bool = False) -> None:
    """Put a record into the log, under this number and of this node."""
    session.add(
        Record(
            id=f"{node}/{number}",
            kind="contract",
            publisher=publisher,
            number=number,
            data=b"{}",
            origin=b"{}",
            origin_node=node,
            seq=number,
            changed=EARLIER,
            hidden=hidden,
        )
    )
    session.flush()


def said(number: int, node: str, publisher: str = BODY) -> Statement:
    """What was just written of a record."""
    return Statement(
        f"{node}/{number}",
        "contract",
        publisher,
        1 if node == OWN else 2,
        b"{}",
        b"{}",
        None,
        None,
        None,
        node,
        number,
        0,
    )


def log(session: WriteSession) -> list[tuple[str, int, bool]]:
    """Each record by its own name, with its change number and whether it is hidden, in the order of the log."""
    chosen = select(col(Record.id), col(Record.number), col(Record.hidden)).order_by(col(Record.number))
    return [(row.id, row.number, row.hidden) for row in session.connection().execute(chosen)]


def hidden(session: WriteSession) -> set[str]:
    """The records that lists do not show."""
    return {name for name, _number, is_hidden in log(session) if is_hidden}


@pytest.fixture(autouse=True)
def _counted(session: WriteSession) -> None:
    session.add(Counter(id=1, n=100))
    session.add(Meta(key="publicUrl", value="https://moot.example"))
    for key in ("epoch", "removals"):
        session.add(Meta(key=key, value="some other thing"))
    session.flush()


def _publisher(code: str, relation: str | None) -> Mapping[str, Any]:
    made = {"name": code, "identifiers": [{"scheme": "GB-LAE", "id": code}]}
    made |= {"idPrefix": f"https://exa.example/id/GB-LAE-{code}/"}
    return made | ({"relation": relation} if relation else {})


def test_a_node_claims_its_own_publishers_alone() -> None:
    """Of a manifest's publishers those with `relation: own` are the node's own, in the order of ids."""
    node = FakeNode()
    relations = [("EXC", "own"), ("EXA", "own"), ("EXD", "hosted"), ("EXE", "unofficial"), ("EXF", None)]
    node.more = {"publishers": [_publisher(*one) for one in relations]}
    manifest = read_manifest(orjson.dumps(node.manifest()), node.id)
    assert claimed(manifest) == ["GB-LAE-EXA", "GB-LAE-EXC"]


@pytest.mark.parametrize(
    ("state", "goes_before"),
    [
        ("active", True),
        ("stale", True),
        ("held", True),
        ("preview", False),
        ("paused", False),
        ("retired", False),
    ],
)
def test_a_node_goes_before_others_while_it_is_there(session: WriteSession, state: str, *, goes_before: bool) -> None:
    """A node that was taken in owns its publishers while it is active, stale or held for its identity."""
    take_in(session, OWN, [BODY, NEIGHBOUR], state)
    take_in(session, HOST, [])
    assert owners(session) == ({BODY: {OWN}, NEIGHBOUR: {OWN}} if goes_before else {})


def test_a_body_may_have_several_nodes(session: WriteSession) -> None:
    """Several own nodes of one body stand beside each other, this server among them; not what it hosts."""
    take_in(session, OWN, [BODY])
    take_in(session, HOST, [NEIGHBOUR, BODY])
    serve(session, BODY)
    serve(session, "GB-LAE-EXC")
    serve(session, "GB-LAE-EXD", "hosted")
    serve(session, "GB-LAE-EXE", "unofficial")
    assert owners(session) == {BODY: {OWN, HOST, HERE}, NEIGHBOUR: {HOST}, "GB-LAE-EXC": {HERE}}


def test_what_others_publish_for_a_body_is_covered(session: WriteSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was just written that is hidden which comes from another node than its publisher's own."""
    monkeypatch.setattr(precedence, "_AT_ONCE", 2)
    take_in(session, OWN, [BODY])
    for number in range(1, 6):
        publish(session, number, HOST)
    publish(session, 6, OWN)
    publish(session, 7, HOST, NEIGHBOUR)
    publish(session, 8, HOST)  # not written now
    cover(session, [said(6, OWN), said(7, HOST, NEIGHBOUR), *(said(number, HOST) for number in range(1, 6))])
    assert hidden(session) == {f"{HOST}/{number}" for number in range(1, 6)}
    assert [number for _id, number, _hidden in log(session)] == list(range(1, 9))


def test_without_own_nodes_nothing_is_covered(session: WriteSession) -> None:
    """Where no publisher has a node of its own here, every record is shown."""
    take_in(session, OWN, [BODY], "paused")
    publish(session, 1, HOST)
    cover(session, [said(1, HOST)])
    assert hidden(session) == set()


def test_settling_hides_what_an_own_node_covers(session: WriteSession) -> None:
    """Records of other nodes get new numbers in the order of their old ones; nothing else is touched."""
    take_in(session, OWN, [BODY, NEIGHBOUR])
    for number, node, publisher in [(7, HOST, BODY), (3, HOST, BODY), (4, OWN, BODY), (5, HOST, NEIGHBOUR)]:
        publish(session, number, node, publisher)
    assert settle(session, [BODY], now=NOW) == 2
    assert log(session) == [
        (f"{OWN}/4", 4, False),
        (f"{HOST}/5", 5, False),
        (f"{HOST}/3", 101, True),
        (f"{HOST}/7", 102, True),
    ]
    times = select(col(Record.number), col(Record.changed)).order_by(col(Record.number))
    assert [row.changed for row in session.connection().execute(times)] == [EARLIER, EARLIER, NOW, NOW]


def test_settling_again_changes_nothing(session: WriteSession) -> None:
    """Where all is as the nodes stand, no record gets a number."""
    take_in(session, OWN, [BODY])
    publish(session, 1, HOST)
    settle(session, [BODY], now=NOW)
    before = log(session)
    assert settle(session, [BODY, NEIGHBOUR], now=NOW) == 0
    assert log(session) == before


def test_settling_shows_what_nobody_covers_any_more(session: WriteSession) -> None:
    """Once a body's own node is gone, records from those that publish for it are shown again, for they were kept."""
    take_in(session, OWN, [BODY], "retired")
    publish(session, 1, HOST, hidden=True)
    publish(session, 2, OWN)
    publish(session, 3, HOST, NEIGHBOUR, hidden=True)
    assert settle(session, [BODY, NEIGHBOUR], now=NOW) == 2
    assert log(session) == [(f"{OWN}/2", 2, False), (f"{HOST}/1", 101, False), (f"{HOST}/3", 102, False)]


def test_each_publisher_is_settled_by_its_own_nodes(session: WriteSession) -> None:
    """In one go a record is hidden for one body and shown for another; their numbers never collide."""
    take_in(session, OWN, [BODY])
    publish(session, 1, HOST)
    publish(session, 2, HOST, NEIGHBOUR, hidden=True)
    publish(session, 3, OWN, hidden=True)
    assert settle(session, [NEIGHBOUR, BODY], now=NOW) == 3
    assert hidden(session) == {f"{HOST}/1"}
    assert [number for _id, number, _hidden in log(session)] == [101, 102, 103]


def test_nodes_are_looked_at_under_the_lock_of_the_log(session: WriteSession) -> None:
    """Whose node stands is asked after the log is locked, so that nobody writes by what was true before."""
    asked: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *told: asked.append(told[2]))
    take_in(session, OWN, [BODY])
    asked.clear()
    settle(session, [BODY], now=NOW)
    assert "FROM counter" in asked[0]
    assert any("FROM node" in one for one in asked[1:])
