"""The publisher always knows: one table behind validator, registry, page, feeds, badge and webhook."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import orjson
import pytest
from nacl.signing import VerifyKey
from sqlalchemy import event, select, text, update
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from api import node_feeds
from api.app import create_app
from api.checks import AN_HOUR
from api.turns import CHECKS, Turns
from federation import examining, holdings, hooks, hosts, lists, log, nodes, ping, status
from federation.addresses import check_addresses
from federation.database import Database, clock, table
from federation.examiner import Examiner
from federation.identity import read_manifest
from federation.seam import Answer
from federation.webhooks import Herald
from schema.errors import Busy, Hurried, Invalid, Later, LeaseLost, NotFound, Refused, Vanished
from schema.tables import Examination, Feed, Hook, Host, Node
from tests.integration.crawl.world import NOW, Aggregator, FakeNode, World, feed, node_row, problems, rows
from tests.services import client, make_services

HOOK = "https://exa.example/hooks/folkmoot"
ATOM = "{http://www.w3.org/2005/Atom}"


class Receiver:
    """What stands at the other end of a webhook: answers as it is told, keeps what came."""

    def __init__(self) -> None:
        self.answers: list[Answer | Exception] = []
        self.got: list[tuple[str, bytes, Mapping[str, str]]] = []

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.got.append((url, body, headers))
        answer = self.answers.pop(0) if self.answers else Answer(204, b"")
        if isinstance(answer, Exception):
            raise answer
        return answer


def bent(world: World) -> FakeNode:
    """Return a node with one record refused, one of somebody else, and no contact."""
    node = world.node()
    node.key("2026-1")
    node.all_again()
    node.put("contract", "C-1")
    node.put("contract", "C-2", title=5)
    node.more = {"contact": None, "webhook": {"url": HOOK}, "updateFrequency": "P1D"}
    whole = node.manifest
    node.manifest = lambda: {name: value for name, value in whole().items() if value is not None}  # type: ignore[method-assign]
    return node


def parsed(body: bytes) -> ET.Element:
    """Read XML of our own making."""
    return ET.fromstring(body)  # noqa: S314


def served(moot: Aggregator, folder: Path) -> TestClient:
    """Serve the aggregator's database."""
    return client(create_app(make_services(moot.database, folder, "aggregator", moot.url, organisation=None)))


def herald(moot: Aggregator, receiver: Receiver) -> Herald:
    """Return what tells the nodes of this aggregator, at the world's time."""
    made = Herald(moot.database, receiver, moot.url, lambda _session: moot.world.now)
    made.prepare()
    return made


def tell(made: Herald) -> list[str]:
    """Look for news and send what is due; gives what became of each message."""
    made.look()
    outcomes: list[str] = []

    async def go() -> None:
        while (outcome := await made.turn()) is not None:
            outcomes.append(outcome)

    asyncio.run(go())
    return outcomes


def examine(moot: Aggregator, url: str = "exa.example") -> str:
    """Ask for a check and let the worker do it; gives its id."""
    with moot.database.write() as session:
        made = examining.ask(session, examining.address(url), aggregator=False, now=moot.world.now)
    asyncio.run(Examiner(moot.database, moot.world.get, lambda: moot.world.now).turn())
    return made


async def until(met: Callable[[], bool]) -> None:
    """Look again and again until it is so."""
    for _look in range(1_000):
        if met():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never was")


# One table


def test_page_feeds_badge_and_validator_agree(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """Registry, page, Atom, JSON Feed, badge and webhook tell of the same places, and a check adds its own to them."""
    bent(world)
    moot.add(world.servers["https://exa.example"])  # type: ignore[arg-type]
    moot.crawl()
    check = examine(moot)
    ask = served(moot, tmp_path)
    told = {(p.rule, p.record_id, p.pointer) for p in problems(moot.database)}
    assert {rule for rule, _, _ in told} == {"schema", "contact"}
    item = ask.get("/v1/nodes/exa.example").json()
    assert {(p["rule"], p["recordId"] or "", p["pointer"]) for p in item["problems"]} == told
    assert item["problemCounts"] == {"error": 1, "warning": 1}
    report = ask.get(f"/v1/check/{check}").json()
    assert report["node"] == "exa.example"
    assert {(p["rule"], p["recordId"] or "", p["pointer"]) for p in report["report"]["problems"]} == told
    jsonfeed = ask.get("/v1/nodes/exa.example?format=jsonfeed").json()
    assert {(e["_folkmoot"]["rule"], e["_folkmoot"]["pointer"]) for e in jsonfeed["items"]} == {
        (r, p) for r, _, p in told
    }
    atom = parsed(ask.get("/v1/nodes/exa.example", headers={"Accept": "application/atom+xml"}).content)
    ids = [entry.findtext(f"{ATOM}id") for entry in atom.iter(f"{ATOM}entry")]
    assert ids == [entry["id"] for entry in jsonfeed["items"]]
    figures = {name: item[name] for name in ("state", "lastVisit", "lastGoodVisit", "accepted", "refused", "visits")}
    assert {name: jsonfeed["_folkmoot"]["node"][name] for name in figures} == figures
    assert atom.findtext(f"{ATOM}subtitle") == jsonfeed["description"]
    assert jsonfeed["description"] == (
        f"Active: last visit {item['lastVisit']}, last good visit {item['lastGoodVisit']}, next visit "
        f"{item['nextVisit']}, 2 shown, 2 accepted, 1 refused, 0 taken away, 2 problems, signatures valid, "
        f"quality {item['quality']:.2f} (accepted 0.67, availability 1.00, completeness 0.00, freshness 1.00, "
        f"released 1.00), 1 of 1 visits good, 2 pages read, a page in {item['latencyMs']} ms, updates promised every "
        f"P1D, latest change {item['freshness']}."
    )
    page = ask.get("/nodes/exa.example").text
    for name in ids:
        assert name is not None
        assert f'id="{name.partition("#")[2]}"' in page
    badge = parsed(ask.get("/v1/nodes/exa.example/badge.svg").content)
    title = badge.findtext("{http://www.w3.org/2000/svg}title")
    assert title == "Folkmoot: Council of EXA is active, 1 error, 1 warning"
    receiver = Receiver()
    assert tell(herald(moot, receiver)) == ["delivered"]
    assert orjson.loads(receiver.got[0][1])["data"]["problems"] == item["problemCounts"]


def test_feeds_tell_what_a_node_took_away(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """Who follows a node by Atom or JSON Feed sees each record that went, and why, as who asks for JSON."""
    node = world.node()
    node.put("contract", "C-1")
    gone = node.put("contract", "C-2")
    moot.add(node)
    moot.crawl()
    node.delete("contract", "C-2")
    world.pass_time(hours=1)
    moot.crawl()
    ask = served(moot, tmp_path)
    (withdrawn,) = ask.get("/v1/nodes/exa.example").json()["withdrawn"]
    assert withdrawn["id"] == gone
    entries = ask.get("/v1/nodes/exa.example?format=jsonfeed").json()["items"]
    (entry,) = [one for one in entries if "withdrawn" in one["tags"]]
    assert (entry["_folkmoot"], entry["date_modified"]) == (withdrawn, withdrawn["at"])
    assert withdrawn["reason"] in entry["content_text"]
    atom = parsed(ask.get("/v1/nodes/exa.example?format=atom").content)
    assert entry["id"] in [one.findtext(f"{ATOM}id") for one in atom.iter(f"{ATOM}entry")]
    node.all_again()
    world.pass_time(hours=1)
    moot.crawl()
    entries = ask.get("/v1/nodes/exa.example?format=jsonfeed").json()["items"]
    assert entry["id"] in [one["id"] for one in entries], "what is said anew is no other entry"
    with moot.database.read() as session:
        item = status.told_one(session, "exa.example", now=world.now)
    later = item | {"withdrawn": [item["withdrawn"][0] | {"at": "2040-01-01T00:00:00Z"}]}
    assert node_feeds._updated(later) == datetime(2040, 1, 1, tzinfo=UTC), "removals are released between visits"


def test_what_a_node_took_away_is_found_by_an_index(database: Database) -> None:
    """The latest tombstones of a node are read in their order, and not all records that it ever published."""
    if database.dialect != "sqlite":
        pytest.skip("plans of PostgreSQL depend on its statistics")
    with database.read() as session:
        asked: list[tuple[str, Any]] = []
        event.listen(
            session.get_bind(), "before_cursor_execute", lambda _c, _k, sql, values, *_: asked.append((sql, values))
        )
        status._withdrawn(session, 1, "https://exa.example")
        sql, values = next(one for one in asked if "FROM record" in one[0])
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
    assert [row[3] for row in plan] == ["SEARCH record USING INDEX ix_record_gone (node_id=?)"]


def test_all_problems_of_a_node_can_be_read(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """A node's own answer and its feeds give each place; its page shows a hundred of them and says so."""
    node = world.node(size=500)
    for number in range(120):
        node.items[node.put("contract", f"C-{number}")]["data"]["title"] = 7
    moot.add(node)
    moot.crawl()
    ask = served(moot, tmp_path)
    item = ask.get("/v1/nodes/exa.example").json()
    assert item["problemCounts"]["error"] == len({p["recordId"] for p in item["problems"]} - {None}) == 120
    assert len(ask.get("/v1/nodes/exa.example?format=jsonfeed").json()["items"]) == len(item["problems"])
    assert f"{len(item['problems'])} problems to mend, 100 of them here" in ask.get("/nodes/exa.example").text
    (listed,) = ask.get("/v1/nodes").json()["items"]
    assert (len(listed["problems"]), listed["problemCounts"]) == (100, item["problemCounts"])


def test_what_is_mended_is_gone_everywhere(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """A record that is mended, a manifest that is mended: the next visit takes the problems away, in every shape."""
    node = bent(world)
    moot.add(node)
    moot.crawl()
    assert len(problems(moot.database)) == 2
    node.put("contract", "C-2")
    node.more["contact"] = {"name": "Team"}
    world.pass_time(hours=2)
    moot.crawl()
    ask = served(moot, tmp_path)
    assert ask.get("/v1/nodes/exa.example").json()["problems"] == []
    assert ask.get("/v1/nodes/exa.example?format=jsonfeed").json()["items"] == []
    assert "active, no problems" in ask.get("/v1/nodes/exa.example/badge.svg").text


def test_an_idle_visit_keeps_what_a_look_found(moot: Aggregator, world: World) -> None:
    """A visit that is answered 304 looks at nothing, and takes nothing for mended that it did not look at."""
    moot.add(bent(world))
    moot.crawl()
    before = [(p.rule, p.first_seen) for p in problems(moot.database)]
    world.pass_time(minutes=6)
    moot.crawl()
    assert [(p.rule, p.first_seen) for p in problems(moot.database)] == before


def test_node_tells_what_it_took_away(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """Records that were taken away are listed with their reason, the latest first, and counted."""
    node = world.node()
    for number in range(3):
        node.put("contract", f"C-{number}")
    moot.add(node)
    moot.crawl()
    gone = [node.delete("contract", "C-0", "ended"), node.delete("contract", "C-2", "error")]
    world.pass_time(minutes=6)
    moot.crawl()
    item = served(moot, tmp_path).get("/v1/nodes/exa.example").json()
    assert [(one["id"], one["reason"]) for one in item["withdrawn"]] == [(gone[1], "error"), (gone[0], "ended")]
    assert (item["deleted"], item["records"], item["lastReport"]["deleted"]) == (2, 2, 2)


@pytest.mark.parametrize(
    ("promised", "said"),
    [
        ("P1D", "Promised: every day.<"),
        ("daily", "Promised, in its own words: daily.<"),
        (None, "Nothing is promised.<"),
    ],
)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_a_promise_is_said_in_words(
    moot: Aggregator, world: World, tmp_path: Path, promised: str | None, said: str
) -> None:
    """A node's page says in words how often the node promises to look after its data."""
    node = world.node()
    node.more = {"updateFrequency": promised} if promised else {}
    moot.add(node)
    assert said in served(moot, tmp_path).get("/nodes/exa.example").text


def test_a_failure_is_told_with_its_time(moot: Aggregator, world: World) -> None:
    """A node that does not answer says so: availability falls, the error is named, `Retry-After` is kept."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    world.pass_time(minutes=6)
    world.faults[node.url] = Later("It answers 503.", 1800.0)
    moot.crawl()
    with moot.database.read() as session:
        item = status.one(session, "exa.example", now=world.now)
    assert (item["failedInARow"], item["lastReport"]["error"]) == (1, "It answers 503.")
    assert item["qualityParts"]["availability"] == pytest.approx(0.97)
    assert item["visits"] == {"all": 2, "good": 1, "pages": 2}
    assert feed(moot.database).not_before == feed(moot.database).due


# Preview: joining is a gate


def test_a_preview_is_visited_and_not_served(moot: Aggregator, world: World) -> None:
    """Nothing of a preview lands until it keeps every rule that is a gate; then the very same visit takes all of it."""
    node = world.node()
    record = node.put("contract", "C-1")
    node.items[record]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-1"
    moot.add(node, state="preview")
    (result,) = moot.crawl()
    assert (result.outcome, node_row(moot.database).state) == ("failed", "preview")
    assert [p.rule for p in problems(moot.database)] == ["id-prefix"]
    assert node.prefix not in " ".join(rows(moot.database))
    node.items[record]["id"] = record
    world.pass_time(minutes=2)
    (result,) = moot.crawl()
    assert (result.outcome, node_row(moot.database).state) == ("ended", "active")
    assert problems(moot.database) == []
    assert record in rows(moot.database)


def test_a_preview_with_bad_records_passes(moot: Aggregator, world: World) -> None:
    """A record that breaks its schema is refused alone: it is no reason to keep a node out."""
    node = world.node()
    node.put("contract", "C-1", title=5)
    moot.add(node, state="preview")
    moot.crawl()
    assert node_row(moot.database).state == "active"
    assert [(p.rule, p.severity) for p in problems(moot.database)] == [("schema", "error")]


def test_a_preview_that_claims_what_is_another_nodes_is_not_let_in(moot: Aggregator, world: World) -> None:
    """A prefix that another node was pinned with is none of its own: what a visit would refuse does not pass."""
    other = world.node("other.example", "OTH")
    moot.add(other)
    node = world.node()
    node.put("contract", "C-1")
    moot.add(node, state="preview")
    with moot.database.write() as session:  # as if it had claimed it after it was added
        for url, prefixes in ((node.url, {}), (other.url, {node.prefix: "GB-LAE-OTH"})):
            pinned = update(table(Node)).where(table(Node).c.url.startswith(url))
            session.connection().execute(pinned.values(prefixes=orjson.dumps(prefixes).decode()))
    results = {result.key: result.outcome for result in moot.crawl()}
    assert results["exa.example"] == "failed"
    assert "id-prefix" in {problem.rule for problem in problems(moot.database)}
    assert not [record for record in rows(moot.database) if record.startswith(node.prefix)]


def test_a_preview_that_does_not_answer_is_tried_later(moot: Aggregator, world: World) -> None:
    """A preview that cannot be reached has broken no rule of what it publishes: it waits, and is told what failed."""
    node = world.node()
    moot.add(node, state="preview")
    world.faults[node.url] = Later("It hangs.", 1800.0)
    (result,) = moot.crawl()
    assert (result.outcome, result.error, node_row(moot.database).state) == ("failed", "It hangs.", "preview")
    (told,) = problems(moot.database)
    assert (told.rule, told.severity, told.message) == ("reachable", "error", "It hangs.")
    assert node.prefix not in " ".join(rows(moot.database))
    world.faults.clear()
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, node_row(moot.database).state, problems(moot.database)) == ("ended", "active", [])


@pytest.mark.parametrize("bad", [False, True])
@pytest.mark.parametrize("end", [nodes.pause, nodes.remove])
def test_a_preview_that_is_paused_while_it_is_looked_at_is_not_let_in(
    moot: Aggregator, world: World, end: Callable[..., object], *, bad: bool
) -> None:
    """A node that is paused or removed during the look stays so, whether it passed or not; nothing of it is taken."""
    node = world.node()
    record = node.put("contract", "C-1")
    if bad:
        node.items[record]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-1"
    moot.add(node, state="preview")

    def act(url: str) -> None:
        if url.startswith(node.url + node.feed_path):
            world.before = lambda _url: None
            with moot.database.write() as session:
                end(session, nodes.find(session, "exa.example"), now=world.now)

    world.before = act
    (result,) = moot.crawl()
    assert (result.outcome, result.error) == ("lost", "The node was paused, removed or let in while it was looked at.")
    with moot.database.read() as session:
        states = session.connection().execute(select(table(Node).c.state)).scalars().all()
    assert states == (["paused"] if end is nodes.pause else [])
    assert node.prefix not in " ".join(rows(moot.database))
    assert problems(moot.database) == []


def test_a_pause_does_not_open_the_gate(moot: Aggregator, world: World) -> None:
    """A preview that is paused and resumed is a preview again."""
    node = world.node()
    moot.add(node, state="preview")
    with moot.database.write() as session:
        nodes.pause(session, nodes.find(session, "exa.example"), now=world.now)
        nodes.resume(session, nodes.find(session, "exa.example"), now=world.now)
    assert node_row(moot.database).state == "preview"


def _confirm(moot: Aggregator, node: FakeNode) -> str:
    """Release its identity as `folkmoot node release` does. Gives the state that this leads to."""
    body = node.answer(node.id)
    with moot.database.write() as session:
        known = nodes.find(session, node.url)
        after = nodes.release(session, known, read_manifest(body, node.id), body, now=moot.world.now)
    assert after.state == node_row(moot.database).state
    return after.state


@pytest.mark.parametrize("decided", ["taken back", "confirmed"])
def test_t11_another_identity_does_not_open_the_gate(moot: Aggregator, world: World, decided: str) -> None:
    """A preview that shows other keys is a preview still, and told so; neither its old keys nor a person let it in."""
    node = world.node()
    signer = node.key("2026-1")
    node.all_again()
    record = node.put("contract", "C-1")
    node.items[record]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-1"
    moot.add(node, state="preview")
    moot.crawl()
    keys, node.keys = node.keys, {}
    node.key("2027-1")
    node.put("contract", "C-2")
    world.pass_time(hours=1)
    moot.crawl()
    row = node_row(moot.database)
    assert (row.state, row.stale_since) == ("preview", None)
    assert [problem.rule for problem in problems(moot.database)] == ["identity-changed"]
    if decided == "confirmed":
        assert _confirm(moot, node) == "preview"
    else:
        node.keys, node.signer = keys, signer
    node.items[record]["id"] = record
    node.all_again()
    node.items[record]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-1"
    for _visit in range(2):
        world.pass_time(hours=7)
        moot.crawl()
        assert node_row(moot.database).state == "preview"
        assert "id-prefix" in {problem.rule for problem in problems(moot.database)}
    assert node.prefix not in " ".join(rows(moot.database))
    node.items[record]["id"] = record
    node.all_again()
    world.pass_time(hours=7)
    moot.crawl()
    assert (node_row(moot.database).state, problems(moot.database)) == ("active", [])
    assert record in rows(moot.database)


def test_t11_a_person_confirms_who_a_node_is_and_not_that_it_is_visited(moot: Aggregator, world: World) -> None:
    """A node that is paused stays so when its identity is confirmed; when it is resumed it is known by its new keys."""
    node = world.node()
    node.key("2026-1")
    node.all_again()
    moot.add(node)
    moot.crawl()
    with moot.database.write() as session:
        nodes.pause(session, nodes.find(session, "exa.example"), now=world.now)
    node.keys = {}
    node.key("2027-1")
    node.all_again()
    assert _confirm(moot, node) == "paused"
    world.pass_time(hours=1)
    assert moot.crawl() == []
    with moot.database.write() as session:
        nodes.resume(session, nodes.find(session, "exa.example"), now=world.now)
    moot.crawl()
    assert (node_row(moot.database).state, problems(moot.database)) == ("active", [])


# Ping


def test_a_ping_brings_the_next_visit_forward(moot: Aggregator, world: World) -> None:
    """A ping makes a feed due, at most a minute after the last visit, and never before its own wish."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    last = feed(moot.database).last_visit
    assert ping.ping(moot.database, "exa.example", clock=world.clock) == last + ping.GAP
    assert feed(moot.database).due == last + ping.GAP
    world.pass_time(minutes=3)
    moot.crawl()
    world.pass_time(minutes=2)
    due = ping.ping(moot.database, "exa.example", clock=world.clock)
    assert due == world.now
    assert ping.ping(moot.database, "exa.example", clock=world.clock) == due, "it is due already: nothing is written"
    wish = world.now + timedelta(hours=1)
    with moot.database.write() as session:
        late = {"due": wish + timedelta(hours=1), "not_before": wish}
        session.connection().execute(update(table(Feed)).values(late))
    assert ping.ping(moot.database, "exa.example", clock=world.clock) == wish


@pytest.mark.parametrize("fault", [Later("It hangs."), Vanished("gone", 404)], ids=["down", "gone"])
def test_a_ping_does_not_end_the_patience_with_a_node_that_failed(
    moot: Aggregator, world: World, fault: Exception
) -> None:
    """However often it is pinged, a node that failed is visited ten minutes after its last visit at the earliest."""
    node = world.node()
    moot.add(node)
    world.faults[node.url] = fault
    for _visit in range(8):
        moot.crawl()
        world.pass_time(days=2)
    moot.crawl()
    failed = feed(moot.database)
    world.pass_time(minutes=2)
    assert failed.due > world.now + ping.AFTER_A_FAILURE
    assert ping.ping(moot.database, "exa.example", clock=world.clock) == failed.last_visit + ping.AFTER_A_FAILURE
    world.faults.clear()
    world.pass_time(minutes=10)
    moot.crawl()
    world.pass_time(minutes=1)
    assert ping.ping(moot.database, "exa.example", clock=world.clock) == world.now, "it is well again"


def test_pings_take_no_threads_from_the_readers(moot: Aggregator, world: World) -> None:
    """While somebody writes, as many pings as have a turn wait for that and all others are answered at once: 503."""
    moot.add(world.node())
    moot.crawl()
    turns = Turns("a visit", 8)

    def one(_n: int) -> str:
        try:
            ping.ping(moot.database, "exa.example", clock=world.clock, turn=turns.take)
        except Busy:
            return "busy"
        return "noted"

    with ThreadPoolExecutor(20) as pool:
        with moot.database.write() as session:
            log.lock(session)
            session.connection().execute(update(table(Feed)).values(etag="x"))
            asked = [pool.submit(one, n) for n in range(20)]
            done, waiting = wait(asked, timeout=3)
            assert ([each.result() for each in done], len(waiting)) == (["busy"] * 12, 8)
        assert [each.result() for each in waiting] == ["noted"] * 8


def test_a_ping_is_answered(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """A ping of a node says when it is visited; of one that is paused, that it is not; of nobody, 404."""
    moot.add(world.node())
    ask = served(moot, tmp_path)
    reply = ask.post("/v1/nodes/exa.example/ping", content=b"anything, and it is not read")
    assert (reply.status_code, reply.json()["key"]) == (202, "exa.example")
    assert reply.json()["nextVisit"]
    with moot.database.write() as session:
        nodes.pause(session, nodes.find(session, "exa.example"), now=world.now)
    assert ask.post("/v1/nodes/exa.example/ping").json()["nextVisit"] is None
    assert ask.post("/v1/nodes/nobody/ping").status_code == 404
    with pytest.raises(NotFound):
        ping.ping(moot.database, "a\x00b")


# Checks


def test_a_check_is_a_row_that_a_worker_runs(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """POST /v1/check answers 202 with an address; nothing is fetched until a worker does it."""
    bent(world)
    ask = served(moot, tmp_path)
    made = ask.post("/v1/check", json={"url": "https://exa.example"})
    assert (made.status_code, made.headers["location"]) == (202, made.json()["status"])
    assert ask.get(made.headers["location"]).json()["state"] == "queued"
    assert world.asked == []
    assert ask.post("/v1/check", json={"url": "https://exa.example/"}).json()["id"] == made.json()["id"]
    asyncio.run(Examiner(moot.database, world.get, lambda: NOW).turn())
    told = ask.get(made.headers["location"]).json()
    assert (told["state"], told["report"]["passed"], told["node"]) == ("done", True, None)
    broken = {rule["rule"]: rule for rule in told["report"]["rules"] if not rule["kept"]}
    assert set(broken) == {"schema", "contact"}
    assert all(rule["standard"] and rule["section"] and rule["advice"] for rule in broken.values())
    assert problems(moot.database) == []


def test_nobody_learns_from_a_check_what_an_inward_name_resolves_to(
    moot: Aggregator, world: World, tmp_path: Path
) -> None:
    """A check, its page, the node's page and its webhook say that it is not public; the log says which it is."""
    with pytest.raises(Refused) as inward:
        check_addresses("exa.example", ["10.9.8.7"], allow_private=False)
    moot.add(bent(world))
    moot.crawl()
    receiver = Receiver()
    receiver.answers = [inward.value]
    assert tell(herald(moot, receiver)) == ["later"]
    world.faults["https://exa.example"] = inward.value
    for _visit in range(2):
        world.pass_time(days=1)
        moot.crawl()
    world.pass_time(days=1)
    (failed,) = moot.crawl()
    with capture_logs() as lines:
        check = examine(moot)
    ask = served(moot, tmp_path)
    for path in (f"/v1/check/{check}", f"/check/{check}", "/v1/nodes/exa.example", "/nodes/exa.example"):
        told = ask.get(path).text
        assert ("10.9.8.7" in told, "not resolve to public addresses" in told) == (False, True), path
    assert "not resolve to public" in ask.get("/v1/nodes/exa.example").json()["webhook"]["lastAnswer"]
    assert "10.9.8.7" in (failed.error or "")
    assert [line["ended"] for line in lines if line["event"] == "check"] == [inward.value.detail]


def test_a_check_without_scripts(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """A form leads to the page of the check, which says what is wrong and where; a slip is told beside the field."""
    bent(world)
    ask = served(moot, tmp_path)
    assert 'action="/check"' in ask.get("/check").text
    wrong = ask.post("/check", data={"url": "not an address"})
    assert (wrong.status_code, 'aria-invalid="true"' in wrong.text) == (422, True)
    made = ask.post("/check", data={"url": "exa.example"})
    assert made.status_code == 303
    asyncio.run(Examiner(moot.database, world.get, lambda: NOW).turn())
    page = ask.get(made.headers["location"]).text
    assert "The node can join" in page
    assert "/data/title" in page
    assert "1 item would be refused" in page
    assert page.count("<table") == page.count('<table class="cards"')
    assert ask.get("/check/nothing").status_code == 404


def test_a_check_of_a_known_node_leads_to_its_page(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """The check of a node that is among ours says so, and not that it can join; it links to the node's page."""
    moot.add(bent(world))
    page = served(moot, tmp_path).get(f"/check/{examine(moot)}").text
    assert "This node is known here already" in page
    assert '<a href="/nodes/exa.example">' in page
    assert "It keeps every rule that a node must keep to join." in page
    assert "can join" not in page


def test_a_look_at_a_node_as_what_it_is_not_tells_its_people_nothing(moot: Aggregator, world: World) -> None:
    """Who checks a plain node as an aggregator is told what that finds; nothing of it stands at the node."""
    moot.add(bent(world))
    moot.crawl()
    before = [(p.rule, p.record_id, p.last_seen) for p in problems(moot.database)]
    with moot.database.write() as session:
        made = examining.ask(session, examining.address("exa.example"), aggregator=True, now=world.now)
    asyncio.run(Examiner(moot.database, world.get, lambda: world.now).turn())
    broken = [rule["rule"] for rule in report(moot, made)["report"]["rules"] if not rule["kept"]]
    assert "role" in broken
    assert [(p.rule, p.record_id, p.last_seen) for p in problems(moot.database)] == before


def test_a_check_of_an_aggregator_that_is_known_as_one_is_as_its_visits_are(moot: Aggregator, world: World) -> None:
    """Without the box ticked too: what is wrong with the records that it relays stays told."""
    origin = world.node("far.example", "FAR")
    relay = world.node(role="aggregator", size=50)
    origin.put("contract", "C-1")
    relay.pass_on(origin.items[f"{origin.prefix}contract/C-1"], data={"reference": "C-1", "title": 5})
    moot.add(relay, relays=True)
    moot.crawl()
    assert "schema" in {problem.rule for problem in problems(moot.database)}
    examine(moot)
    assert "schema" in {problem.rule for problem in problems(moot.database)}


def test_a_check_holds_a_node_to_what_it_was_pinned_with(moot: Aggregator, world: World) -> None:
    """A check of a node that is held for its identity says so, and the banner on its page stays."""
    node = world.node()
    node.key("2026-1")
    node.all_again()
    moot.add(node)
    moot.crawl()
    node.keys.clear()
    node.key("2027-1")
    node.all_again()
    world.pass_time(hours=1)
    moot.crawl()
    made = examine(moot)
    broken = [rule["rule"] for rule in report(moot, made)["report"]["rules"] if not rule["kept"]]
    assert broken == ["identity-changed"]
    assert "identity-changed" in {problem.rule for problem in problems(moot.database)}


def test_a_granted_prefix_is_good_in_a_check_too(moot: Aggregator, world: World) -> None:
    """What an operator lets a node publish is not told as wrong by whoever checks it."""
    node = world.node()
    other = "https://data.example/id/GB-LAE-OTH/"
    publisher = {"name": "Other", "identifiers": [{"scheme": "GB-LAE", "id": "OTH"}], "idPrefix": other}
    node.more["publishers"] = [*node.manifest()["publishers"], publisher]
    moot.add(node)
    with moot.database.write() as session:
        nodes.grant(session, nodes.find(session, "exa.example"), other, now=world.now)
    record_id = node.put("contract", "C-1")
    moved = node.items.pop(record_id)
    moved["id"], moved["origin"]["publisher"] = f"{other}contract/C-1", "GB-LAE-OTH"
    node.items[moved["id"]] = moved
    moot.crawl()
    assert [p.rule for p in problems(moot.database) if p.rule == "id-prefix"] == []
    examine(moot)
    assert [p.rule for p in problems(moot.database) if p.rule == "id-prefix"] == []


def test_a_fault_of_ours_in_one_check_stops_no_other(moot: Aggregator, world: World) -> None:
    """What nobody thought of ends that look alone, which is told as ours and passes nobody."""
    moot.add(bent(world))
    moot.crawl()
    before = [(p.rule, p.record_id, p.last_seen) for p in problems(moot.database)]

    async def slips(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        raise UnicodeError("label empty or too long")

    made = asked_for(moot)
    with capture_logs() as lines:
        assert asyncio.run(Examiner(moot.database, slips, lambda: world.now).turn())
    assert "a check broke off by a fault of ours" in {line["event"] for line in lines}
    told = report(moot, made)["report"]
    assert (told["passed"], [rule["rule"] for rule in told["rules"] if not rule["kept"]]) == (False, ["reader-fault"])
    assert [(p.rule, p.record_id, p.last_seen) for p in problems(moot.database)] == before


def test_a_check_forgets_nothing_that_only_visits_can_tell(moot: Aggregator, world: World) -> None:
    """What broke a visit off stays told until a visit has gone well, however often somebody has the node checked."""
    node = bent(world)
    moot.add(node)
    moot.crawl()
    world.faults[node.url] = KeyError("a slip")
    world.pass_time(hours=1)
    moot.crawl()
    world.faults.clear()
    examine(moot)
    assert "reader-fault" in {problem.rule for problem in problems(moot.database)}
    with moot.database.write() as session:  # the check has the host until a moment of the real clock
        session.connection().execute(update(table(Host)).values(free_at=world.now))
    world.pass_time(hours=1)
    moot.crawl()
    assert "reader-fault" not in {problem.rule for problem in problems(moot.database)}


def test_a_check_takes_no_prefix_for_a_nodes_own_that_another_was_pinned_with(moot: Aggregator, world: World) -> None:
    """What a visit refuses of a known node a check refuses too: a prefix that the node's manifest claims as well."""
    node, other = world.node(), world.node("two.example", "TWO")
    moot.add(node)
    theirs = f"{node.url}/id/GB-LAE-TWO/"
    other.more["publishers"] = [*other.manifest()["publishers"]]
    moot.add(other)
    with moot.database.write() as session:
        own = select(table(Node).c.prefixes).where(table(Node).c.url == other.id)
        prefixes = orjson.loads(session.connection().execute(own).scalar_one()) | {theirs: "GB-LAE-TWO"}
        granted = update(table(Node)).where(table(Node).c.url == other.id)
        session.connection().execute(granted.values(prefixes=orjson.dumps(prefixes).decode()))
    publisher = {"name": "Two", "identifiers": [{"scheme": "GB-LAE", "id": "TWO"}], "idPrefix": theirs}
    node.more["publishers"] = [*node.manifest()["publishers"], publisher]
    record_id = node.put("contract", "C-1")
    claimed = node.items.pop(record_id)
    claimed["id"], claimed["origin"]["publisher"] = f"{theirs}contract/C-1", "GB-LAE-TWO"
    node.items[claimed["id"]] = claimed
    world.pass_time(hours=2)
    moot.crawl()
    assert "id-prefix" in {problem.rule for problem in problems(moot.database)}
    made = examine(moot)
    assert "id-prefix" in [rule["rule"] for rule in report(moot, made)["report"]["rules"] if not rule["kept"]]
    assert "id-prefix" in {problem.rule for problem in problems(moot.database)}


def test_a_robots_txt_that_was_read_within_the_day_is_not_asked_for_again(moot: Aggregator, world: World) -> None:
    """What the crawl keeps of a host is what a check goes by; another host's is asked for."""
    node = world.node()
    with moot.database.write() as session:
        at = clock(session)
        place = "exa.example:443"
        assert hosts.take(session, place, "crawl", at=at, until=at) is not None
        hosts.remember(session, place, hosts.Kept(b"User-agent: *\nDisallow: /v1/", at))
        hosts.leave(session, place, "crawl", free_at=at)

    async def robots(place: str) -> Answer:
        raise AssertionError(place)

    made = asked_for(moot, node.url)
    assert asyncio.run(Examiner(moot.database, world.get, lambda: at, robots).turn())
    assert [rule["rule"] for rule in report(moot, made)["report"]["rules"] if not rule["kept"]] == ["robots"]


def test_a_check_keeps_to_robots_txt(moot: Aggregator, world: World) -> None:
    """What a host forbids is not asked by a check either, and it is left alone for as long as it wishes."""
    node = world.node()

    async def robots(place: str) -> Answer:
        assert place == node.url
        return Answer(200, texts.pop(0), {}, f"{place}/robots.txt")

    texts = [b"User-agent: folkmoot\nDisallow: /v1/", b"User-agent: *\nCrawl-delay: 0.1"]
    first = asked_for(moot)
    assert asyncio.run(Examiner(moot.database, world.get, lambda: world.now, robots).turn())
    assert [r["rule"] for r in report(moot, first)["report"]["rules"] if not r["kept"]] == ["robots"]
    assert not [url for url, _headers in world.asked if "/v1/" in url]
    world.pass_time(minutes=2)
    second = asked_for(moot)
    with moot.database.read() as session:
        began = clock(session)
    assert asyncio.run(Examiner(moot.database, world.get, lambda: world.now, robots).turn())
    assert report(moot, second)["report"]["passed"] is True
    with moot.database.read() as session:
        free = session.connection().execute(select(table(Host).c.free_at)).scalar_one()
    assert free >= began + timedelta(seconds=0.2), "two requests, each followed by its pause"


def test_one_host_and_one_hour_have_their_bounds(moot: Aggregator, world: World) -> None:
    """However many paths of it are named, one host is looked at so often within an hour; the next is told when."""
    with moot.database.write() as session:
        for number in range(examining.OF_A_HOST):
            made = examining.ask(session, f"https://n.example/{number}", aggregator=False, now=world.now)
            done = update(table(Examination)).where(table(Examination).c.id == made)
            session.connection().execute(done.values(finished=world.now, state="done"))
        with pytest.raises(Hurried, match="of this host") as told:
            examining.ask(session, "https://n.example/more", aggregator=False, now=world.now)
        assert told.value.retry_after == 3_600
        examining.ask(session, "https://n.example.com/other", aggregator=False, now=world.now)
        later = world.now + timedelta(hours=1, seconds=1)
        examining.ask(session, "https://n.example/more", aggregator=False, now=later)


def test_another_spelling_is_no_other_node() -> None:
    """A host in capitals, its default port and a path with empty or dotted segments are one address, of one host."""
    for typed in (
        "a.example",
        "https://A.Example",
        "https://a.example:443",
        "https://a.example/",
        "https://a.example//",
        "https://a.example/./.well-known/folkmoot",
        "https://a.example/x/../..//.well-known//folkmoot",
    ):
        assert examining.address(typed) == "https://a.example/.well-known/folkmoot"
    assert examining.address("http://A.example:80/Data//x/./y/../z.json") == "http://a.example/Data/x/z.json"
    assert examining.address("http://a.example:443/x/") == "http://a.example:443/x/"
    assert examining.address("https://a.example:4430/x/y/..") == "https://a.example:4430/x/"


@pytest.mark.parametrize(
    "typed", ["exa.example", "http://exa.example/", "https://EXA.example:443/x", "exa.example/" + "x" * 988]
)
def test_a_program_may_give_a_host_as_a_person_types_it(moot: Aggregator, tmp_path: Path, typed: str) -> None:
    """POST /v1/check takes a host without a scheme, as the page does."""
    assert served(moot, tmp_path).post("/v1/check", json={"url": typed}).status_code == 202


@pytest.mark.parametrize(
    "typed", ["https://exa.example/?x=1", "https://[::1]", "https://user:pw@exa.example", "exa ample"]
)
def test_what_is_no_address_of_a_node_is_told_so(moot: Aggregator, tmp_path: Path, typed: str) -> None:
    """A web address that no node can have is told as that, and not as what would be no web address."""
    answer = served(moot, tmp_path).post("/v1/check", json={"url": typed})
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["detail"]) == ("/url", "This is no address of a node.")
    assert fault["expected"].startswith("an address such as https://moot.")


def test_one_client_asks_for_so_many_checks_an_hour(moot: Aggregator, tmp_path: Path) -> None:
    """Nobody uses up alone what is there for all; a host that no address can have is refused (422)."""
    services = make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)
    services = replace(services, a_minute=6_000)
    ask = TestClient(create_app(services), client=("9.9.9.9", 5), follow_redirects=False)
    long = "https://" + ".".join(["a" * 60] * 10)
    assert "too long for the DNS" in ask.post("/v1/check", json={"url": long}).json()["detail"]
    for number in range(AN_HOUR):
        for _again in range(2):  # what is answered with the check of a moment ago counts for nothing
            assert ask.post("/v1/check", json={"url": f"https://n{number}.example"}).status_code == 202
        with moot.database.write() as session:
            session.connection().execute(update(table(Examination)).values(finished=NOW, state="done"))
    full = ask.post("/v1/check", json={"url": "https://more.example"})
    assert (full.status_code, "from this address" in full.json()["detail"]) == (429, True)
    assert full.json()["detail"].startswith(f"{AN_HOUR} checks within an hour were asked for")
    assert int(full.headers["retry-after"]) > 3_000
    page = ask.post("/check", data={"url": "https://more.example"}, headers={"Accept": "text/html"})
    assert (page.status_code, "in 60 min." in page.text, "Wait a minute" in page.text) == (429, True, False)
    assert ask.post("/v1/check", json={"url": "https://n1.example"}).status_code == 202, "it is there already"
    other = TestClient(create_app(services), client=("8.8.8.8", 5), follow_redirects=False)
    assert "from this address" not in other.post("/v1/check", json={"url": "https://more.example"}).text


def test_one_address_has_two_checks_at_a_time(moot: Aggregator, tmp_path: Path) -> None:
    """The queue is there for all: the third is taken when one of the first is done, and another's is taken at once."""
    services = make_services(moot.database, tmp_path, "aggregator", moot.url, organisation=None)
    app = create_app(replace(services, a_minute=6_000))
    ask, other = (TestClient(app, client=(address, 5)) for address in ("9.9.9.9", "8.8.8.8"))
    assert [ask.post("/v1/check", json={"url": f"https://n{n}.example"}).status_code for n in range(2)] == [202, 202]
    full = ask.post("/v1/check", json={"url": "https://more.example"})
    assert (full.status_code, "not done yet" in full.json()["detail"]) == (429, True)
    assert ask.post("/v1/check", json={"url": "https://n1.example"}).status_code == 202, "it is one of the two"
    assert other.post("/v1/check", json={"url": "https://more.example"}).status_code == 202
    with moot.database.write() as session:
        done = update(table(Examination)).where(table(Examination).c.url.contains("n0.example"))
        session.connection().execute(done.values(finished=NOW, state="done"))
    assert ask.post("/v1/check", json={"url": "https://third.example"}).status_code == 202
    assert len(app.state.askers.known()) == 3


def test_two_nodes_are_looked_at_at_a_time(moot: Aggregator, world: World) -> None:
    """A node that does not answer holds up no other: the next is looked at beside it."""
    world.node()
    slow, quick = asked_for(moot, "slow.example"), asked_for(moot)

    async def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        if "slow" in url:
            await ended.wait()
            raise Later("It hangs.")
        return await world.get(url, headers)

    async def go() -> None:
        stop = asyncio.Event()
        working = asyncio.create_task(Examiner(moot.database, get, lambda: world.now, every=0.05).run(stop))
        await until(lambda: report(moot, quick)["state"] == "done")
        assert report(moot, slow)["state"] == "running"
        stop.set()
        ended.set()
        await asyncio.wait_for(working, 10)

    ended = asyncio.Event()
    asyncio.run(asyncio.wait_for(go(), 30))
    assert report(moot, slow)["state"] == "done"


def test_who_asks_for_a_check_takes_no_threads_from_the_readers(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """While others write few wait to have a check noted down; the next is told to come back, a known one is given."""
    ask = served(moot, tmp_path)
    turns = ask.app.state.asking  # type: ignore[attr-defined]
    known = ask.post("/v1/check", json={"url": "https://known.example"}).json()["id"]

    def post(host: str) -> int:
        return ask.post("/v1/check", json={"url": f"https://{host}.example"}).status_code

    with ThreadPoolExecutor(CHECKS) as pool:
        with moot.database.write() as session:
            writer = session.connection()
            if moot.database.dialect == "postgresql":
                writer.execute(text("LOCK TABLE examination IN EXCLUSIVE MODE"))
            waiting = [pool.submit(post, f"n{number}") for number in range(CHECKS)]
            asyncio.run(until(lambda: turns._few._value == 0))
            assert ask.post("/check", data={"url": "more.example"}).status_code == 503
            told = ask.post("/v1/check", json={"url": "https://more.example"})
            assert (told.status_code, "noted down" in told.json()["detail"]) == (503, True)
            assert told.headers["retry-after"]
            assert ask.post("/v1/check", json={"url": "https://known.example"}).json()["id"] == known
        assert [one.result(30) for one in waiting] == [202] * CHECKS
    assert post("more") == 202


def test_checks_are_bounded(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """However many ask, few wait: the next is told to come back, and nobody's address is looked at twice a minute."""
    ask = served(moot, tmp_path)
    for number in range(examining.MOST_WAITING):
        assert ask.post("/v1/check", json={"url": f"https://n{number}.example"}).status_code == 202
    full = ask.post("/v1/check", json={"url": "https://more.example"})
    assert (full.status_code, full.headers["retry-after"]) == (429, "60")
    assert ask.post("/check", data={"url": "https://more.example"}).status_code == 429
    with moot.database.write() as session, pytest.raises(Hurried):
        examining.ask(session, "https://more.example", aggregator=False, now=NOW)
    assert ask.post("/v1/check", content=b"[", headers={"content-type": "application/json"}).status_code == 400
    bodies: list[object] = [[], {}, {"url": "ftp://x"}, {"url": "https://x", "deep": 1}, {"url": 5}]
    for body in bodies:
        assert ask.post("/v1/check", json=body).status_code == 422
    for typed in ("", "javascript:x", "https://user:pass@x.example", "x" * 2000, "https://[::1]/"):
        with pytest.raises(Invalid):
            examining.address(typed)


def test_a_check_that_never_ends_is_ended(moot: Aggregator, world: World) -> None:
    """A node that drips for ever is given up at the deadline, and a check that ended two workers is not tried again."""
    world.node()

    async def slow(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        await asyncio.sleep(30)
        raise AssertionError

    with moot.database.write() as session:
        made = examining.ask(session, examining.address("exa.example"), aggregator=False, now=world.now)
    asyncio.run(Examiner(moot.database, slow, lambda: world.now, seconds=0.05).turn())
    with moot.database.read() as reading:
        told = examining.status(reading, made)["report"]
    assert [rule["rule"] for rule in told["rules"] if not rule["kept"]] == ["reachable"]
    assert told["passed"] is False


def asked_for(moot: Aggregator, url: str = "exa.example") -> str:
    """Ask for a check that no worker has begun; gives its id."""
    with moot.database.write() as session:
        return examining.ask(session, examining.address(url), aggregator=False, now=moot.world.now)


def report(moot: Aggregator, check: str) -> dict[str, Any]:
    """What is known of a check."""
    with moot.database.read() as session:
        return examining.status(session, check)


def test_a_check_that_ended_its_workers_is_not_begun_again(moot: Aggregator, world: World) -> None:
    """A check that two workers began and never ended asks the node nothing more, and says that it took too long."""
    world.node()
    check = asked_for(moot)
    for _try in range(examining.TRIES):
        with moot.database.write() as session:
            assert examining.claim(session) is not None
            late = update(table(Examination)).values(leased_until=clock(session) - timedelta(seconds=1))
            session.connection().execute(late)
    assert asyncio.run(Examiner(moot.database, world.get, lambda: world.now).turn())
    assert world.asked == []
    told = report(moot, check)
    assert (told["state"], told["report"]["passed"]) == ("done", False)
    assert [(p["rule"], p["message"]) for p in told["report"]["problems"]] == [
        ("reachable", "The look was ended: the node took too long to answer.")
    ]


UNSEEN = "It was not looked at: it is being visited. Ask again in a minute."


def visited(moot: Aggregator) -> Callable[[], None]:
    """Have the host's turn for a minute, as a visit does; gives what ends it."""
    with moot.database.write() as session:
        at = clock(session)
        assert hosts.take(session, "exa.example:443", "a visit", at=at, until=at + timedelta(minutes=1))

    def leave() -> None:
        with moot.database.write() as session:
            hosts.leave(session, "exa.example:443", "a visit", free_at=at)

    return leave


def looked_again(moot: Aggregator) -> bool:
    """Let the time pass for which a check is left alone, and the worker look for one; gives whether there was."""
    with moot.database.write() as session:
        past = update(table(Examination)).values(leased_until=clock(session) - timedelta(seconds=1))
        session.connection().execute(past)
    return asyncio.run(Examiner(moot.database, moot.world.get, lambda: moot.world.now).turn())


def test_a_check_whose_host_is_visited_is_queued_again_for_later(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check whose host is being visited is left alone for a while, and made when the visit is over."""
    monkeypatch.setattr("federation.examiner.PATIENCE", 0.3)
    world.node()
    leave = visited(moot)
    check = examine(moot)
    assert world.asked == []
    told = report(moot, check)
    assert (told["state"], told["report"], "started" in told) == ("queued", None, False)
    leave()
    assert not asyncio.run(Examiner(moot.database, world.get, lambda: world.now).turn())
    assert looked_again(moot)
    told = report(moot, check)
    assert (told["state"], told["report"]["passed"], told["report"]["unseen"]) == ("done", True, "")


@pytest.mark.parametrize("known", [False, True])
def test_a_check_that_never_had_its_hosts_turn_says_nothing_against_the_node(
    moot: Aggregator, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    """A check that could not get its host's turn says so, and when to ask again, and tells of no rule at all."""
    monkeypatch.setattr("federation.examiner.PATIENCE", 0.3)
    node = world.node()
    if known:
        moot.add(node)
    visited(moot)
    check = examine(moot)
    assert looked_again(moot)
    assert not looked_again(moot)
    told = report(moot, check)
    found = told["report"]
    assert world.asked == []
    assert problems(moot.database) == []
    assert (told["state"], found["unseen"], found["passed"]) == ("done", UNSEEN, False)
    assert (found["rules"], found["problems"], found["problemCount"]) == ([], [], 0)
    page = served(moot, tmp_path).get(f"/check/{check}").text
    assert "The node was not looked at" in page
    assert UNSEEN in page
    assert "cannot join" not in page
    assert "breaks a rule" not in page


def test_a_check_that_another_worker_holds_is_not_queued_again(moot: Aggregator, world: World) -> None:
    """A worker whose lease ran out while it waited for the host cannot put the check back: it is another's."""
    world.node()
    asked_for(moot)
    with moot.database.write() as session:
        held = examining.claim(session)
    assert held is not None
    with moot.database.write() as session, pytest.raises(LeaseLost):
        examining.put_back(session, replace(held, owner="another"))


def test_a_check_asks_few_hosts_beside_the_one_that_was_named_and_those_in_their_turn(
    moot: Aggregator, world: World
) -> None:
    """Of an aggregator's origins three are asked, but not one whose turn another has, and each turn is given back."""
    relay = world.node(role="aggregator", size=50)
    origins = [world.node(f"n{number}.example", f"N{chr(65 + number)}") for number in range(6)]
    for origin in origins:
        relay.pass_on(origin.items[origin.put("contract", "C-1")])
    with moot.database.write() as session:
        at = clock(session)
        assert hosts.take(session, "n0.example:443", "a visit", at=at, until=at + timedelta(minutes=1))
    taken: list[str | None] = []

    def note(url: str) -> None:
        with moot.database.read() as session:
            mine = select(table(Host).c.owner).where(table(Host).c.place == url.split("/")[2] + ":443")
            taken.append(session.connection().execute(mine).scalar_one())

    world.before = note
    with moot.database.write() as session:
        check = examining.ask(session, examining.address(relay.url), aggregator=True, now=world.now)
    asyncio.run(Examiner(moot.database, world.get, lambda: world.now).turn())
    assert {url.split("/")[2] for url, _headers in world.asked} == {"exa.example", "n1.example", "n2.example"}
    assert all(owner and owner.startswith("check.") for owner in taken)
    assert "origin-unknown" not in {problem["rule"] for problem in report(moot, check)["report"]["problems"]}
    with moot.database.read() as reading:
        left = reading.connection().execute(select(table(Host).c.place).where(table(Host).c.owner.is_not(None)))
        assert left.scalars().all() == ["n0.example:443"]


def test_a_check_that_another_worker_took_meanwhile_is_that_ones(moot: Aggregator, world: World) -> None:
    """A worker whose lease ran out while it looked keeps nothing and tells nothing: the one that took over does."""
    node = bent(world)
    moot.add(node)
    check = asked_for(moot)
    taken: list[str] = []

    def take(url: str) -> None:
        del url
        world.before = lambda _url: None
        with moot.database.write() as session:
            late = update(table(Examination)).values(leased_until=clock(session) - timedelta(seconds=1))
            session.connection().execute(late)
            found = examining.claim(session)
            assert found is not None
            taken.append(found.id)

    world.before = take
    assert asyncio.run(Examiner(moot.database, world.get, lambda: world.now).turn())
    assert taken == [check]
    assert (report(moot, check)["state"], report(moot, check)["report"]) == ("running", None)
    assert problems(moot.database) == []


def test_a_check_that_did_not_see_the_end_mends_nothing_of_the_feed(moot: Aggregator, world: World) -> None:
    """A check that read the first pages alone takes nothing for mended that a visit found wrong with the whole feed."""
    node = world.node(size=1)
    for n in range(6):
        node.put("contract", f"C-{n}")
    node.items[node.prefix + "contract/C-5"]["state"] = "perhaps"
    moot.add(node)
    moot.crawl()
    assert [p.rule for p in problems(moot.database)] == ["item-state"]
    examine(moot)
    assert [p.rule for p in problems(moot.database)] == ["item-state"]
    node.items[node.prefix + "contract/C-5"]["state"] = "updated"
    node.size = 50
    world.pass_time(minutes=2)
    examine(moot)
    assert problems(moot.database) == [], "the whole was read"


def test_a_check_tells_what_is_mended_of_a_record(moot: Aggregator, world: World) -> None:
    """A record that a check finds mended is a problem no more, at once, and one that is still bad stays one."""
    node = bent(world)
    bad, worse = node.put("contract", "C-2", title=5), node.put("contract", "C-3", title=6)
    moot.add(node)
    moot.crawl()
    node.put("contract", "C-2")
    assert {p.record_id for p in problems(moot.database)} == {bad, worse, ""}
    examine(moot)
    assert {(p.rule, p.record_id) for p in problems(moot.database)} == {("contact", ""), ("schema", worse)}


@pytest.mark.parametrize("waiting", [0, 2])
def test_the_worker_of_checks_works_until_it_is_stopped(moot: Aggregator, world: World, waiting: int) -> None:
    """It does what waits, one after the other, then looks again now and then, and ends when it is told to."""
    hostnames = [f"n{n}.example" for n in range(waiting)]
    for n, host in enumerate(hostnames):
        world.node(host, f"N{chr(65 + n)}X")
    checks = [asked_for(moot, host) for host in hostnames]

    async def go() -> str:
        stop = asyncio.Event()
        worker = Examiner(moot.database, world.get, lambda: world.now, every=0.05)
        working = asyncio.create_task(worker.run(stop))
        await until(lambda: all(report(moot, check)["state"] == "done" for check in checks))
        world.node("late.example", "LTE")
        late = await asyncio.to_thread(asked_for, moot, "late.example")
        await until(lambda: report(moot, late)["state"] == "done")
        stop.set()
        await asyncio.wait_for(working, 10)
        return late

    late = asyncio.run(asyncio.wait_for(go(), 30))
    assert [report(moot, check)["report"]["passed"] for check in [*checks, late]] == [True] * (waiting + 1)


# Webhooks


def test_the_worker_of_webhooks_works_until_it_is_stopped(moot: Aggregator, world: World) -> None:
    """It makes its key, sends what is due, looks for more now and then, and ends when it is told to."""
    node = bent(world)
    moot.add(node)
    moot.crawl()
    receiver = Receiver()

    async def go() -> None:
        stop = asyncio.Event()
        made = Herald(moot.database, receiver, moot.url, lambda _session: moot.world.now, every=0.05)
        working = asyncio.create_task(made.run(stop))
        await until(lambda: len(receiver.got) == 1)
        node.put("contract", "C-3", title=6)
        world.pass_time(hours=1)
        await moot.crawler().turn()
        world.pass_time(hours=1)
        await until(lambda: len(receiver.got) == 2)
        stop.set()
        await asyncio.wait_for(working, 10)

    asyncio.run(asyncio.wait_for(go(), 30))
    assert [orjson.loads(body)["data"]["problems"]["error"] for _url, body, _headers in receiver.got] == [1, 2]
    with moot.database.read() as session:
        assert (hooks.counts(session)["delivered"], hooks.counts(session)["waiting"]) == (2, 0)
        assert hooks.public_key(session) is not None


def test_of_two_workers_one_sends_a_message(moot: Aggregator, world: World) -> None:
    """A message in one worker's hands is nobody else's, and what became of it is noted by the last that took it."""
    moot.add(bent(world))
    moot.crawl()
    receiver = Receiver()
    made = herald(moot, receiver)
    made.look()
    with moot.database.write() as session:
        first = hooks.claim(session, now=world.now)
        assert first is not None
        assert hooks.claim(session, now=world.now) is None
    world.pass_time(seconds=hooks.LEASE.total_seconds() + 1)
    with moot.database.write() as session:
        second = hooks.claim(session, now=world.now)
        assert second is not None
        assert second.id == first.id
        hooks.settle(session, first, good=True, gone=False, answer="It answers 204.", wait=0, now=world.now)
        assert hooks.counts(session)["delivered"] == 0, "its lease is another's"
        hooks.settle(session, second, good=True, gone=False, answer="It answers 204.", wait=0, now=world.now)
        assert (hooks.counts(session)["delivered"], hooks.counts(session)["waiting"]) == (1, 0)


def test_a_webhook_is_signed_and_thin(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """A message verifies with the key of the aggregator's manifest, and says no more than where the status stands."""
    moot.add(bent(world))
    moot.crawl()
    receiver = Receiver()
    assert tell(herald(moot, receiver)) == ["delivered"]
    ((url, body, headers),) = receiver.got
    assert url == HOOK
    (public,) = served(moot, tmp_path).get("/.well-known/folkmoot").json()["webhooks"]["publicKeys"]
    version, _, signature = headers["webhook-signature"].partition(",")
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = VerifyKey(base64.b64decode(public.removeprefix("whpk_")))
    assert key.verify(content, base64.b64decode(signature)) == content
    assert (version, int(headers["webhook-timestamp"])) == ("v1a", int(world.now.timestamp()))
    told = orjson.loads(body)
    assert (told["type"], set(told["data"])) == ("node.status", {"key", "state", "problems", "url", "page"})
    assert tell(herald(moot, receiver)) == [], "nothing new is no message"


def test_the_log_of_a_webhook_names_the_node(moot: Aggregator, world: World) -> None:
    """The line of a message that was sent names the node by its key, as every other line does."""
    moot.add(bent(world))
    moot.crawl()
    with capture_logs() as lines:
        tell(herald(moot, Receiver()))
    assert [line["node"] for line in lines if line["event"] == "webhook"] == ["exa.example"]


def test_nobody_is_called_for_a_fault_of_ours(moot: Aggregator, world: World) -> None:
    """A visit that we broke off ourselves stands on the node's page, and its people get no webhook for it."""
    node = bent(world)
    moot.add(node)
    moot.crawl()
    made = herald(moot, Receiver())
    assert tell(made) == ["delivered"]
    world.faults[node.url] = KeyError("a slip")
    world.pass_time(hours=1)
    moot.crawl()
    assert "reader-fault" in {problem.rule for problem in problems(moot.database)}
    assert tell(made) == []


def test_a_webhook_is_tried_again_and_given_up(moot: Aggregator, world: World) -> None:
    """One id through all attempts, longer and longer apart; given up after the last, which is told as a problem."""
    moot.add(bent(world))
    moot.crawl()
    receiver, waits = Receiver(), []
    made = herald(moot, receiver)
    receiver.answers += [Answer(500, b"")] * 3
    receiver.answers += [Later("It hangs.")] * 20
    for _ in range(len(hooks.WAITS) + 1):
        assert tell(made) == ["later"]
        with moot.database.read() as session:
            due = session.connection().execute(select(table(Hook).c.due)).scalar_one()
        if due is not None:
            waits.append((due - world.now).total_seconds())
            world.now = due
    assert len({headers["webhook-id"] for _, _, headers in receiver.got}) == 1
    assert waits == sorted(waits)
    assert len(receiver.got) == len(hooks.WAITS) + 1
    assert [p.rule for p in problems(moot.database) if p.rule == "webhook"] == ["webhook"]
    assert tell(made) == []


def test_a_webhook_that_is_gone_is_disabled(moot: Aggregator, world: World) -> None:
    """410 ends it, until the manifest names another address."""
    node = bent(world)
    moot.add(node)
    moot.crawl()
    receiver = Receiver()
    made = herald(moot, receiver)
    receiver.answers = [Answer(410, b"")]
    assert tell(made) == ["gone"]
    node.put("contract", "C-3", title=6)
    world.pass_time(minutes=10)
    moot.crawl()
    assert tell(made) == []
    with moot.database.read() as session:
        assert (hooks.counts(session)["disabled"], status.one(session, "exa.example")["webhook"]["state"]) == (
            1,
            "disabled",
        )
    node.more["webhook"] = {"url": HOOK + "/2"}
    world.pass_time(hours=2)
    moot.crawl()
    assert tell(made) == ["delivered"]
    assert receiver.got[-1][0] == HOOK + "/2"
    node.more["webhook"] = None
    world.pass_time(hours=2)
    moot.crawl()
    assert tell(made) == []
    with moot.database.read() as session:
        assert status.one(session, "exa.example")["webhook"] is None


@pytest.mark.parametrize("named", [None, HOOK + "/2"])
def test_a_webhook_that_is_named_no_more_is_no_problem(moot: Aggregator, world: World, named: str | None) -> None:
    """Who takes a webhook that does not answer out of the manifest, or names another, has mended it."""
    node = bent(world)
    moot.add(node)
    moot.crawl()
    receiver = Receiver()
    made = herald(moot, receiver)
    receiver.answers = [Answer(410, b"")]
    assert tell(made) == ["gone"]
    assert "webhook" in {problem.rule for problem in problems(moot.database)}
    node.more["webhook"] = None if named is None else {"url": named}
    world.pass_time(hours=2)
    moot.crawl()
    made.look()
    assert "webhook" not in {problem.rule for problem in problems(moot.database)}


def test_what_an_operator_decides_is_told_without_a_visit(moot: Aggregator, world: World) -> None:
    """A node that is paused is not visited any more, and its people hear of it all the same."""
    moot.add(bent(world))
    moot.crawl()
    receiver = Receiver()
    made = herald(moot, receiver)
    assert tell(made) == ["delivered"]
    world.pass_time(minutes=10)
    with moot.database.write() as session:
        nodes.pause(session, nodes.find(session, "exa.example"), now=world.now)
    assert tell(made) == ["delivered"]
    assert orjson.loads(receiver.got[-1][1])["data"]["state"] == "paused"
    assert tell(made) == []


@pytest.mark.parametrize("engine_name", ["postgresql"])
def test_a_decision_amid_a_look_is_not_lost(moot: Aggregator, world: World) -> None:
    """An operator who pauses a node while its status is put into a message is in that message, or in the next."""
    moot.add(bent(world))
    moot.crawl()
    made = herald(moot, receiver := Receiver())
    assert tell(made) == ["delivered"]
    world.pass_time(hours=1)
    moot.crawl()
    other = Database(moot.database.url)
    with ThreadPoolExecutor(1) as beside:
        with other.write() as session:
            nodes.pause(session, nodes.find(session, "exa.example"), now=world.now)
            looking = beside.submit(made.look)
            time.sleep(0.5)
        looking.result(30)
    other.dispose()
    assert tell(made) == ["delivered"]
    assert orjson.loads(receiver.got[-1][1])["data"]["state"] == "paused"


def test_a_node_that_is_removed_amid_a_look_breaks_nothing_off(moot: Aggregator, world: World) -> None:
    """What was found to have changed may be gone when its turn comes."""
    moot.add(bent(world))
    moot.crawl()
    with moot.database.write() as session:
        (row,) = session.connection().execute(hooks._changed()).all()
        nodes.remove(session, nodes.find(session, "exa.example"), now=world.now)
        assert hooks._look(session, row, moot.url, world.now) is False


def test_a_fault_of_ours_with_one_webhook_stops_no_other(moot: Aggregator, world: World) -> None:
    """What nobody thought of in one message counts as a try that failed, and the next node is told."""
    moot.add(bent(world))
    moot.crawl()
    receiver = Receiver()
    made = herald(moot, receiver)
    receiver.answers = [UnicodeError("label empty or too long")]
    with capture_logs() as lines:
        assert tell(made) == ["later"]
    assert "a webhook broke off by a fault of ours" in {line["event"] for line in lines}
    with moot.database.read() as session:
        told = status.one(session, "exa.example")["webhook"]
    assert (told["state"], "(UnicodeError)" in told["lastAnswer"]) == ("retrying", True)
    world.pass_time(minutes=10)
    assert tell(made) == ["delivered"]


def test_an_answer_of_the_old_address_says_nothing_of_the_new(moot: Aggregator, world: World) -> None:
    """A 410 that comes when the manifest names another address already disables nothing: the message goes there."""
    node = bent(world)
    moot.add(node)
    moot.crawl()
    receiver = Receiver()
    made = herald(moot, receiver)
    made.look()
    with moot.database.write() as session:
        sent = hooks.claim(session, now=world.now)
    assert sent is not None
    node.more["webhook"] = {"url": HOOK + "/2"}
    world.pass_time(hours=2)
    moot.crawl()
    made.look()
    with moot.database.write() as session:
        hooks.settle(session, sent, good=False, gone=True, answer="It answers 410.", wait=0, now=world.now)
        assert hooks.counts(session)["disabled"] == 0
    assert "webhook" not in {problem.rule for problem in problems(moot.database)}
    assert tell(made) == ["delivered"]
    assert receiver.got[-1][0] == HOOK + "/2"


def test_a_busy_receiver_is_left_alone(moot: Aggregator, world: World) -> None:
    """`Retry-After` of a receiver is kept, and what changes meanwhile is one message, not many."""
    node = bent(world)
    moot.add(node)
    moot.crawl()
    receiver = Receiver()
    made = herald(moot, receiver)
    receiver.answers = [Answer(429, b"", {"retry-after": "3600"})]
    assert tell(made) == ["later"]
    for number in range(3):
        node.put("contract", f"D-{number}", title=number)
        world.pass_time(minutes=6)
        moot.crawl()
        assert tell(made) == []
    world.pass_time(hours=1)
    assert tell(made) == ["delivered"]
    assert orjson.loads(receiver.got[-1][1])["data"]["problems"]["error"] == 4


def test_a_dear_count_is_not_made_for_each_who_looks(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What took long to count is believed for a while; what did not is counted anew for everybody."""
    node = bent(world)
    moot.add(node)
    moot.crawl()

    def records() -> int:
        with moot.database.read() as session:
            return int(status.one(session, "exa.example", now=world.now)["records"])

    assert records() == 2
    monkeypatch.setattr(holdings, "DEAR", 0.0)
    monkeypatch.setattr(holdings, "REST", 1e6)
    assert records() == 2
    node.put("contract", "C-7")
    world.pass_time(hours=1)
    moot.crawl()
    assert records() == 2, "believed"
    holdings._dear.clear()  # time passes
    monkeypatch.setattr(holdings, "DEAR", 10.0)
    assert records() == 3


def test_a_page_lets_people_ask_for_a_visit(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """The button on a node's page does as a ping does, and leads back to the page; the other checks it."""
    moot.add(bent(world))
    moot.crawl()
    ask = served(moot, tmp_path)
    page = ask.get("/nodes/exa.example").text
    assert '<form action="/nodes/exa.example/visit" method="post">' in page
    assert f"FOLKMOOT_PING={moot.url}/v1/nodes/exa.example/ping" in page
    with moot.database.write() as session:
        later = clock(session) + timedelta(hours=1)
        session.connection().execute(update(table(Feed)).values(due=later))
    heard = ask.post("/nodes/exa.example/visit")
    assert (heard.status_code, heard.headers["location"]) == (303, "/nodes/exa.example")
    assert feed(moot.database).due < later
    assert ask.post("/nodes/nobody/visit").status_code == 404
    asked = ask.post("/check", data={"url": "https://exa.example/.well-known/folkmoot"})
    assert asked.status_code == 303


def test_figures_of_every_state(moot: Aggregator, world: World, tmp_path: Path) -> None:
    """/metrics counts nodes by state, problems by rule, checks and webhooks."""
    moot.add(bent(world))
    moot.crawl()
    examine(moot)
    tell(herald(moot, Receiver()))
    text = served(moot, tmp_path).get("/metrics").text
    for line in (
        'folkmoot_nodes{state="active"} 1.0',
        'folkmoot_nodes{state="preview"} 0.0',
        'folkmoot_problems{rule="contact",severity="warning"} 1.0',
        'folkmoot_problems{rule="schema",severity="error"} 1.0',
        'folkmoot_checks{state="done"} 1.0',
        'folkmoot_webhooks_total{as="delivered"} 1.0',
        "folkmoot_webhooks_waiting 0.0",
        "folkmoot_webhooks_retrying 0.0",
        'folkmoot_node_records{node="exa.example",signature="valid"} 2.0',
        'folkmoot_node_withdrawn{node="exa.example"} 0.0',
        'folkmoot_node_removals_held{node="exa.example"} 0.0',
        'folkmoot_node_reconciling{node="exa.example"} 0.0',
        "folkmoot_erasures_waiting 0.0",
        "folkmoot_erasures_overdue 0.0",
        'folkmoot_crawl_latency_seconds{node="exa.example"} 0.001',
        'folkmoot_node_records{node="exa.example",signature="invalid"} 0.0',
        'folkmoot_node_state{node="exa.example",state="active"} 1.0',
        'folkmoot_node_quality_part{node="exa.example",part="availability"} 1.0',
        'folkmoot_crawl_visits_total{as="good",node="exa.example"} 1.0',
        'folkmoot_crawl_visits_total{as="failed",node="exa.example"} 0.0',
        'folkmoot_crawl_pages_total{node="exa.example"} 2.0',
        'folkmoot_node_webhook{node="exa.example",state="quiet"} 1.0',
    ):
        assert line in text.splitlines(), line
    row = feed(moot.database)
    for name, moment in (("last_visit", row.last_visit), ("last_good", row.last_good), ("next_visit", row.due)):
        (told,) = re.findall(rf'folkmoot_crawl_{name}_timestamp_seconds{{node="exa.example"}} (\S+)', text)
        assert float(told) == moment.timestamp()
    assert "node_stale_since_timestamp_seconds{" not in text, "it is not stale"
    with moot.database.write() as session:
        session.connection().execute(update(table(Feed)).values(reconciling=True))
    assert 'folkmoot_node_reconciling{node="exa.example"} 1.0' in served(moot, tmp_path).get("/metrics").text


def test_t13_what_is_shown_of_a_node_that_is_paused_while_stale_is_marked(
    moot: Aggregator, world: World, tmp_path: Path
) -> None:
    """A person's pause does not make its last good copy newer; once it is well again, the tag of lists is another."""
    node = world.node()
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    world.faults[node.url] = Later("It hangs.")
    seen: list[tuple[str, tuple[str, ...], str]] = []
    for decide in (None, nodes.pause, nodes.resume, None):
        if len(seen) == 3:
            del world.faults[node.url]
        for _ in range(3):
            world.pass_time(hours=7)
            moot.crawl()
        if decide is not None:
            with moot.database.write() as session:
                decide(session, nodes.find(session, "exa.example"), now=world.now)
        with moot.database.read() as session:
            shown = lists.by_id(session, record_id)
            assert shown is not None
            seen.append((node_row(moot.database).state, shown.marks, lists.state(session)))
    stale = [(state, ("stale",)) for state in ("stale", "paused", "stale")]
    assert [one[:2] for one in seen] == [*stale, ("active", ())]
    assert seen[3][2] not in {one[2] for one in seen[:3]}


def test_t13_a_held_node_that_closes_is_retired(moot: Aggregator, world: World) -> None:
    """Three days of 410 retire a node that is held too, and its page says so."""
    node = world.node()
    node.key("2026-1")
    node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    node.keys = {}
    node.key("2027-1")
    world.pass_time(hours=1)
    moot.crawl()
    assert node_row(moot.database).state == "held"
    world.faults[node.url] = Vanished("gone", 410)
    for _ in range(5):
        world.pass_time(hours=25)
        moot.crawl()
    assert node_row(moot.database).state == "retired"


def test_a_node_in_its_first_reading_does_not_pass_the_gate_again(moot: Aggregator, world: World) -> None:
    """One that was let in, and is held or paused before it was read to its end, shows records: it is no preview."""
    node = world.node(size=5)
    node.key("2026-1")
    node.all_again()
    for number in range(30):
        node.put("contract", f"C-{number}")
    moot.add(node)
    page = node.page
    node.page = lambda after: page(after) if after < 10 else {}  # type: ignore[method-assign]
    moot.crawl()
    states = []
    with moot.database.write() as session:
        nodes.pause(session, nodes.find(session, "exa.example"), now=world.now)
        nodes.resume(session, nodes.find(session, "exa.example"), now=world.now)
    states.append(node_row(moot.database).state)
    node.keys = {}
    node.key("2027-1")
    world.pass_time(hours=2)
    moot.crawl()
    states.append(node_row(moot.database).state)
    body = node.answer(node.id)
    with moot.database.write() as session:
        known = nodes.find(session, "exa.example")
        nodes.release(session, known, read_manifest(body, node.id), body, now=world.now)
    assert [*states, node_row(moot.database).state] == ["active", "held", "active"]
