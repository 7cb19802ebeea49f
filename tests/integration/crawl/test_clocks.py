"""T09: clocks that go wrong by an hour or ten years, in a node, in its answers, in the worker itself."""

from __future__ import annotations

import ast
import asyncio
import random
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from federation import answers
from federation.backoff import wait
from federation.checks import Report
from federation.database import Database, clock, table
from federation.identity import read_manifest
from federation.rounds import Crawler
from federation.seam import Answer
from folkmoot import wiring
from folkmoot.commands import node as commands
from schema.entry import stamp
from schema.errors import Later
from schema.tables import Feed
from tests.integration.crawl.world import Aggregator, World, feed, problems, rows

SKEWS = [timedelta(days=-3653), timedelta(hours=-1), timedelta(hours=1), timedelta(days=3653)]
NAMES = ["10 years behind", "an hour behind", "an hour ahead", "10 years ahead"]
FEDERATION = Path(__file__).parents[3] / "federation"
WALL = {
    "answers.py": "Retry-After as a date",
    "bulk.py": "the age of a file",
    "compactor.py": "the age of a file",
    "folder.py": "the age of a folder",
    "robots.py": "Retry-After as a date",
    "wire.py": "whether it is the node's own certificate that has run out, as TLS has judged by that clock",
}
"""Who in `federation/` may ask the machine for its time, and what for."""


@pytest.mark.parametrize("skew", SKEWS, ids=NAMES)
def test_t09_a_node_whose_clock_is_wrong(moot: Aggregator, world: World, skew: timedelta) -> None:
    """Its own numbers say what came first, whatever its times; more than a day ahead is warned of and taken."""
    node = world.node(size=50)
    first = node.put("contract", "C-1", title="Old")
    node.put("contract", "C-2")
    moot.add(node)
    moot.crawl()
    node.put("contract", "C-1", title="New")
    node.items[first]["origin"]["time"] = stamp(world.now + skew)
    world.pass_time(hours=2)
    (result,) = moot.crawl()
    held = rows(moot.database)[first]
    assert (result.applied.updated, result.applied.refused) == (1, 0)
    assert orjson.loads(held.data)["title"] == "New"
    ahead = skew > timedelta(days=1)
    assert [(p.rule, p.severity, p.record_id) for p in problems(moot.database)] == [("clock", "warning", first)] * ahead
    node.put("contract", "C-1", title="Newer")  # its clock was set right, and so its times go back
    world.pass_time(hours=2)
    moot.crawl()
    assert orjson.loads(rows(moot.database)[first].data)["title"] == "Newer"
    assert problems(moot.database) == []


@pytest.mark.parametrize("skew", SKEWS, ids=NAMES)
def test_t09_answers_with_a_wrong_date(
    moot: Aggregator, world: World, monkeypatch: pytest.MonkeyPatch, skew: timedelta
) -> None:
    """The Date of an answer moves no lease, no visit and no back-off; a Retry-After date counts for a day at most."""
    node, plain = world.node(), world.get
    wrong = format_datetime(datetime.now(UTC) + skew, usegmt=True)

    async def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
        found = await plain(url, headers)
        return replace(found, headers={**found.headers, "date": wrong, "last-modified": wrong, "expires": wrong})

    monkeypatch.setattr(world, "get", get)
    moot.add(node)
    (result,) = moot.crawl()
    assert (result.outcome, result.due is not None) == ("ended", True)
    assert timedelta(seconds=300) <= feed(moot.database).due - feed(moot.database).last_visit <= timedelta(seconds=331)
    with pytest.raises(Later) as met:
        answers.check_status(node.id, 503, {"retry-after": wrong})
    pause = wait(met.value, 1, random.Random(9))
    assert timedelta(seconds=60) <= pause <= timedelta(days=1)


@pytest.mark.parametrize("skew", SKEWS, ids=NAMES)
def test_t09_a_worker_whose_clock_is_wrong(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch, skew: timedelta
) -> None:
    """Lease, due and last visit follow the database's clock, whatever the worker's own says."""
    _skewed(monkeypatch, skew)
    moot, node = Aggregator(database, world), world.node()
    with database.read() as session:
        world.now = clock(session)
    moot.add(node)
    leases: list[Any] = []
    world.before = lambda _url: leases.append(feed(database))
    crawler = Crawler(database, world.get, moot.id, "worker", lease_seconds=60, jitter=random.Random(1))
    result = asyncio.run(crawler.turn())
    with database.read() as session:
        now = clock(session)
    assert result is not None
    assert result.outcome == "ended"
    assert all(abs(row.leased_until - now) < timedelta(seconds=90) for row in leases)
    row = feed(database)
    assert abs(row.last_visit - now) < timedelta(seconds=30)
    assert timedelta(seconds=270) < row.due - now < timedelta(seconds=331)


@pytest.mark.parametrize("skew", SKEWS, ids=NAMES)
def test_t09_an_operator_whose_machine_is_wrong(
    database: Database, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, skew: timedelta
) -> None:
    """What is added or resumed by command is due at once, by the database's clock and not by that of the command."""
    node, moot = world.node(), Aggregator(database, world)
    body = orjson.dumps(node.manifest())
    report = Report(node.id, manifest=read_manifest(body, node.id), body=body)
    monkeypatch.setattr(commands, "_examine", lambda *_args, **_named: report)
    for name, value in (("DATA_DIR", str(tmp_path)), ("DATABASE_URL", database.url), ("PUBLIC_URL", moot.url)):
        monkeypatch.setenv(f"FOLKMOOT_{name}", value)
    monkeypatch.setattr(wiring, "now", lambda: datetime.now(UTC) + skew)
    for words in (["add", node.id], ["pause", node.id], ["resume", node.id]):
        if words[0] == "pause":
            _due_in_a_year(database)
        assert CliRunner().invoke(commands.app, words).exit_code == 0
        with database.read() as session:
            late = clock(session) - feed(database).due
        assert words[0] == "pause" or timedelta(0) <= late < timedelta(minutes=1)


def _due_in_a_year(database: Database) -> None:
    with database.write() as session:
        later = clock(session) + timedelta(days=365)
        session.connection().execute(update(table(Feed)).values(due=later))


def _skewed(monkeypatch: pytest.MonkeyPatch, skew: timedelta) -> None:
    """Let every room's `datetime.now` be wrong."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + skew

    for name, module in tuple(sys.modules.items()):
        if (
            name.partition(".")[0] in ("federation", "folkmoot", "api")
            and getattr(module, "datetime", None) is datetime
        ):
            monkeypatch.setattr(module, "datetime", Wrong)


def test_t09_the_crawl_does_not_ask_the_machine_for_the_time() -> None:
    """In `federation/` nothing but the named asks the machine's own clock: times are the database's, or arguments."""
    asking = set()
    for path in FEDERATION.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("datetime.now", "time.time", "date.today"):
                asking.add(path.name)
    assert asking <= WALL.keys()
