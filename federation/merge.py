"""What several routes say about one record, made into one state (protocol sections 4 and 5). Pure.

A route is a node that we read. Each route's last word stands; the best of them is the record, the others are its
shadows. The order is total, so the words of two routes give the same record in whatever order they are heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import replace

from federation.sign import VALID
from schema.change import canonical, same

DIRECT, SIGNED, UNSIGNED, LAPSED = range(4)
DROPPED = "dropped"
PERSONAL = "personal-data"
"""The reason of a tombstone that waits for nothing, and after which no older word is kept."""


class Statement(msgspec.Struct, frozen=True, gc=False):
    """What one route says about one record. `node_id` is the route, None where none carries the record any more.

    `rank` 0 is straight from the origin, 1 relayed and signed, 2 relayed unsigned, 3 by a node that is gone for long;
    `seq` is the origin's own number.
    `data`, `origin` and `via` are bytes, `via` with this reader's entry at its end.
    """

    id: str
    kind: str
    publisher: str
    node_id: int | None
    data: bytes | None
    origin: bytes
    via: bytes | None
    reason: str | None
    moved_to: str | None
    origin_node: str
    seq: int
    rank: int
    signature: str = "absent"

    @property
    def deleted(self) -> bool:
        """Whether this is a tombstone."""
        return self.data is None


class Withdrawal(msgspec.Struct, frozen=True, gc=False):
    """With which word of its origin a record was withdrawn for a person's sake, and with what rank that was heard."""

    origin_node: str
    seq: int
    rank: int


class Held(msgspec.Struct, frozen=True):
    """All that is known of one record: the statement that is served, and those of the other routes."""

    winner: Statement | None = None
    shadows: Mapping[int, Statement] | None = None

    def of(self, node_id: int | None) -> Statement | None:
        """What this route said last."""
        if self.winner is not None and node_id is not None and self.winner.node_id == node_id:
            return self.winner
        return self.others.get(node_id) if node_id is not None else None

    @property
    def others(self) -> Mapping[int, Statement]:
        """The shadows by route."""
        return self.shadows or {}


def says_same(one: Statement, other: Statement) -> bool:
    """Whether two statements have equal data, state, reason and origin, which is no change."""
    return (
        one.reason == other.reason
        and one.moved_to == other.moved_to
        and one.deleted == other.deleted
        and same(one.origin, other.origin)
        and same(one.data, other.data)
    )


def beats(one: Statement, other: Statement) -> bool:
    """Whether the first statement takes the place of the second, whichever was heard first.

    Rank first, then the higher `seq`; a statement that no route carries any more gives way to any. Two that claim the
    same number for different content are a lie of one of them: the one that is signed wins, then the tombstone, else
    the larger bytes, so that all readers choose alike.
    """
    if other.node_id is None:
        return True
    if (one.rank, -one.seq) != (other.rank, -other.seq):
        return (one.rank, -one.seq) < (other.rank, -other.seq)
    if says_same(one, other):
        return False
    return _tie(one) > _tie(other)


def _tie(statement: Statement) -> tuple[bool, bool, bytes, bytes, str, str]:
    return (
        statement.signature == VALID,
        statement.deleted,
        canonical(statement.data or b"null"),
        canonical(statement.origin),
        statement.reason or "",
        statement.moved_to or "",
    )


def hear(held: Held, new: Statement, *, afresh: bool = False, erased: Withdrawal | None = None) -> Held:
    """What is held after a route has spoken; the very same object where nothing changes.

    `afresh` is the full reconcile: what comes straight from the origin replaces what the origin said before, even
    with a lower number. `erased`: the last withdrawal for a person's sake, whatever was published since.
    """
    route = new.node_id
    assert route is not None
    if not (afresh and new.rank == DIRECT) and is_withdrawn(new, held.winner, erased):
        return held
    if held.winner is None and not held.shadows:
        return Held(new)
    return _without_withdrawn(_heard(held, new, route, afresh=afresh))


def earned(statement: Statement) -> int:
    """The rank that a word has while its route is active: its route tells whether it was relayed."""
    if len(msgspec.json.decode(statement.via or b"[]")) <= 1:
        return DIRECT
    return SIGNED if statement.signature == VALID else UNSIGNED


def is_withdrawn(old: Statement, winner: Statement | None, erased: Withdrawal | None = None) -> bool:
    """Whether a word shows what its origin has since withdrawn for a person's sake: it is not kept, nor comes back.

    Not by a relay even where the record was published again since (`erased`), and that comes to an end.
    """
    if old.deleted:
        return False
    if erased is not None and old.rank != DIRECT and _precedes(old, erased):
        return True  # what the origin says itself is its last word, though it numbers anew
    return winner is not None and winner.reason == PERSONAL and _precedes(old, withdrawal(winner))


def _precedes(old: Statement, gone: Withdrawal) -> bool:
    return old.origin_node == gone.origin_node and old.rank >= gone.rank and old.seq <= gone.seq


def withdrawal(tombstone: Statement) -> Withdrawal:
    """What is remembered of a withdrawal for a person's sake."""
    # A node that is gone for long gives way to others, but what it withdrew stays withdrawn.
    rank = earned(tombstone) if tombstone.rank == LAPSED else tombstone.rank
    return Withdrawal(tombstone.origin_node, tombstone.seq, rank)


def _without_withdrawn(held: Held) -> Held:
    if held.winner is None or held.winner.reason != PERSONAL or not held.others:
        return held
    kept = {node: shadow for node, shadow in held.others.items() if not is_withdrawn(shadow, held.winner)}
    return held if len(kept) == len(held.others) else Held(held.winner, kept)


def _heard(held: Held, new: Statement, route: int, *, afresh: bool) -> Held:
    before = held.of(route)
    if before is not None:
        if before.rank == new.rank and says_same(before, new):
            return held
        if not (afresh and new.rank == DIRECT) and not beats(new, before):
            return held
    winner = held.winner
    others = {node: shadow for node, shadow in held.others.items() if node != route}
    if winner is None or winner.node_id == route:
        return _best(new, others)
    if beats(new, winner):
        return Held(new, others if winner.node_id is None else {**others, winner.node_id: winner})
    return Held(winner, {**others, route: new})


def end(held: Held, route: int) -> Held:
    """What is held once a route no longer carries the record: the best other route, else a tombstone.

    A tombstone of the origin stays what it is. The tombstone that we make says `dropped`, with the origin unchanged.
    """
    winner = held.winner
    if winner is None or winner.node_id != route:
        if route not in held.others:
            return held
        return Held(winner, {node: shadow for node, shadow in held.others.items() if node != route})
    if held.others:
        return _best(None, dict(held.others))
    if winner.deleted:
        return Held(replace(winner, node_id=None))
    return Held(replace(winner, node_id=None, data=None, reason=DROPPED, moved_to=None, signature="absent"))


def weigh(held: Held, weighed: Callable[[Statement], Statement]) -> Held:
    """What is held once the words of each route are weighed anew; the very same object where none weighs otherwise."""
    words = [word for word in (held.winner, *held.others.values()) if word is not None]
    anew = [weighed(word) for word in words]
    if all(old is new for old, new in zip(words, anew, strict=True)):
        return held
    routes = {word.node_id: word for word in anew if word.node_id is not None}
    return _best(None, routes) if routes else Held(anew[0])


def _best(first: Statement | None, others: dict[int, Statement]) -> Held:
    best = first
    for shadow in sorted(others.values(), key=lambda s: s.node_id or 0):
        if best is None or beats(shadow, best):
            best = shadow
    assert best is not None
    rest = {s.node_id: s for s in (first, *others.values()) if s is not None and s is not best and s.node_id}
    return Held(best, rest)
