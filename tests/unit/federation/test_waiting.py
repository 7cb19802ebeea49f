"""Removals that wait: which do, what answers them, and what is told once none is held any more (section 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select
from sqlmodel import col

from federation import waiting
from federation.database import WriteSession, table
from federation.merge import DIRECT, DROPPED, PERSONAL, SIGNED, UNSIGNED, Held, Statement
from federation.told import REMOVAL_HELD
from federation.waiting import GONE, HELD, WAITING, Pending, forget, stands, waits
from schema.tables import Meta, Node, Problem, Removal

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=3)
ROUTE, OTHERS = 2, (1, 3)
OTHER = OTHERS[1]
NAME, SECOND = "https://exa.example/id/GB-LAE-EXA/contract/C-1", "https://exa.example/id/GB-LAE-EXA/contract/C-2"
LIVE = Statement(
    id=NAME,
    kind="contract",
    publisher="GB-LAE-EXA",
    node_id=ROUTE,
    data=b"{}",
    origin=b'{"seq":5}',
    via=b"[]",
    reason=None,
    moved_to=None,
    origin_node="https://exa.example/.well-known/folkmoot",
    seq=5,
    rank=DIRECT,
    signature="valid",
)
TOMBSTONE = replace(LIVE, data=None, reason="moved", moved_to=SECOND)
THERE, AWAY = Held(LIVE), Held(TOMBSTONE)


def word(name: str = NAME, *, seq: int = 5, rank: int = DIRECT, dead: bool = False) -> Statement:
    """What a route says of a record."""
    return replace(TOMBSTONE if dead else LIVE, id=name, seq=seq, rank=rank)


def keep(session: WriteSession, state: str, *names: str, route: int = ROUTE, **changes: Any) -> None:
    """Put removals where an earlier load would have left them."""
    for name in names or (NAME,):
        said = {one: getattr(TOMBSTONE, one) for one in waiting.SAID} | {"id": name, "node_id": route}
        more = {"state": state, "since": EARLIER, "ends": False, "afresh": False}
        session.add(Removal(**(said | more | changes)))
    session.flush()


def kept(session: WriteSession, route: int = ROUTE) -> dict[str, str]:
    """The removals of a route, by record, each with its state."""
    chosen = select(col(Removal.id), col(Removal.state)).where(col(Removal.node_id) == route)
    return {row.id: row.state for row in session.connection().execute(chosen.order_by(col(Removal.id)))}


def pending(session: WriteSession, *names: str, afresh: bool = False) -> Pending:
    """Begin a load that speaks of these records."""
    return Pending(session, ROUTE, names or (NAME, SECOND), afresh=afresh)


def node(session: WriteSession, number: int) -> None:
    """Take a node in, with a removal that its publisher was told of."""
    name = f"https://n{number}.example/"
    session.add(Node(id=number, key=name, url=name, name=name, role="node", manifest=b"", prefixes="{}", added=EARLIER))
    for rule in (REMOVAL_HELD, "cursor-behind"):
        session.add(
            Problem(node_id=number, rule=rule, severity="warning", message="m", count=1, first_seen=NOW, last_seen=NOW)
        )
    session.flush()


def told(session: WriteSession) -> set[tuple[int, str]]:
    """Which nodes are told of which rules."""
    return {(row.node_id, row.rule) for row in session.connection().execute(select(table(Problem)))}


def version(session: WriteSession) -> str | None:
    """What is noted of how often held removals have changed."""
    found: str | None = session.connection().execute(select(col(Meta.value))).scalar_one_or_none()
    return found


# Which removals wait


@pytest.mark.parametrize(
    ("before", "after", "must_wait"),
    [
        (THERE, AWAY, True),
        (THERE, Held(replace(TOMBSTONE, reason=DROPPED)), True),
        (THERE, Held(replace(TOMBSTONE, reason=PERSONAL)), False),
        (THERE, Held(replace(LIVE, seq=6)), False),
        (THERE, Held(), False),
        (AWAY, AWAY, False),
        (AWAY, THERE, False),
        (Held(), AWAY, False),
        (Held(), THERE, False),
    ],
)
def test_what_takes_a_live_record_away_waits(before: Held, after: Held, *, must_wait: bool) -> None:
    """A removal of what is served waits for its pass to end; `personal-data` waits for nothing."""
    assert waits(before, after) is must_wait


def test_a_removal_is_kept_as_it_was_said(session: WriteSession) -> None:
    """A tombstone waits with all that it said, and since when, so that it can be applied as if it came then."""
    load = pending(session)
    load.wait(TOMBSTONE, ends=False)
    load.write(NOW)
    (row,) = session.connection().execute(select(table(Removal)))
    assert waiting.statement(row) == TOMBSTONE
    assert (row.state, row.since, row.ends, row.afresh) == (WAITING, NOW, False, False)


def test_the_end_of_a_route_is_kept_as_dropped(session: WriteSession) -> None:
    """Where a route carries a record no more, its word waits as `dropped`, and as said in a reconcile if it was."""
    load = pending(session, afresh=True)
    load.wait(TOMBSTONE, ends=True)
    load.write(NOW)
    (row,) = session.connection().execute(select(table(Removal)))
    assert waiting.statement(row) == replace(TOMBSTONE, reason=DROPPED)
    assert (row.ends, row.afresh) == (True, True)


@pytest.mark.parametrize(("state", "joined"), [(None, 0), (WAITING, 0), (GONE, 0), (HELD, 1)])
def test_a_later_tombstone_joins_those_that_are_held(session: WriteSession, state: str | None, joined: int) -> None:
    """A removal said again beside a held one is held too, and waits anew beside any other; it stands once."""
    if state is not None:
        keep(session, state)
    load = pending(session)
    load.wait(word(SECOND, dead=True), ends=False)
    load.wait(word(seq=7, dead=True), ends=False)
    assert (load.count, load.joined) == (2, joined)
    load.write(NOW)
    assert kept(session) == {NAME: HELD if joined else WAITING, SECOND: WAITING}
    numbers = session.connection().execute(select(col(Removal.seq)).order_by(col(Removal.id))).scalars().all()
    assert numbers == [7, 5]


# What answers a removal


@pytest.mark.parametrize("state", [WAITING, HELD])
@pytest.mark.parametrize(("seq", "rank", "afresh", "answers"), [
    (6, DIRECT, False, True),
    (6, UNSIGNED, False, True),
    (5, DIRECT, False, False),
    (4, DIRECT, False, False),
    (4, DIRECT, True, True),
    (5, SIGNED, True, False),
])  # fmt: skip
def test_a_later_update_cancels_a_removal(
    session: WriteSession, state: str, seq: int, rank: int, *, afresh: bool, answers: bool
) -> None:
    """An update with a higher number cancels a removal, in a reconcile any that comes straight from the origin."""
    keep(session, state)
    load = pending(session, afresh=afresh)
    load.hear(word(seq=seq, rank=rank), THERE, ends=False)
    load.write(NOW)
    assert kept(session) == ({} if answers else {NAME: state})


@pytest.mark.parametrize(("state", "ends"), [(WAITING, True), (HELD, True), (GONE, False), (GONE, True)])
def test_a_route_that_carries_the_record_again_cancels_its_end(
    session: WriteSession, state: str, *, ends: bool
) -> None:
    """A route's end, and what has gone already, is answered by any word with which that route carries the record."""
    keep(session, state, ends=ends)
    load = pending(session)
    load.hear(word(seq=4, rank=UNSIGNED), THERE, ends=False)
    load.write(NOW)
    assert kept(session) == {}


@pytest.mark.parametrize(
    ("state", "dead", "ends", "after", "answers"),
    [
        (WAITING, True, False, AWAY, True),
        (HELD, True, False, AWAY, True),
        (HELD, False, True, AWAY, True),
        (HELD, True, False, THERE, False),
        (HELD, False, True, THERE, False),
        (HELD, True, False, Held(), False),
        (GONE, True, False, AWAY, False),
        (GONE, False, True, AWAY, False),
    ],
)
def test_a_removal_is_over_once_its_record_is_gone(
    session: WriteSession, state: str, after: Held, *, dead: bool, ends: bool, answers: bool
) -> None:
    """A tombstone that did not wait answers one that does where the record is gone with it; what is gone stays so."""
    keep(session, state)
    load = pending(session)
    load.hear(word(seq=9, dead=dead), after, ends=ends)
    load.write(NOW)
    assert kept(session) == ({} if answers else {NAME: state})


@pytest.mark.parametrize(
    ("state", "ends", "rank", "afresh", "answers"),
    [
        (WAITING, True, DIRECT, False, True),
        (HELD, True, UNSIGNED, False, True),
        (HELD, False, DIRECT, True, True),
        (HELD, False, DIRECT, False, False),
        (HELD, False, UNSIGNED, True, False),
        (GONE, True, DIRECT, True, False),
    ],
)
def test_a_record_that_still_stands_answers_an_end(
    session: WriteSession, state: str, rank: int, *, ends: bool, afresh: bool, answers: bool
) -> None:
    """A route that carries a record as it is held has not ended; a tombstone it answers in a reconcile alone."""
    keep(session, state, ends=ends, rank=rank)
    load = pending(session, afresh=afresh)
    load.stand(["https://exa.example/id/GB-LAE-EXA/contract/C-9", NAME])
    load.write(NOW)
    assert kept(session) == ({} if answers else {NAME: state})


def test_what_waits_since_this_load_is_answered_like_any(session: WriteSession) -> None:
    """A removal and what answers it may stand on two pages of one load: then nothing waits."""
    load = pending(session)
    load.wait(word(dead=True), ends=False)
    load.wait(word(SECOND, dead=True), ends=True)
    load.hear(word(seq=6), THERE, ends=False)
    load.stand([SECOND])
    assert (load.count, load.joined) == (0, 0)
    load.write(NOW)
    assert kept(session) == {}


def test_the_last_word_of_a_load_counts(session: WriteSession) -> None:
    """Of a removal, an update that cancels it and a removal again the last is kept, beside those that are held."""
    keep(session, HELD)
    load = pending(session)
    load.hear(word(seq=6), THERE, ends=False)
    load.hear(word(seq=4, dead=True), AWAY, ends=False)  # a second answer is none
    load.wait(word(seq=7, dead=True), ends=False)
    assert (load.count, load.joined) == (1, 1)
    load.write(NOW)
    assert kept(session) == {NAME: HELD}
    assert session.connection().execute(select(col(Removal.seq))).scalars().all() == [7]


def test_a_removal_said_again_can_be_cancelled_again(session: WriteSession) -> None:
    """However often a load removes and updates a record, an update at its end leaves no removal behind."""
    keep(session, HELD)
    load = pending(session)
    for seq in (6, 8):
        load.hear(word(seq=seq), THERE, ends=False)
        assert load.count == 0
        load.wait(word(seq=seq + 1, dead=True), ends=False)
        assert load.count == 1
    load.hear(word(seq=10), THERE, ends=False)
    load.write(NOW)
    assert kept(session) == {}


@pytest.mark.parametrize(("rank", "left"), [(DIRECT, 0), (UNSIGNED, 1)])
def test_a_reconcile_that_finds_a_record_there_takes_its_removal_back(
    session: WriteSession, rank: int, left: int
) -> None:
    """What a reconcile says twice, gone and then there as it is held, is there where it comes from the origin."""
    load = pending(session, afresh=True)
    load.wait(word(rank=rank, dead=True), ends=False)
    load.stand([NAME])
    assert load.count == left


def test_of_two_words_of_a_load_the_later_is_answered(session: WriteSession) -> None:
    """An update is held against the removal that was said last, not against the one that was known before."""
    keep(session, WAITING, seq=5)
    load = pending(session)
    load.wait(word(seq=8, dead=True), ends=False)
    load.hear(word(seq=7), THERE, ends=False)
    assert load.count == 1
    load.hear(word(seq=9), THERE, ends=False)
    assert load.count == 0


def test_a_word_about_nothing_answers_nothing(session: WriteSession) -> None:
    """What is said of records for which no removal waits changes no row."""
    keep(session, HELD, SECOND)
    load = pending(session)
    load.hear(word(seq=9), THERE, ends=False)
    load.hear(word(seq=9, dead=True), AWAY, ends=False)
    load.stand([NAME])
    load.write(NOW)
    assert kept(session) == {SECOND: HELD}


@pytest.mark.parametrize("route", OTHERS)
def test_a_route_answers_for_itself_alone(session: WriteSession, route: int) -> None:
    """What one route says answers no removal of another route, and joins none."""
    keep(session, HELD, route=route, ends=True)
    keep(session, HELD, SECOND)
    load = pending(session)
    load.hear(word(seq=9), THERE, ends=False)
    load.stand([NAME])
    load.wait(word(dead=True), ends=False)
    assert (load.count, load.joined) == (1, 0)
    load.write(NOW)
    assert (kept(session), kept(session, route)) == ({NAME: WAITING, SECOND: HELD}, {NAME: HELD})


# What is known and forgotten


def test_a_removal_is_known_by_route_and_state(session: WriteSession) -> None:
    """Whether a removal stands is asked of one route, of any state or of those that are named."""
    keep(session, HELD)
    keep(session, GONE, route=OTHER)
    assert stands(session, ROUTE)
    assert stands(session, ROUTE, HELD)
    assert stands(session, ROUTE, WAITING, HELD)
    assert not stands(session, ROUTE, WAITING, GONE)
    assert stands(session, OTHER, GONE)
    assert not stands(session, OTHERS[0])


def test_removals_are_forgotten_by_route_and_record(session: WriteSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each named removal of the route goes, however many there are, and none of another route or record."""
    monkeypatch.setattr(waiting, "_CHUNK", 2)
    names = [f"{NAME}{n}" for n in range(7)]
    for route in (ROUTE, *OTHERS):
        keep(session, HELD, *names, route=route)
    forget(session, ROUTE, names[1:6])
    assert list(kept(session)) == [names[0], names[6]]
    assert [list(kept(session, route)) for route in OTHERS] == [names, names]


def test_to_forget_many_that_are_held_is_one_change(session: WriteSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks change once where any of the forgotten was held, in whatever part of them, and else not at all."""
    monkeypatch.setattr(waiting, "_CHUNK", 2)
    names = [f"{NAME}{n}" for n in range(7)]
    keep(session, WAITING, *names[:5])
    keep(session, HELD, names[5])
    keep(session, GONE, names[6])
    forget(session, ROUTE, [names[0], names[6]])
    assert version(session) is None
    forget(session, ROUTE, names)
    assert (version(session), kept(session)) == ("1", {})


# What is told


def test_the_publisher_is_told_until_the_last_is_answered(session: WriteSession) -> None:
    """A node is told of held removals as long as one is held there, and of its other problems until they are mended."""
    node(session, ROUTE)
    node(session, OTHER)
    keep(session, HELD, NAME, SECOND)
    everything = {(n, rule) for n in (ROUTE, OTHER) for rule in (REMOVAL_HELD, "cursor-behind")}
    for name, left in ((NAME, everything), (SECOND, everything - {(ROUTE, REMOVAL_HELD)})):
        load = pending(session)
        load.hear(word(name, seq=6), THERE, ends=False)
        load.write(NOW)
        assert told(session) == left


@pytest.mark.parametrize("state", [WAITING, GONE])
def test_what_only_waits_is_not_told_as_held(session: WriteSession, state: str) -> None:
    """A publisher is told no more once none of its removals is held, although others still wait or have gone."""
    node(session, ROUTE)
    keep(session, HELD)
    keep(session, state, SECOND)
    load = pending(session)
    load.hear(word(seq=6), THERE, ends=False)
    load.write(NOW)
    assert told(session) == {(ROUTE, "cursor-behind")}
    assert (kept(session), version(session)) == ({SECOND: state}, "1")


def test_one_node_with_held_removals_is_some(session: WriteSession) -> None:
    """Marks are looked for while a single node, the only one, has a removal held."""
    node(session, ROUTE)
    keep(session, HELD, NAME, SECOND)
    for name, noted in ((NAME, "+1"), (SECOND, "2")):
        load = pending(session)
        load.hear(word(name, seq=6), THERE, ends=False)
        load.write(NOW)
        assert version(session) == noted


@pytest.mark.parametrize("state", [WAITING, GONE])
def test_answers_to_what_is_not_held_tell_nobody(session: WriteSession, state: str) -> None:
    """A removal that waits or has gone marks no record, so that its answer changes no mark and no problem."""
    node(session, ROUTE)
    before = told(session)
    keep(session, state)
    load = pending(session)
    load.hear(word(seq=6), THERE, ends=False)
    load.write(NOW)
    assert (kept(session), version(session), told(session)) == ({}, None, before)


def test_one_held_among_the_answered_is_enough(session: WriteSession) -> None:
    """Where one of several answered removals was held, marks have changed."""
    keep(session, WAITING)
    keep(session, HELD, SECOND)
    load = pending(session)
    for name in (NAME, SECOND):
        load.hear(word(name, seq=6), THERE, ends=False)
    load.write(NOW)
    assert version(session) == "1"


def test_each_change_of_held_removals_is_counted(session: WriteSession) -> None:
    """Each change has a new number, with `+` while any node has a removal held: pages are kept by it."""
    node(session, ROUTE)
    node(session, OTHER)
    for key in ("publicUrl", "zone"):
        session.add(Meta(key=key, value="some other thing"))
    keep(session, GONE, SECOND)

    def change(route: int) -> str | None:
        waiting.changed(session, route)
        chosen = select(col(Meta.value)).where(col(Meta.key) == "removals")
        found: str | None = session.connection().execute(chosen).scalar_one()
        return found

    assert change(ROUTE) == "1"
    keep(session, HELD, route=OTHER)
    assert [change(OTHER), change(ROUTE)] == ["+2", "+3"]
    forget(session, OTHER, [NAME])  # which is a change itself, the fourth
    assert [change(OTHER) for _ in range(7)][-1] == "11"


def test_nothing_known_is_nothing_to_answer(session: WriteSession) -> None:
    """A load about a route without removals writes nothing, whatever it says."""
    load = pending(session)
    load.hear(word(seq=9), THERE, ends=False)
    load.hear(word(seq=9, dead=True), AWAY, ends=False)
    load.stand([NAME, SECOND])
    load.write(NOW)
    assert (kept(session), version(session)) == ({}, None)
