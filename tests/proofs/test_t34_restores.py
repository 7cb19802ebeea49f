"""T34: a backup taken while others write is whole, and so is what is restored from it, which leaves no ghost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

import migrations
from federation import backup, erasure, jobs, log, publishers, tokens
from federation.database import Database
from federation.merge import DIRECT, Withdrawal
from federation.tokens import Grant
from federation.wishes import File, Wish
from tests.integration.crawl.world import Aggregator, World, feed, rows
from tests.proof import figure, sized
from tests.services import NOW
from tests.waiting import until

pytestmark = [pytest.mark.proof]
DRILLS = max(2, sized(50, 200) // 2)
"""On each of the two databases."""
WRITERS, REFERENCES = 3, 30
CODE = "XM-TEST-NODE"
OWN = {"host", "audit"}
"""Tables that a restore leaves otherwise than the copy has them: nobody is waited for, and the restore is noted."""


class Writer(threading.Thread):
    """Publishes contracts one after the other; `acknowledged` is the last whose transaction was committed."""

    def __init__(self, url: str, node: str, n: int, done: threading.Event, last: int) -> None:
        super().__init__(daemon=True)
        self.n, self.node, self.done = n, node, done
        self.base, self.acknowledged = Database(url), last

    def run(self) -> None:
        while not self.done.is_set():
            turn = self.acknowledged + 1
            # Two records a transaction: a copy that holds one of them alone is none of a moment.
            drafts = [self.draft(f"W{self.n}-{turn % REFERENCES}-{half}", turn) for half in "ab"]
            with self.base.write() as session:
                log.append(session, drafts, node=f"{self.node}/.well-known/folkmoot", now=NOW)
            self.acknowledged = turn
            self.done.wait(0.002)
        self.base.dispose()

    def draft(self, reference: str, turn: int) -> log.Draft:
        data = orjson.dumps({"reference": reference, "title": f"Turn {turn}", "turn": turn})
        return log.Draft(f"{self.node}/id/{CODE}/contract/{reference}", "contract", CODE, data)


@contextmanager
def _writing(node: Aggregator) -> Iterator[list[Writer]]:
    """Let each writer go on from the last turn that the database holds of it."""
    done, held = threading.Event(), _turns(node.database)
    last = [max((turn for name, turn in held.items() if name.startswith(f"W{n}-")), default=0) for n in range(WRITERS)]
    writers = [Writer(node.database.url, node.url, n, done, last[n]) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        done.set()
        for writer in writers:
            writer.join()


def _turns(base: Database) -> dict[str, int]:
    """By reference, the turn in which it was published last."""
    found = ((orjson.loads(row.data), row.kind) for row in rows(base).values() if row.data)
    return {data["reference"]: data["turn"] for data, kind in found if kind == "contract"}


def _torn(held: dict[str, int], writer: Writer, least: int) -> bool:
    """Whether a copy is not the state of one moment at which at least `least` turns of a writer were acknowledged."""
    its = {name: turn for name, turn in held.items() if name.startswith(f"W{writer.n}-")}
    last = max(its.values(), default=0)
    expected = {
        f"W{writer.n}-{turn % REFERENCES}-{half}": turn
        for turn in range(max(1, last - REFERENCES + 1), last + 1)
        for half in "ab"
    }
    return its != expected or last < least


def _put_beside(node: Aggregator) -> None:
    """Have rows of the tables that no writer here writes to: a token, an import that waits, a withdrawal likewise."""
    gone = f"{node.url}/id/{CODE}/tool/T-1"
    with node.database.write() as session:
        tokens.create(session, publisher=CODE, kinds=(), name="a test", days=30, now=NOW)
        jobs.ask(session, Grant(1, CODE, None), File(b"reference,title\n", "a.csv", "tool", CODE), Wish(), NOW)
        for data, reason in ((b'{"reference":"T-1","name":"T"}', None), (None, "personal-data")):
            said = log.Draft(gone, "tool", CODE, data, reason)
            done = log.append(session, [said], node=f"{node.url}/.well-known/folkmoot", now=NOW)
        word = Withdrawal(f"{node.url}/.well-known/folkmoot", done.numbers[gone], DIRECT)
        erasure.note(session, [erasure.Withdrawn(gone, done.numbers[gone], None, word)], now=NOW)


def _content(base: Database) -> dict[str, Any]:
    """What a restore brings back: every record as it is said, and how many rows each table has."""
    found: dict[str, Any] = {
        i: (row.kind, row.publisher, row.data, row.deleted, row.reason, row.moved_to) for i, row in rows(base).items()
    }
    with base.read() as session:
        for each in backup.tables():
            if each.name not in OWN:
                count = select(func.count()).select_from(each)
                found[each.name] = session.connection().execute(count).scalar_one()
    return found


def _copied(base: Database, folder: Path) -> Database:
    url = f"sqlite:///{folder / 'copy.db'}"
    (folder / "copy.db").unlink(missing_ok=True)
    migrations.upgrade(url)
    made = Database(url)
    with made.write() as session:
        backup.copy(base, session)
    return made


def test_t34_restored_from_a_backup_under_load(database_url: str, tmp_path: Path) -> None:
    """Each backup holds one moment, all acknowledged before it; restored, node and aggregator hold just that."""
    world, chance = World(), random.Random(34)
    current = Database(database_url)
    node = Aggregator(current, world, "node.example", "NODE")
    moot = Aggregator(_fresh(tmp_path, "moot"), world)
    moot.add(node)
    with _writing(node) as writers:  # all that will ever be is there, so that no drill removes so much that it is held
        until(lambda: all(writer.acknowledged >= REFERENCES for writer in writers), 60, "everything published once")
    _put_beside(node)
    torn = ghosts = reused = unlike = highest = 0
    for _ in range(DRILLS):
        with _writing(node) as writers:
            time.sleep(chance.uniform(0.02, 0.15))
            moot.crawl()
            least = [writer.acknowledged for writer in writers]
            copied = _copied(node.database, tmp_path)
            time.sleep(chance.uniform(0.0, 0.05))
        held = _turns(copied)
        torn += sum(_torn(held, writer, known) for writer, known in zip(writers, least, strict=True))
        world.pass_time(hours=1)
        moot.crawl()
        highest = max(highest, _latest(node.database), feed(moot.database).position)
        expected = _content(copied)
        assert all(expected[name] for name in ("token", "job", "erasure", "history")), "there is nothing to compare"
        _wipe_and_restore(current, copied)
        unlike += _content(current) != expected
        reused += min(row.number for row in rows(node.database).values()) <= highest
        world.pass_time(hours=1)
        moot.crawl()
        live = {i: row.data for i, row in rows(moot.database).items() if row.node_id is not None and not row.deleted}
        ghosts += live != {i: row.data for i, row in rows(node.database).items() if not row.deleted}
    for base in (current, moot.database):
        base.dispose()
    on = f"{current.dialect}, {DRILLS} backups under write load, each restored"
    figure(
        "T34",
        f"{on}: torn copies / numbers given twice / aggregators that differ",
        f"{torn} / {reused} / {ghosts}",
        goal="0 / 0 / 0",
    )
    figure("T34", f"{on}: restored nodes that differ from their backup", unlike, goal="0")
    assert (torn, reused, ghosts, unlike) == (0, 0, 0, 0)


def _fresh(folder: Path, name: str) -> Database:
    url = f"sqlite:///{folder / name}.db"
    migrations.upgrade(url)
    return Database(url)


def _latest(base: Database) -> int:
    with base.read() as session:
        publishers.epoch(session)
        return log.latest(session)


def _wipe_and_restore(base: Database, copied: Database) -> None:
    """Take everything away, then bring back what the copy holds."""
    base.dispose()
    migrations.downgrade(base.url, "base")
    migrations.upgrade(base.url)
    backup.restore(copied, base, now=NOW)
    copied.dispose()
