"""The guard against a plain dict: whatever is published, withdrawn, waited for, released or rejected, both agree."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

import migrations
from federation import erasure, judge, removals
from federation.apply import apply
from federation.database import Database
from federation.verdicts import Source
from tests.integration.crawl.world import NOW, Aggregator, FakeNode, World, rows
from tests.proof import figure, sized

RECORDS = 40
ME = "https://moot.example/.well-known/folkmoot"
SLICES = st.tuples(st.integers(0, RECORDS - 1), st.integers(1, RECORDS))


@dataclass
class Plain:
    """The rule in plain words. `waiting` and `held` are removals; `gone` says when what went by itself went."""

    live: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    gone: dict[str, datetime] = field(default_factory=dict)

    def hear(self, name: str, reason: str | None) -> None:
        if reason is None:
            self.put(name)
        elif reason == "personal-data":
            self.withdraw(name)
        else:
            self.delete(name)

    def put(self, name: str) -> None:
        self.live.add(name)
        self.waiting.discard(name)
        self.held.discard(name)
        self.gone.pop(name, None)

    def delete(self, name: str) -> None:
        if name in self.live and name not in self.held:
            self.waiting.add(name)

    def withdraw(self, name: str) -> None:
        for group in (self.live, self.waiting, self.held):
            group.discard(name)

    def close(self, now: datetime) -> None:
        if not self.waiting:
            return
        self.gone = {name: at for name, at in self.gone.items() if now - at < timedelta(hours=24)}
        going = len(self.waiting) + len(self.gone)
        if self.held or (going >= 20 and going * 5 > len(self.live) + len(self.gone)):
            self.held |= self.waiting
        else:
            self.live -= self.waiting
            self.gone |= dict.fromkeys(self.waiting, now)
        self.waiting = set()

    def release(self) -> None:
        self.live -= self.held
        self.held = set()


class Guard(RuleBasedStateMachine):
    """A node, a reader with the real tables, and the plain model beside it."""

    template: Path
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="folkmoot-guard-"))
        shutil.copy(self.template, self.folder / "guard.db")
        self.database = Database(f"sqlite:///{self.folder / 'guard.db'}")
        self.now, self.plain, self.node = NOW, Plain(), FakeNode(size=500)
        world = World()
        world.servers[self.node.url] = self.node
        Aggregator(self.database, world).add(self.node)
        self.put((0, RECORDS))
        self.read()

    def teardown(self) -> None:
        self.database.dispose()
        shutil.rmtree(self.folder)

    @rule(part=SLICES)
    def put(self, part: tuple[int, int]) -> None:
        """Publish, or publish again, some records."""
        for name in _names(part):
            self.node.put("contract", name, title=f"At {self.node.number}")

    @rule(part=SLICES, reason=st.sampled_from(["ended", "withdrawn", "error"]))
    def delete(self, part: tuple[int, int], reason: str) -> None:
        """Withdraw some records."""
        for name in _names(part):
            self.node.delete("contract", name, reason)

    @rule(name=st.integers(0, RECORDS - 1))
    def withdraw(self, name: int) -> None:
        """Withdraw one as personal data."""
        self.node.delete("contract", f"C-{name}", "personal-data")

    @rule(hours=st.integers(1, 30), whole=st.booleans())
    def read(self, hours: int = 1, *, whole: bool = True) -> None:
        """Read what is new; `whole` to the end marker, else the visit's budget is spent before it."""
        Guard.steps += 1
        self.now += timedelta(hours=hours)
        items, self.node.items = list(self.node.items.values()), {}
        source = Source(1, self.node.id, {self.node.prefix: self.node.publisher})
        judged = judge.judge(judge.read(map(orjson.dumps, items)), source, me=ME, origins={}, now=self.now)
        with self.database.write() as session:
            apply(session, 1, judged, now=self.now)
            if whole:
                removals.close_pass(session, 1, now=self.now)
        for item in items:
            self.plain.hear(item["id"], item.get("reason"))
        if whole:
            self.plain.close(self.now)

    @rule()
    def release(self) -> None:
        """An operator lets what is held go."""
        self.read(whole=False)
        with self.database.write() as session:
            removals.release(session, 1, now=self.now)
        self.plain.release()

    @rule()
    def reject(self) -> None:
        """An operator keeps what is held."""
        self.read(whole=False)
        with self.database.write() as session:
            removals.reject(session, 1)
        self.plain.held = set()

    @rule()
    def erase(self) -> None:
        """What is due is erased; that changes nothing of what is shown."""
        erasure.sweep(self.database, now=self.now)

    @invariant()
    def agrees(self) -> None:
        """What lives and how much is held is the same in both, whenever all that was published has been read."""
        if self.node.items:
            return
        live = {i for i, row in rows(self.database).items() if not row.deleted and row.node_id is not None}
        with self.database.read() as session:
            held = removals.counts(session, [1]).get(1, 0)
        assert (live, held) == (self.plain.live, len(self.plain.held))


def _names(part: tuple[int, int]) -> list[str]:
    start, count = part
    return [f"C-{n}" for n in range(start, min(RECORDS, start + count))]


@pytest.mark.proof
def test_t12_guard_agrees_with_a_plain_model(tmp_path: Path) -> None:
    """Over any sequence of changes, passes and decisions the reader holds what the rule in plain words says."""
    migrations.upgrade(f"sqlite:///{tmp_path / 'template.db'}")
    Database(f"sqlite:///{tmp_path / 'template.db'}").dispose()
    Guard.template, Guard.steps = tmp_path / "template.db", 0
    examples = sized(100, 5_000)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=20,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(Guard, settings=chosen)
    figure("T12", "readings in which the guard and its model agree", Guard.steps, goal=f"all of {examples} runs")
