"""Reading a node into the database: what lands, what is told, what a second visit does."""

from __future__ import annotations

import asyncio
import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from federation import visit
from federation.database import table
from federation.robots import PATIENT_DELAY
from federation.rounds import TurnResult
from federation.seam import Answer
from folkmoot.cli import command_line
from schema.errors import Later
from schema.tables import Feed
from tests.integration.crawl.conftest import Run
from tests.integration.crawl.world import Aggregator, World, feed, node_row, problems, rows


def test_all_records_land(moot: Aggregator, world: World) -> None:
    """What a node publishes is held, byte for byte, with its origin, one via and a number of our own."""
    node = world.node()
    ids = [node.put("contract", f"C-{n}", unknownMember={"n": n}) for n in range(7)]
    moot.add(node)
    (result,) = moot.crawl()
    held = rows(moot.database)
    assert (result.outcome, result.applied.created, result.applied.refused) == ("ended", 8, 0)
    for record_id in ids:
        row, item = held[record_id], node.items[record_id]
        assert orjson.loads(row.data) == item["data"]
        assert orjson.loads(row.origin) == item["origin"]
        assert [hop["node"] for hop in orjson.loads(row.via)] == [moot.id]
        assert (row.rank, row.seq, row.origin_node) == (0, item["modified"], node.id)


def test_a_crawl_under_another_public_url_does_not_start(
    moot: Aggregator, world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a database published as one node has gathered is passed on by no other: exit code 2, and nothing is due."""
    moot.add(world.node())
    due = feed(moot.database).due
    monkeypatch.setenv("FOLKMOOT_PUBLIC_URL", "https://moved.example")
    code, said = run("crawl", "--once", "--now")
    told = f"folkmoot: This node has published as {moot.url}, and FOLKMOOT_PUBLIC_URL is https://moved.example."
    assert (code, said.startswith(told)) == (2, True)
    assert feed(moot.database).due == due


def test_a_crawl_needs_nothing_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that has published nothing is crawled into under any address."""
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOLKMOOT_PUBLIC_URL", "https://moved.example")
    done = CliRunner().invoke(command_line("crawl"), ["crawl", "--once"])
    assert (done.exit_code, "No node is known yet" in done.output) == (0, True)


def test_second_visit_changes_nothing(moot: Aggregator, world: World) -> None:
    """A visit to a feed that stands still asks with the ETag, changes no record and no number."""
    node = world.node()
    node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    before = rows(moot.database)
    world.pass_time(minutes=10)
    world.asked.clear()
    (result,) = moot.crawl()
    assert (result.outcome, result.pages, result.applied.accepted) == ("ended", 1, 0)
    assert rows(moot.database) == before
    assert "If-None-Match" in world.asked[-1][1]


def test_changes_and_tombstones_follow(moot: Aggregator, world: World) -> None:
    """An update and a deletion with its reason arrive at the next visit, and the old state is kept as history."""
    node = world.node()
    changed, gone = node.put("contract", "C-1"), node.put("contract", "C-2")
    moot.add(node)
    moot.crawl()
    node.put("contract", "C-1", title="A new title")
    node.delete("contract", "C-2", reason="withdrawn")
    world.pass_time(minutes=10)
    (result,) = moot.crawl()
    held = rows(moot.database)
    assert (result.applied.updated, result.applied.deleted) == (1, 1)
    assert orjson.loads(held[changed].data)["title"] == "A new title"
    assert (held[gone].deleted, held[gone].reason, held[gone].data) == (True, "withdrawn", None)
    assert [len(_history(moot, i)) for i in (changed, gone)] == [1, 1]


def _history(moot: Aggregator, record_id: str) -> list[object]:
    from sqlalchemy import select

    from federation.database import table
    from schema.tables import History

    with moot.database.read() as session:
        chosen = select(table(History)).where(table(History).c.id == record_id)
        return list(session.connection().execute(chosen))


def test_bad_items_are_refused_alone(moot: Aggregator, world: World) -> None:
    """An item at fault is told with its pointer and does not stop its page; the good ones beside it land."""
    node = world.node(size=10)
    good = node.put("contract", "C-1")
    bad = node.put("contract", "C-2", title=5)
    moot.add(node)
    (result,) = moot.crawl()
    (told,) = problems(moot.database)
    assert (result.applied.accepted, result.applied.refused) == (2, 1)
    assert good in rows(moot.database)
    assert bad not in rows(moot.database)
    assert (told.record_id, told.pointer, told.severity, told.count) == (bad, "/data/title", "error", 1)


def test_problem_counts_and_goes(moot: Aggregator, world: World) -> None:
    """A problem that is met again is counted; it goes when the record is mended."""
    node = world.node()
    node.put("contract", "C-1", title=5)
    moot.add(node)
    moot.crawl()
    node.put("contract", "C-1", title=6)
    world.pass_time(hours=1)
    moot.crawl()
    (told,) = problems(moot.database)
    assert (told.count, told.last_seen > told.first_seen) == (2, True)
    node.put("contract", "C-1", title="Six")
    world.pass_time(hours=1)
    moot.crawl()
    assert problems(moot.database) == []


def test_refusal_keeps_the_last_good_state(moot: Aggregator, world: World) -> None:
    """A refused update leaves what was held before."""
    node = world.node()
    record_id = node.put("contract", "C-1", title="Good")
    moot.add(node)
    moot.crawl()
    node.put("contract", "C-1", title="")
    world.pass_time(hours=1)
    moot.crawl()
    assert orjson.loads(rows(moot.database)[record_id].data)["title"] == "Good"


def test_broken_page_keeps_the_cursor(moot: Aggregator, world: World) -> None:
    """A page that breaks a rule of the whole is refused: pages before it stay, the cursor waits, the node is told."""
    node = world.node(size=2)
    for n in range(6):
        node.put("contract", f"C-{n}")
    moot.add(node)
    broken = node.prefix + "contract/C-3"
    node.items[broken]["state"] = "perhaps"
    (result,) = moot.crawl()
    assert (result.outcome, len(rows(moot.database)) - 1) == ("failed", 4)
    assert feed(moot.database).cursor.endswith("=4")
    assert [(p.rule, p.record_id) for p in problems(moot.database)] == [("item-state", "")]
    node.items[broken]["state"] = "updated"
    world.pass_time(hours=1)
    (mended,) = moot.crawl()
    assert (mended.outcome, problems(moot.database)) == ("ended", [])
    assert len(rows(moot.database)) == 8


def test_unknown_kind_is_kept(moot: Aggregator, world: World) -> None:
    """A kind that we do not know is kept and passed on."""
    node = world.node()
    record_id = node.put("parking-space", "P-1", {"reference": "P-1", "colour": "red"})
    moot.add(node)
    moot.crawl()
    assert rows(moot.database)[record_id].kind == "parking-space"


def test_new_publisher_between_manifest_and_page(moot: Aggregator, world: World) -> None:
    """A body that the node begins to host while it is read is taken: its manifest is asked again."""
    node = world.node(size=1)
    moot.add(node)
    second = f"{node.url}/id/GB-LAE-EXB/"
    more = {"idPrefix": second, "name": "B", "identifiers": [{"scheme": "GB-LAE", "id": "EXB"}]}

    def host(url: str) -> None:
        if url.endswith("=1") and not node.more:
            node.more = {"publishers": [*node.manifest()["publishers"], more]}
            node.publisher, node.prefix = "GB-LAE-EXB", second
            node.put("contract", "B-1")

    world.before = host
    (result,) = moot.crawl()
    assert (result.applied.accepted, result.applied.refused) == (2, 0)
    assert second + "contract/B-1" in rows(moot.database)


def test_budget_is_no_fault(moot: Aggregator, world: World) -> None:
    """A visit that spends its budget stops between two pages and goes on at once in the next turn."""
    node = world.node(size=1)
    for n in range(5):
        node.put("contract", f"C-{n}")
    moot.add(node)
    results = moot.crawl(budget=2)
    assert [r.outcome for r in results] == ["budget", "budget", "budget", "ended"]
    assert (node_row(moot.database).state, feed(moot.database).fails, problems(moot.database)) == ("active", 0, [])
    assert len(rows(moot.database)) == 7


def test_result_names_the_node(moot: Aggregator, world: World) -> None:
    """A turn says which node it visited and when it is due again."""
    moot.add(world.node())
    (result,) = moot.crawl()
    assert isinstance(result, TurnResult)
    assert result.key == "exa.example"
    assert result.due is not None
    assert 295 <= (result.due - world.now).total_seconds() <= 331


def test_a_feed_that_names_its_epoch_on_its_pages_alone_is_read_once(moot: Aggregator, world: World) -> None:
    """An epoch that only the pages name is taken from the first of them, and is no reason to read anew."""
    node = world.node(size=2)
    node.more["epoch"] = "first"
    whole = node.manifest
    node.manifest = lambda: {name: value for name, value in whole().items() if name != "epoch"}  # type: ignore[method-assign]
    for n in range(5):
        node.put("contract", f"C-{n}")
    moot.add(node)
    assert feed(moot.database).epoch is None
    (result,) = moot.crawl()
    assert (result.outcome, result.pages, result.applied.created) == ("ended", 4, 6)
    assert feed(moot.database).epoch == "first"
    node.put("contract", "C-1", title="Changed")
    world.pass_time(hours=1)
    (second,) = moot.crawl()
    assert (second.outcome, second.pages, second.applied.updated) == ("ended", 2, 1)


def test_a_feed_that_begins_anew_twice_in_a_visit_is_refused(moot: Aggregator, world: World) -> None:
    """A node whose every page is of another epoch is read anew once, then refused, told so, and tried later."""
    node = world.node(size=1)
    node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    page, epochs = node.page, iter(range(100))
    node.page = lambda after: page(after) | {"epoch": f"epoch-{next(epochs)}"}  # type: ignore[method-assign]
    whole = node.manifest
    node.manifest = lambda: {name: value for name, value in whole().items() if name != "epoch"}  # type: ignore[method-assign]
    node.put("contract", "C-1", title="Changed")
    world.pass_time(hours=1)
    (result,) = moot.crawl()
    assert (result.outcome, result.error) == ("failed", "The feed began anew twice within one visit.")
    (told,) = problems(moot.database)
    assert (told.rule, told.pointer, told.record_id) == ("epoch", "", "")
    assert feed(moot.database).fails == 1
    assert not any(row.deleted for row in rows(moot.database).values())


def test_a_large_page_is_written_before_the_next_is_asked_for(moot: Aggregator, world: World) -> None:
    """What a page of megabytes says is in the database when the next page is fetched: two are never held at a time."""
    node = world.node(size=11)
    for n in range(20):
        node.put("contract", f"C-{n}", unknownMember=["Words. " * 31_000])
    moot.add(node)
    held: list[tuple[str, int]] = []

    def count(url: str) -> None:
        if "=" in url:
            held.append((url.rpartition("=")[2], len(rows(moot.database)) - 1))

    world.before = count
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.created) == ("ended", 21)
    assert held == [("11", 11), ("21", 21)]


def test_t10_nodes_that_claim_each_others_records_keep_their_own(moot: Aggregator, world: World) -> None:
    """Two nodes say each other's records, under the other's id and origin: each record stays as its own node says it.

    What was claimed is told of who claimed it, whichever was visited first.
    """
    one, other = world.node("one.example", "ONE", size=50), world.node("two.example", "TWO", size=50)
    for node in (one, other):
        node.put("contract", "C-1", title=f"the true one of {node.publisher}")
        moot.add(node)
    for liar, victim in ((one, other), (other, one)):
        claim = copy.deepcopy(victim.items[f"{victim.prefix}contract/C-1"])
        claim["data"]["title"], claim["origin"]["seq"] = "a lie", 10_000
        liar.number += 1
        liar.items["claimed"] = claim | {"modified": liar.number}
        ended = {"state": "deleted", "kind": "organisation", "id": f"{victim.prefix}organisation/{victim.publisher}"}
        liar.number += 1
        liar.items["ended"] = ended | {"reason": "ended", "origin": claim["origin"], "modified": liar.number}
    for _visit in range(2):
        moot.crawl()
        world.pass_time(hours=1)
    held = rows(moot.database)
    for node in (one, other):
        row = held[f"{node.prefix}contract/C-1"]
        assert orjson.loads(row.data)["title"] == f"the true one of {node.publisher}"
        assert row.origin_node == node.id
        assert not held[f"{node.prefix}organisation/{node.publisher}"].deleted
    told = {(problem.rule, problem.record_id.split("/")[2]) for problem in problems(moot.database)}
    assert told == {("not-an-aggregator", "one.example"), ("not-an-aggregator", "two.example")}


_NONE = {"created": 0, "updated": 0, "deleted": 0, "unchanged": 0, "held": 0, "refused": 0, "dropped": 0}


def _row(moot: Aggregator) -> dict[str, Any]:
    """The one feed's row, its report read."""
    row: dict[str, Any] = feed(moot.database)._asdict()
    return row | {"last_report": orjson.loads(row["last_report"])}


def _unlucky(moot: Aggregator) -> None:
    """Let the feed's last visits have failed, the first of them with 410."""
    values = {"fails": 2, "last_error": "It hangs.", "gone_since": moot.world.now, "not_before": moot.world.now}
    with moot.database.write() as session:
        session.connection().execute(update(table(Feed)).values(values))


def test_a_visit_that_came_to_the_end_leaves_all_that_is_known_of_it(moot: Aggregator, world: World) -> None:
    """The feed's row says where its end is, what was read and when, how long it took and that nothing is wrong."""
    node = world.node(size=2)
    node.more["feeds"] = [node.manifest()["feeds"][0] | {"minPollSeconds": 900}]
    for n in range(5):
        node.put("contract", f"C-{n}", title=5 if n == 3 else "Lawns")
    moot.add(node)
    _unlucky(moot)
    (result,) = moot.crawl()
    row = _row(moot)
    path = "https://exa.example/v1/changes"
    assert (row["url"], row["cursor"], row["position"], row["latest"]) == (path, f"{path}?afterChangeNumber=6", 6, 6)
    assert (row["epoch"], row["reconciling"], row["every"]) == ("first", False, 900)
    assert row["etag"] == world.etags[row["cursor"]]
    assert (row["fails"], row["last_error"], row["gone_since"], row["not_before"]) == (0, None, None, None)
    assert (row["owner"], row["leased_until"], row["fence"]) == (None, None, 1)
    assert (row["accepted"], row["refused"], row["dropped"], row["latency_ms"]) == (5, 1, 0, 1)
    assert (row["visits"], row["good_visits"], row["pages"], row["availability"]) == (1, 1, 4, 1.0)
    assert row["completeness"] is not None
    assert row["manifest_etag"] == world.etags[node.id]
    assert timedelta(0) <= row["last_good"] - row["last_visit"] < timedelta(seconds=1)
    assert row["manifest_at"] <= row["last_visit"] <= world.now + timedelta(seconds=5)
    assert timedelta(seconds=900) <= row["due"] - row["last_visit"] <= timedelta(seconds=900 * 1.1 + 1)
    assert (result.due, result.pages) == (row["due"], 4)
    report = row["last_report"]
    assert report.pop("at")
    told = {"outcome": "ended", "pages": 4, "accepted": 5, "latencyMs": 1}
    assert report == _NONE | told | {"created": 5, "refused": 1}


def test_a_visit_that_stopped_between_pages_leaves_where_it_is(moot: Aggregator, world: World) -> None:
    """The feed is due again at once, at the page that comes next, and what failed before is forgotten."""
    node = world.node(size=1)
    for n in range(5):
        node.put("contract", f"C-{n}", title=5 if n == 1 else "Lawns")
    moot.add(node)
    _unlucky(moot)
    result = asyncio.run(moot.crawler(budget=3).turn())
    row = _row(moot)
    path = "https://exa.example/v1/changes"
    assert (row["url"], row["cursor"], row["position"], row["latest"]) == (path, f"{path}?afterChangeNumber=3", 3, None)
    assert (row["epoch"], row["reconciling"], row["every"], row["etag"]) == ("first", False, 300, None)
    assert (row["fails"], row["last_error"], row["gone_since"], row["not_before"]) == (0, None, None, None)
    assert (row["owner"], row["leased_until"], row["last_good"]) == (None, None, None)
    assert (row["accepted"], row["refused"], row["dropped"], row["latency_ms"]) == (2, 1, 0, 1)
    assert (row["visits"], row["good_visits"], row["pages"], row["availability"]) == (1, 1, 3, 1.0)
    assert row["manifest_etag"] == world.etags[node.id]
    assert row["manifest_at"] <= row["due"] <= row["last_visit"] <= world.now + timedelta(seconds=5)
    report = row["last_report"]
    assert report.pop("at")
    assert report == _NONE | {"outcome": "budget", "pages": 3, "accepted": 2, "created": 2, "refused": 1}
    assert result is not None
    assert (result.outcome, result.due, result.pages) == ("budget", row["due"], 3)


class _Slow:
    """A robots.txt that asks for so many seconds between two requests."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def __call__(self, _place: str) -> Answer:
        return Answer(200, f"User-agent: *\nCrawl-delay: {self.seconds:g}".encode())


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return how long was slept, while nobody does."""
    sleep, found = asyncio.sleep, list[float]()

    async def noted(seconds: float) -> None:
        found.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", noted)
    return found


@pytest.mark.usefixtures("slept")
@pytest.mark.parametrize("delay", [PATIENT_DELAY + 1, 600])
def test_a_host_that_wishes_long_pauses_is_read_a_page_a_visit(moot: Aggregator, world: World, delay: float) -> None:
    """A long Crawl-delay parts the visits: one page each, none before that time, whatever the feed's own wish."""
    node = world.node(size=1)
    node.put("contract", "C-1")
    moot.add(node)
    for outcome in ("budget", "budget", "ended"):
        result = asyncio.run(moot.crawler(robots=_Slow(delay)).turn())
        row = feed(moot.database)
        assert result is not None
        assert (result.outcome, result.pages) == (outcome, 1)
        waits = (row.due - row.last_visit).total_seconds()
        least = max(delay, 300 if outcome == "ended" else 0)
        assert least - 1 <= waits <= least * 1.1 + 1
        assert abs((row.not_before - row.last_visit).total_seconds() - delay) < 1
        world.pass_time(seconds=delay)


def test_a_pause_that_is_waited_out_within_a_visit_parts_none(
    moot: Aggregator, world: World, slept: list[float]
) -> None:
    """A Crawl-delay of up to ten seconds is kept to between the pages of one visit, and nothing is put off for it."""
    node = world.node(size=1)
    node.put("contract", "C-1")
    moot.add(node)
    result = asyncio.run(moot.crawler(robots=_Slow(PATIENT_DELAY)).turn())
    assert result is not None
    assert (result.outcome, result.pages, feed(moot.database).not_before) == ("ended", 3, None)
    assert len([seconds for seconds in slept if 5 < seconds <= PATIENT_DELAY]) >= 2


def test_a_slow_host_holds_no_worker(moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A visit that has lasted five minutes ends between two pages, as it does for its budget, and goes on at once."""
    monkeypatch.setattr(visit, "VISIT_SECONDS", 0.0)
    node = world.node(size=1)
    node.put("contract", "C-1")
    moot.add(node)
    results = [asyncio.run(moot.crawler().turn()) for _visit in range(3)]
    assert [(one.outcome, one.pages) if one else None for one in results] == [
        ("budget", 1),
        ("budget", 1),
        ("ended", 1),
    ]
    assert results[1] is not None
    assert results[1].due == pytest.approx(world.now, abs=timedelta(seconds=5))


def test_pages_before_the_one_at_fault_stay(moot: Aggregator, world: World) -> None:
    """What was read before a page that cannot be had is written, and the next visit goes on behind it."""
    node = world.node(size=1)
    for n in range(4):
        node.put("contract", f"C-{n}")
    moot.add(node)
    fault = f"{node.url}{node.feed_path}?afterChangeNumber=3"
    world.faults[fault] = Later("It hangs.")
    (result,) = moot.crawl()
    row = feed(moot.database)
    assert (result.outcome, row.position, row.cursor) == ("failed", 3, fault)
    assert len([one for one in rows(moot.database).values() if one.node_id]) == 3


@pytest.mark.parametrize(("member", "rule"), [("latest", "latest-named"), ("epoch", "epoch-named")])
def test_what_is_wrong_with_a_page_is_told_until_it_is_mended(
    moot: Aggregator, world: World, member: str, rule: str
) -> None:
    """A page that stands still is no page that was mended: idle visits, and those that ask for the manifest, keep that.

    Once the page says what it lacked, the next look at the whole finds it good.
    """
    node = world.node()
    page = node.page
    node.page = lambda after: {name: one for name, one in page(after).items() if name != member}  # type: ignore[method-assign]
    moot.add(node)
    for minutes in (0, 10, 60, 10, 60):
        world.pass_time(minutes=minutes)
        (result,) = moot.crawl()
        assert result.outcome == "ended"
        assert [told.rule for told in problems(moot.database)] == [rule]
    del node.page
    world.pass_time(minutes=60)
    moot.crawl()
    assert problems(moot.database) == []


def test_a_page_is_asked_for_whole_with_the_manifest_alone(moot: Aggregator, world: World) -> None:
    """Between two looks at the manifest an idle feed is asked by its ETag; with one its last page is read."""
    node = world.node()
    moot.add(node)
    moot.crawl()
    for minutes, tagged in ((10, True), (10, True), (60, False), (10, True)):
        world.pass_time(minutes=minutes)
        world.asked.clear()
        moot.crawl()
        (headers,) = [headers for url, headers in world.asked if url != node.id]
        assert ("If-None-Match" in headers) is tagged


def test_how_complete_records_are_is_counted_when_they_change(moot: Aggregator, world: World) -> None:
    """A visit that changes nothing keeps the figure that was found; one that brings or changes a record counts anew."""

    def after(change: str) -> float:
        if change:
            node.put("contract", change, title=f"{change} {node.number}")
        with moot.database.write() as session:
            session.connection().execute(update(table(Feed)).values(completeness=0.123))
        world.pass_time(hours=1)
        moot.crawl()
        return float(feed(moot.database).completeness)

    node = world.node()
    moot.add(node)
    with moot.database.write() as session:
        session.connection().execute(update(table(Feed)).values(completeness=0.5))
    moot.crawl()
    assert feed(moot.database).completeness != 0.5, "the first visit finds it, though it may bring nothing"
    assert after("") == 0.123
    assert after("C-1") != 0.123
    assert after("C-1") != 0.123
    assert after("") == 0.123


def test_a_rewound_feed_keeps_the_epoch_that_its_manifest_names(moot: Aggregator, world: World) -> None:
    """A feed whose latest fell is read anew under the epoch that was known, where its pages name none."""
    node = world.node(size=50)
    page = node.page
    node.page = lambda after: {name: one for name, one in page(after).items() if name != "epoch"}  # type: ignore[method-assign]
    node.put("contract", "C-1")
    lost = node.put("contract", "C-2")
    moot.add(node)
    moot.crawl()
    del node.items[lost]
    node.number -= 1
    world.pass_time(minutes=10)
    (result,) = moot.crawl()
    row = feed(moot.database)
    assert (result.outcome, result.applied.deleted) == ("ended", 1)
    assert (row.epoch, row.position, row.latest, row.reconciling) == ("first", 2, 2, False)


def test_a_later_visit_does_not_go_back_behind_an_earlier_one(moot: Aggregator, world: World) -> None:
    """What was read in a visit before is not read again as new: a page that begins with such a number is refused."""
    node = world.node(size=50)
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    first = node.page(0)
    onward = f"{node.url}{node.feed_path}?afterChangeNumber=9"
    node.page = lambda after: first | {"next": onward}  # type: ignore[method-assign]  # noqa: ARG005
    first["items"][1]["data"]["title"] = "From before"
    world.pass_time(minutes=10)
    (result,) = moot.crawl()
    assert (result.outcome, feed(moot.database).position) == ("failed", 2)
    assert [(told.rule, told.pointer) for told in problems(moot.database)] == [("items-ordered", "/items/0/modified")]
    assert orjson.loads(rows(moot.database)[record_id].data)["title"] == "contract C-1"


def test_a_feed_may_begin_with_the_number_0(moot: Aggregator, world: World) -> None:
    """Numbers begin where a node likes: its first change may be number 0, and is read at the first visit."""
    node = world.node(size=50)
    record_id = node.put("contract", "C-1")
    for item in node.items.values():
        item["modified"] -= 1
    page = node.page
    node.page = lambda after: page(after or -1)  # type: ignore[method-assign]
    moot.add(node)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.created) == ("ended", 2)
    assert record_id in rows(moot.database)


def test_an_item_that_names_no_record_is_told_of_the_feed(moot: Aggregator, world: World) -> None:
    """What cannot be laid to a record stays told by the visit that met it, and goes with the next good one."""
    node = world.node(size=50)
    broken = node.put("contract", "C-1")
    node.items[broken]["id"] = 7
    good = node.put("contract", "C-2")
    moot.add(node)
    (result,) = moot.crawl()
    assert (result.outcome, result.applied.refused, good in rows(moot.database)) == ("ended", 1, True)
    assert [(told.rule, told.record_id) for told in problems(moot.database)] == [("item-members", "")]
    world.pass_time(minutes=10)
    moot.crawl()
    assert problems(moot.database) == []
