"""Keyset walks while records change: who stands still is seen once, whatever comes, goes and moves meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from api import cursors
from federation.documents import Place, Source
from federation.index import Position, Query, Reached, Sink, SortBy, Terms
from federation.making import document
from federation.tantivy_index import TantivyIndex
from tests.machine import examples
from tests.proof import figure
from tests.services import NOW

EXAMPLES = examples(200, steps=25)
SORTS: list[SortBy] = ["updated", "start", "end", "value"]
DAYS = st.sampled_from(["2026-01-01", "2026-01-02", "2030-12-31", None])
VALUES = st.sampled_from([0, 5, 5.5, -3, 1_000_000, None])
_numbers, _councils = count(1), count()


class Walk(RuleBasedStateMachine):
    """A council's list is read page by page while its records change."""

    index: TantivyIndex
    sink: Sink

    def __init__(self) -> None:
        super().__init__()
        self.publisher = f"XM-TEST-{next(_councils)}"
        self.rows: dict[str, int] = {}
        self.waiting = False
        self.query: Query | None = None
        self.after: Position | None = None
        self.still: set[int] = set()
        self.seen: Counter[int] = Counter()
        for _number in range(6):
            self.publish("2026-01-01", 5)

    def _stage(self, made: Any, gone: list[str]) -> None:
        """What is staged is committed before somebody looks: a commit is what takes the time."""
        self.sink.stage([made] if made else [], gone)
        self.waiting = True

    def _say(self, name: str, row: int, day: str | None, value: float | None) -> None:
        told = {"startDate": day, "endDate": day, "value": None if value is None else {"amount": value}}
        data = {"reference": name, "title": name} | {key: member for key, member in told.items() if member is not None}
        where = f"https://exa.example/id/{self.publisher}/contract/{name}"
        source = Source(row, where, "contract", self.publisher, next(_numbers), orjson.dumps(data), NOW)
        self._stage(document(source, Place()), [])

    @rule(day=DAYS, value=VALUES)
    def publish(self, day: str | None, value: float | None) -> None:
        row = next(_numbers)
        self.rows[f"C-{row}"] = row
        self._say(f"C-{row}", row, day, value)

    @precondition(lambda self: bool(self.rows))
    @rule(pick=st.integers(0, 99), day=DAYS, value=VALUES)
    def change(self, pick: int, day: str | None, value: float | None) -> None:
        name = sorted(self.rows)[pick % len(self.rows)]
        self.still.discard(self.rows[name])
        self._say(name, self.rows[name], day, value)

    @precondition(lambda self: bool(self.rows))
    @rule(pick=st.integers(0, 99))
    def withdraw(self, pick: int) -> None:
        name = sorted(self.rows)[pick % len(self.rows)]
        self.still.discard(self.rows.pop(name))
        self._stage(None, [f"https://exa.example/id/{self.publisher}/contract/{name}"])

    @precondition(lambda self: self.query is None)
    @rule(sort=st.sampled_from(SORTS), descending=st.booleans(), limit=st.integers(1, 4))
    def begin(self, sort: SortBy, *, descending: bool, limit: int) -> None:
        chosen = (Terms("publisher", (self.publisher,)),)
        self.query = Query(filters=chosen, sort=sort, descending=descending, limit=limit)
        self.after, self.still, self.seen = None, set(self.rows.values()), Counter()
        self.go_on()

    @precondition(lambda self: self.query is not None)
    @rule()
    def go_on(self) -> None:
        """The next page, by a cursor that went to the client and came back."""
        assert self.query is not None
        if self.waiting:
            self.sink.commit(Reached("epoch", next(_numbers)))
            self.waiting = False
        hits = self.index.search(replace(self.query, after=self.after))
        self.seen.update(hits.rows)
        if hits.next is not None:
            bound = cursors.digest("/v1/contracts", self.query)
            self.after = cursors.decode(cursors.encode(hits.next, bound), bound)
            return
        missed = {row: self.seen[row] for row in self.still if self.seen[row] != 1}
        assert not missed, f"records that stood still were seen so many times: {missed}"
        self.query = None

    def teardown(self) -> None:
        """Every walk that was begun is ended."""
        while self.query is not None:
            self.go_on()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[TantivyIndex]:
    """Yield an index with its writer."""
    made = TantivyIndex(tmp_path / "index")
    sink = made.claim()
    assert sink is not None
    Walk.index, Walk.sink = made, sink
    yield made
    made.close()


@pytest.mark.proof
def test_t30_a_walk_sees_who_stands_still_once(index: TantivyIndex) -> None:
    """In every order, each record that was there throughout and did not change is on exactly one page."""
    run_state_machine_as_test(Walk, settings=EXAMPLES)
    figure(
        "T30",
        f"walks by cursor while records change, {EXAMPLES.max_examples:,} sequences: missed or doubled",
        0,
        goal="0",
    )
