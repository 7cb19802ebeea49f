"""T37: what a council withdraws as personal data is hidden at once at every tier, and leaves no content behind."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from sqlalchemy import LargeBinary, Text, inspect, select
from sqlmodel import SQLModel

import migrations
from api.app import create_app
from federation import backup, erasure, jobs, log, moving, nodes, removals, writes
from federation.bulk import BulkFiles
from federation.database import Database, table
from federation.identity import read_manifest
from federation.merge import LAPSED
from federation.tokens import Grant
from federation.wishes import File, Wish
from schema.errors import Refused, Vanished
from schema.tables import Erasure, History, Job
from tests.integration.crawl.world import Aggregator, FakeNode, World, problems, rows
from tests.proof import figure
from tests.services import EXAMPLESHIRE, NODE, NOW, client, make_services

SECRET = "Ermintrude Quillfeather"  # a person who does not exist
HOURS = timedelta(hours=1)
WARM = (
    "/v1/changes",
    "/v1/contracts",
    "/v1/contracts?format=csv",
    "/v1/contracts?format=ndjson",
    "/v1/bulk/contracts.ndjson",
    "/v1/bulk/contracts.csv",
)
"""What is asked before and after, so that whatever the server keeps of it is at hand."""


@pytest.fixture
def nation(world: World, tmp_path: Path) -> Iterator[Aggregator]:
    """Return a second tier, on SQLite."""
    url = f"sqlite:///{tmp_path / 'nation.db'}"
    migrations.upgrade(url)
    database = Database(url)
    yield Aggregator(database, world, "nation.example", "NAT")
    database.dispose()


def _secret(node: FakeNode, reference: str = "C-1") -> str:
    return node.put("contract", reference, title="Care", description=f"Contact {SECRET}")


def _shown(database: Database) -> list[str]:
    """The tables in which the secret stands, in any column of any row."""
    found = []
    with database.read() as session:
        for name, one in SQLModel.metadata.tables.items():
            if not inspect(session.connection()).has_table(name):
                continue
            columns = [column for column in one.columns if isinstance(column.type, LargeBinary | Text)]
            for row in session.connection().execute(select(*columns)) if columns else ():
                if any(_holds(cell) for cell in row if cell):
                    found.append(name)
                    break
    return found


def _holds(cell: bytes | str) -> bool:
    raw = cell.encode() if isinstance(cell, str) else bytes(cell)
    with suppress(gzip.BadGzipFile):
        raw = gzip.decompress(raw)
    return SECRET.encode() in raw


def _tick(world: World, *aggregators: Aggregator) -> None:
    for aggregator in aggregators:
        world.pass_time(hours=1)
        aggregator.crawl()


@pytest.mark.proof
def test_t37_hidden_at_every_tier_within_one_crawl(
    moot: Aggregator, nation: Aggregator, world: World, tmp_path: Path
) -> None:
    """Node, aggregator, second aggregator: one crawl each and it is nowhere shown; when due, nowhere kept."""
    node = world.node()
    record = _secret(node)
    moot.add(node)
    nation.add(moot, relays=True)
    _tick(world, moot, nation)
    _secret(node)  # an earlier state, for the history
    _tick(world, moot, nation)
    sites = []
    for tier in (moot, nation):
        services = make_services(
            tier.database, tmp_path / tier.url[8:], "aggregator", tier.url, organisation=None, now=lambda: world.now
        )
        services.follower.catch_up()
        sites.append((services, client(create_app(services))))
        assert sites[-1][1].get("/v1/search", params={"q": "Quillfeather"}).json()["count"]["value"] == 1
        for path in WARM:
            assert SECRET in sites[-1][1].get(path).text, path
    node.delete("contract", "C-1", "personal-data")
    _tick(world, moot, nation)
    kept: list[str] = []
    for tier, (services, site) in zip((moot, nation), sites, strict=True):
        services.follower.catch_up()
        row = rows(tier.database)[record]
        assert (row.deleted, row.reason, row.data) == (True, "personal-data", None)
        answer = site.get("/v1/records", params={"id": record})
        assert (answer.status_code, SECRET in answer.text) == (410, False)
        assert site.get("/v1/search", params={"q": "Quillfeather"}).json()["count"]["value"] == 0
        for path in WARM:
            assert SECRET not in site.get(path).text, path
        (item,) = [one for one in site.get("/v1/changes").json()["items"] if one["id"] == record]
        assert (item["state"], item["reason"], "data" in item) == ("deleted", "personal-data", False)
        assert erasure.sweep(tier.database, now=world.now + 70 * HOURS) == 0
        assert erasure.Eraser(tier.database, clock=lambda _session: world.now + 73 * HOURS).turn() == 1
        bulk = BulkFiles(tier.database, services.data_dir / "bulk", lambda: world.now)
        bulk.current("contracts.ndjson")
        bulk.purge()
        kept += [path.name for path in services.data_dir.rglob("bulk/*") if SECRET.encode() in path.read_bytes()]
        kept += _shown(tier.database)
        services.follower.stop()
    figure("T37", "places in which withdrawn content is kept, over two tiers", len(kept), goal="0")
    assert kept == []


def test_t37_it_passes_the_guard_and_is_erased_on_release(moot: Aggregator, world: World) -> None:
    """A whole register withdrawn so is hidden though other removals are held; a release erases it at once."""
    node = world.node(size=500)
    for n in range(60):
        _secret(node, f"C-{n}")
    moot.add(node)
    moot.crawl()
    for n in range(60):
        node.delete("contract", f"C-{n}", "personal-data" if n < 30 else "ended")
    _tick(world, moot)
    live = [row for row in rows(moot.database).values() if row.kind == "contract" and not row.deleted]
    assert len(live) == 30
    with moot.database.write() as session:
        node_id = nodes.find(session, "exa.example").id
        assert removals.counts(session, [node_id]) == {node_id: 30}
        assert erasure.pending(session) == 30
        assert [erasure.pending(session, world.now + timedelta(hours=h)) for h in (71, 73)] == [0, 30]
        removals.reject(session, node_id)
    assert sum(row.deleted for row in rows(moot.database).values()) == 30
    with moot.database.write() as session:
        assert erasure.of_node(session, node_id, now=world.now) == 30
    with moot.database.read() as session:
        assert session.connection().execute(select(table(History))).all() == []


def test_t37_a_relay_cannot_bring_it_back(moot: Aggregator, world: World) -> None:
    """Another route's old copy goes with the withdrawal, is not kept when it comes again, and takes nothing over."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    record = _secret(node)
    old = dict(node.items[record])
    relay.pass_on(old)
    moot.add(node)
    moot.add(relay, relays=True)
    moot.crawl()
    node.delete("contract", "C-1", "personal-data")
    _tick(world, moot)
    relay.pass_on(old | {"origin": dict(old["origin"])})
    _tick(world, moot)
    erasure.sweep(moot.database, now=world.now + 73 * HOURS)
    assert _shown(moot.database) == []
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, "exa.example"), now=world.now)
    relay.pass_on(old | {"origin": dict(old["origin"])})
    _tick(world, moot)
    assert (rows(moot.database)[record].deleted, _shown(moot.database)) == (True, [])


def test_t37_no_old_word_comes_back_under_what_was_published_again(moot: Aggregator, world: World) -> None:
    """What a relay still says from before a withdrawal is not kept beside the clean record, nor takes its place."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    record = _secret(node)
    old = dict(node.items[record])
    moot.add(node)
    moot.crawl()
    node.delete("contract", "C-1", "personal-data")
    _tick(world, moot)
    assert erasure.sweep(moot.database, now=world.now + 73 * HOURS) == 1
    node.put("contract", "C-1", title="Care, without a name")
    _tick(world, moot)
    relay.pass_on(old)
    moot.add(relay, relays=True)
    _tick(world, moot)
    assert _shown(moot.database) == []
    world.faults[node.url] = Refused("gone", "Nobody answers.")
    for _day in range(9):
        world.pass_time(days=1)
        moot.crawl()
    assert orjson.loads(rows(moot.database)[record].data)["title"] == "Care, without a name"


def test_t37_an_origin_that_numbers_anew_is_heard(moot: Aggregator, world: World) -> None:
    """After a withdrawal under a high number, what the origin itself publishes under a new epoch, and lower, lands."""
    node = world.node()
    node.epoch, node.number = "first", 500
    record = _secret(node)
    moot.add(node)
    moot.crawl()
    node.delete("contract", "C-1", "personal-data")
    _tick(world, moot)
    node.epoch, node.number = "second", 1
    node.put("contract", "C-1", title="Care, without a name")
    for title in ("Care, corrected", "Care, corrected again"):
        _tick(world, moot)
        node.put("contract", "C-1", title=title)
    _tick(world, moot)
    assert orjson.loads(rows(moot.database)[record].data)["title"] == "Care, corrected again"


@pytest.mark.parametrize("again", [False, True], ids=["withdrawn", "published again"])
def test_t37_what_a_relay_shows_of_it_is_quoted_nowhere(moot: Aggregator, world: World, *, again: bool) -> None:
    """A problem with another's copy quotes what was withdrawn no more, at once, and when that copy is met again."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    record = _secret(node)
    bad = dict(node.items[record])
    bad["data"] = bad["data"] | {"startDate": f"with {SECRET}"}
    relay.pass_on(bad)
    moot.add(node)
    moot.add(relay, relays=True)
    moot.crawl()
    node.delete("contract", "C-1", "personal-data")
    assert any(SECRET in problem.message for problem in problems(moot.database))
    for _visit in range(2):
        _tick(world, moot)
        messages = [problem.message for problem in problems(moot.database) if problem.record_id == record]
        assert messages, "what is wrong stays told"
        assert all(SECRET not in message for message in messages)
        relay.pass_on(bad)
        if again:
            node.put("contract", "C-1", title="Care, without a name")
    erasure.sweep(moot.database, now=world.now + 73 * HOURS)
    assert _shown(moot.database) == []


def test_t37_what_is_published_again_stays(moot: Aggregator, world: World) -> None:
    """A record that comes back without the person lives on; only what was before the withdrawal is erased."""
    node = world.node()
    record = _secret(node)
    moot.add(node)
    moot.crawl()
    node.delete("contract", "C-1", "personal-data")
    _tick(world, moot)
    node.put("contract", "C-1", title="Care, without a name")
    _tick(world, moot)
    node.put("contract", "C-1", title="Care, changed")
    _tick(world, moot)
    assert _shown(moot.database) == ["history"]
    assert erasure.sweep(moot.database, now=world.now + 73 * HOURS) == 1
    assert _shown(moot.database) == []
    assert orjson.loads(rows(moot.database)[record].data)["title"] == "Care, changed"
    with moot.database.read() as session:
        history = session.connection().execute(select(table(History)).where(table(History).c.id == record)).all()
    assert [orjson.loads(row.data)["title"] for row in history if row.data] == ["Care, without a name"]


def test_t37_erasing_leaves_what_a_relay_said_since(moot: Aggregator, world: World) -> None:
    """Another route's word goes where it is older than the withdrawal; a newer one stays and takes over."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    record = _secret(node)
    moot.add(node)
    moot.add(relay, relays=True)
    moot.crawl()
    node.delete("contract", "C-1", "personal-data")
    _tick(world, moot)
    node.put("contract", "C-1", title="Care, without a name")
    relay.pass_on(node.items[record])
    _tick(world, moot)
    assert erasure.sweep(moot.database, now=world.now + 73 * HOURS) == 1
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, "exa.example"), now=world.now)
    row = rows(moot.database)[record]
    assert (row.deleted, orjson.loads(row.data)["title"]) == (False, "Care, without a name")


def test_t37_what_ended_before_is_erased_by_a_later_withdrawal(moot: Aggregator, world: World) -> None:
    """A `personal-data` tombstone over one of another reason lands with its higher seq, and history goes when due."""
    node = world.node()
    record = _secret(node)
    moot.add(node)
    moot.crawl()
    node.delete("contract", "C-1", "withdrawn")
    _tick(world, moot)
    assert _shown(moot.database) == ["history"]
    node.delete("contract", "C-1", "personal-data")
    _tick(world, moot)
    assert rows(moot.database)[record].reason == "personal-data"
    assert erasure.sweep(moot.database, now=world.now + 73 * HOURS) == 1
    assert _shown(moot.database) == []


def test_t37_a_withdrawal_holds_though_its_node_is_gone(moot: Aggregator, world: World) -> None:
    """A node that is gone for long gives way to other routes, but none brings back what it withdrew."""
    node = world.node()
    relays = [world.node(f"relay{n}.example", code, role="aggregator") for n, code in ((1, "RONE"), (2, "RTWO"))]
    record = _secret(node)
    old = node.items[record]
    moot.add(node)
    for relay in relays:
        moot.add(relay, relays=True)
    moot.crawl()
    node.delete("contract", "C-1", "personal-data")
    _tick(world, moot)
    relays[0].pass_on(node.items[record])
    _tick(world, moot)
    world.faults[node.url] = Vanished("gone", 410)
    for _day in range(6):
        world.pass_time(days=1)
        moot.crawl()
    with moot.database.write() as session:
        nodes.remove(session, nodes.find(session, "relay1.example"), now=world.now)
    assert rows(moot.database)[record].rank == LAPSED
    relays[1].pass_on(old)
    _tick(world, moot)
    erasure.sweep(moot.database, now=world.now)
    assert (rows(moot.database)[record].deleted, _shown(moot.database)) == (True, [])


def test_t37_what_waits_for_a_key_is_erased_and_not_kept_again(moot: Aggregator, world: World) -> None:
    """Another route's older word that is signed with an unknown key goes too, and is not kept when it comes again."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    known = node.key("1")
    node.all_again()
    moot.add(node)
    moot.add(relay, relays=True)
    moot.crawl()
    node.key("2", publish=False)
    record = _secret(node)
    old = node.items.pop(record)
    relay.pass_on(old)
    _tick(world, moot)
    assert _shown(moot.database) == ["unproven"]
    node.signer = known
    node.delete("contract", "C-1", "personal-data")
    _tick(world, moot)
    assert rows(moot.database)[record].reason == "personal-data"
    assert erasure.sweep(moot.database, now=world.now + 73 * HOURS) == 1
    assert _shown(moot.database) == []
    relay.pass_on(old | {"origin": dict(old["origin"])})
    _tick(world, moot)
    assert _shown(moot.database) == []


def test_t37_a_restore_forgets_no_withdrawal(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """Restored from a backup of before the sweep, all that was due is erased, and nothing that was said after it."""
    node, relay = world.node(), world.node("relay.example", "REL", role="aggregator")
    known = node.key("1")
    node.all_again()
    again = _secret(node, "C-2")
    moot.add(node)
    moot.add(relay, relays=True)
    moot.crawl()
    node.key("2", publish=False)
    relay.pass_on(node.items.pop(_secret(node)))
    _tick(world, moot)
    node.signer = known
    for reference in ("C-1", "C-2"):
        node.delete("contract", reference, "personal-data")
    _tick(world, moot)
    node.put("contract", "C-2", title="Care, without a name")
    _tick(world, moot)
    node.put("contract", "C-2", title="Care, changed")
    _tick(world, moot)
    node.delete("contract", "C-2", "ended")
    _tick(world, moot)
    _restored_from_a_copy(moot.database, tmp_path)
    assert sorted(_shown(moot.database)) == ["history", "unproven"]
    with moot.database.read() as session:
        assert erasure.pending(session) == 2
    assert erasure.sweep(moot.database, now=world.now + 73 * HOURS) == 2
    assert _shown(moot.database) == []
    with moot.database.read() as session:
        history = session.connection().execute(select(table(History)).where(table(History).c.id == again)).all()
    kept = [orjson.loads(row.data)["title"] for row in history if row.data]
    assert kept == ["Care, without a name", "Care, changed"]


def _restored_from_a_copy(database: Database, folder: Path) -> None:
    """Back a database up, wipe it, restore it."""
    url = f"sqlite:///{folder / 'copy.db'}"
    migrations.upgrade(url)
    copy = Database(url)
    with copy.write() as session:
        backup.copy(database, session)
    database.dispose()
    migrations.downgrade(database.url, "base")
    migrations.upgrade(database.url)
    backup.restore(copy, database, now=NOW)
    copy.dispose()


def test_t37_a_reader_erases_what_it_kept_under_the_old_id(moot: Aggregator, world: World) -> None:
    """Withdrawn after a move, a record's history under the id of before goes as well."""
    old = world.node("old.example")
    _secret(old)
    moot.add(old)
    moot.crawl()
    old.put("contract", "C-1", title="Care, changed")
    _tick(world, moot)
    assert _shown(moot.database) == ["history"]
    new = world.node("new.example")
    new.epoch, new.number = "second", 50
    new.put("contract", "C-1", title="Care, changed")
    del world.servers[old.url]
    world.faults[old.url] = Refused("gone", "Nobody answers.")
    body = new.answer(new.id)
    with moot.database.write() as session:
        known = nodes.find(session, "old.example")
        moving.there(session, known, read_manifest(body, new.id), body, me=moot.id, now=world.now)
    _tick(world, moot)
    new.delete("contract", "C-1", "personal-data")
    _tick(world, moot)
    assert erasure.sweep(moot.database, now=world.now + 73 * HOURS) == 1
    assert _shown(moot.database) == []


def test_t37_a_node_that_moved_erases_what_it_kept_under_the_old_id(database: Database, tmp_path: Path) -> None:
    """After two moves the history of a withdrawn record is erased under all its ids; another record's stays."""
    services = make_services(database, tmp_path)
    publisher = "GB-LAE-EXA"
    with database.write() as session:
        for title in (SECRET, "Care"):
            said = [
                log.Draft(f"{NODE}/id/{publisher}/contract/{one}", "contract", publisher, orjson.dumps({"title": text}))
                for one, text in (("C-1", title), ("C-2", title.replace(SECRET, "Roads")))
            ]
            log.append(session, said, node=services.node, now=NOW)
        for host in ("one", "two"):
            moving.here(session, f"https://{host}.example", now=NOW)
    assert _shown(database) == ["history"]
    with database.write() as session:
        desk = writes.Desk(session, "https://two.example/.well-known/folkmoot", NOW)
        writes.remove(desk, writes.Place(publisher, "contract", "C-1"), "personal-data", None, lambda _number: True)
    assert _shown(database) == []
    with database.read() as session:
        kept = session.connection().execute(select(table(History).c.id, table(History).c.data)).all()
    assert [(row.id, orjson.loads(row.data)["title"]) for row in kept] == [
        (f"{NODE}/id/{publisher}/contract/C-2", "Roads")
    ]


def test_t37_the_log_names_it_without_content(moot: Aggregator, world: World) -> None:
    """The log and the row that stays say which record, when, at which change; never what stood in it."""
    node = world.node()
    record = _secret(node)
    moot.add(node)
    moot.crawl()
    node.delete("contract", "C-1", "personal-data")
    with structlog.testing.capture_logs() as told:
        _tick(world, moot)
        erasure.sweep(moot.database, now=world.now + 73 * HOURS)
    said = [one for one in told if one.get("record") == record]
    assert [one["event"] for one in said] == ["withdrawn as personal data", "erased"]
    assert SECRET not in repr(told)
    with moot.database.read() as session:
        (row,) = session.connection().execute(select(table(Erasure))).all()
    assert (row.id, row.erased is not None, row.number) == (record, True, said[0]["change"])


def test_t37_at_its_own_node_nothing_waits(database: Database, tmp_path: Path) -> None:
    """DELETE ?reason=personal-data erases at once: history, answers, and a file that would publish it again."""
    from federation import tokens

    services = make_services(database, tmp_path)
    site = client(create_app(services))
    with database.write() as session:
        made = tokens.create(session, publisher="GB-LAE-EXA", kinds=(), name="a test", days=30, now=NOW)
    heads = {"Authorization": f"Bearer {made.secret}", "Content-Type": "application/json"}
    body: dict[str, Any] = {"reference": "C-1", "title": "Care", "description": f"Contact {SECRET}"}
    post = "/v1/contracts?publisher=GB-LAE-EXA"
    answer = site.post(post, content=orjson.dumps(body), headers=heads | {"Idempotency-Key": "one"})
    where = answer.headers["location"].removeprefix(services.public_url)
    with database.write() as session:
        grant = Grant(1, "GB-LAE-EXA", None)
        register = f"reference,title\nC-1,{SECRET}\n".encode()
        for kind in ("contract", "skill"):
            jobs.ask(session, grant, File(register, "register.csv", kind, "GB-LAE-EXA"), Wish(), NOW)
    assert SECRET in site.get("/v1/bulk/contracts.ndjson").text
    gone = site.delete(f"{where}?reason=personal-data", headers=heads | {"If-Match": answer.headers["etag"]})
    assert gone.status_code == 204
    assert sorted(_shown(database)) == ["job"]  # the file of another kind waits on
    with database.read() as session:
        states = session.connection().execute(select(table(Job).c.state)).scalars().all()
    assert sorted(states) == ["failed", "queued"]
    assert EXAMPLESHIRE["name"] in site.get("/v1/bulk/organisations.ndjson").text
    files = BulkFiles(database, tmp_path / "bulk", lambda: NOW)
    files.purge()
    assert [path for path in (tmp_path / "bulk").glob("*") if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in site.get("/v1/bulk/contracts.ndjson").text
