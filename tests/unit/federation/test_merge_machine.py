"""Merging against a plain model: each route's best word since it last dropped the record, and the best of those."""

from __future__ import annotations

from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from federation.merge import DIRECT, DROPPED, SIGNED, UNSIGNED, Held, Statement, beats, end, hear
from tests.machine import examples
from tests.proof import figure
from tests.unit.federation.test_merge import said

OWN = 9
RELAYS = st.sampled_from([1, 2, 3])
TITLES = st.sampled_from(["a", "b", "c", None])
SEQS = st.integers(1, 4)
Event = tuple[int, Statement | None, bool]
"""Route, its word (None: it carries the record no more), whether in a full reconcile."""
MACHINES, STREAMS = examples(2_000, steps=16), examples(45_000)


def order(word: Statement) -> tuple[Any, ...]:
    """Which of two words is the better, as the protocol says it; nothing of this is the code under test."""
    data = b"" if word.data is None else orjson.dumps(orjson.loads(word.data), option=orjson.OPT_SORT_KEYS)
    return -word.rank, word.seq, word.data is None, data, word.reason or ""


def seen(word: Statement | None) -> tuple[Any, ...] | None:
    """What a reader sees of a word."""
    return None if word is None else (word.data, word.origin, word.reason)


class Model:
    """What each route says now; and what stands where none carries the record any more."""

    def __init__(self) -> None:
        self.words: dict[int, Statement] = {}
        self.left: tuple[Any, ...] | None = None

    def take(self, event: Event) -> None:
        route, word, afresh = event
        if word is None:
            best = self.best()
            gone = self.words.pop(route, None)
            if gone is not None and best is not None and not self.words:
                self.left = seen(best) if best.data is None else (None, best.origin, DROPPED)
            return
        before = self.words.get(route)
        anew = afresh and word.rank == DIRECT
        if before is None or anew or order(word) > order(before):
            self.words[route] = word

    def best(self) -> Statement | None:
        return max(self.words.values(), key=order, default=None)


def played(events: list[Event]) -> Held:
    """What is held after events in this order."""
    held = Held()
    for route, word, afresh in events:
        held = end(held, route) if word is None else hear(held, word, afresh=afresh)
    return held


class Merge(RuleBasedStateMachine):
    """Routes speak, drop, and are reconciled, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.model, self.events = Held(), Model(), list[Event]()

    def _happens(self, route: int, word: Statement | None, *, afresh: bool = False) -> None:
        event = (route, word, afresh)
        self.events.append(event)
        self.held = end(self.held, route) if word is None else hear(self.held, word, afresh=afresh)
        self.model.take(event)

    @rule(route=RELAYS, seq=SEQS, title=TITLES, rank=st.sampled_from([SIGNED, UNSIGNED]))
    def relay_speaks(self, route: int, seq: int, title: str | None, rank: int) -> None:
        self._happens(route, said(route, seq, title, rank=rank))

    @rule(seq=SEQS, title=TITLES, afresh=st.booleans())
    def origin_speaks(self, seq: int, title: str | None, *, afresh: bool) -> None:
        self._happens(OWN, said(OWN, seq, title, rank=DIRECT), afresh=afresh)

    @rule(route=st.sampled_from([1, 2, 3, OWN]))
    def route_ends(self, route: int) -> None:
        self._happens(route, None)

    @rule(pick=st.integers(0, 99))
    def is_heard_again(self, pick: int) -> None:
        """What a route said last is heard once more, as when a page is read twice."""
        words = [word for word in self.model.words.values() if self.held.of(word.node_id) == word]
        if words:
            before, word = self.held, words[pick % len(words)]
            assert hear(self.held, word) is before

    @invariant()
    def the_best_word_is_the_record(self) -> None:
        best, winner = self.model.best(), self.held.winner
        assert seen(winner) == (seen(best) if best is not None else self.model.left)
        if best is not None:
            assert winner is not None
            assert winner.rank == best.rank
            assert not any(beats(shadow, winner) for shadow in self.held.others.values())
        elif winner is not None:
            assert (winner.node_id, winner.data) == (None, None)

    @invariant()
    def each_route_has_one_word(self) -> None:
        for route, word in self.model.words.items():
            mine = self.held.of(route)
            assert mine is not None
            assert order(mine) == order(word)
        assert set(self.held.others) <= self.model.words.keys()

    def teardown(self) -> None:
        """However the routes had been woven together, the record were the same."""
        if not self.model.words:
            return
        woven = _woven(self.events, Random(len(self.events)))
        assert seen(played(woven).winner) == seen(self.held.winner), (self.events, woven)


def _woven(events: list[Event], random: Random) -> list[Event]:
    """The events in another order, but those of one route in their own."""
    queues: dict[int, list[Event]] = {}
    for event in events:
        queues.setdefault(event[0], []).append(event)
    out = list[Event]()
    while queues:
        route = random.choice(sorted(queues))
        out.append(queues[route].pop(0))
        if not queues[route]:
            del queues[route]
    return out


@pytest.mark.proof
def test_t08_merging_does_as_the_model() -> None:
    """Whatever routes say, drop and say again, the best word of those that carry a record is the record."""
    run_state_machine_as_test(Merge, settings=MACHINES)
    figure("T08", f"merging against its model, {MACHINES.max_examples:,} sequences: differences", 0, goal="0")


# Every event that there can be, made once: to draw one of them is quick.
EVENTS: list[Event] = [
    *(
        (r, said(r, q, t, rank=k), False)
        for r in (1, 2, 3)
        for q in range(1, 5)
        for t in ("a", "b", None)
        for k in (1, 2)
    ),
    *(
        (OWN, said(OWN, q, t, rank=DIRECT), anew)
        for q in range(1, 5)
        for t in ("a", "b", None)
        for anew in (False, True)
    ),
    *((r, None, False) for r in (1, 2, 3, OWN) for _time in range(6)),
]


@STREAMS
@given(events=st.lists(st.sampled_from(EVENTS), max_size=10), seed=st.integers(0, 9))
def _agrees(events: list[Event], seed: int) -> None:
    model = Model()
    for event in events:
        model.take(event)
    found, best = seen(played(events).winner), model.best()
    assert found == (seen(best) if best is not None else model.left)
    if best is not None:
        assert seen(played(_woven(events, Random(seed))).winner) == found


@pytest.mark.proof
def test_t08_the_order_of_routes_says_nothing() -> None:
    """Streams of words give what the model says, and the same record however the routes are woven together."""
    _agrees()
    figure("T08", f"orders of routes, {STREAMS.max_examples:,} streams: records that differ", 0, goal="0")
