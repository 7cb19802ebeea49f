"""The laws of merging routes: order does not matter, once is enough, rank before number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from federation.merge import DIRECT, DROPPED, LAPSED, PERSONAL, UNSIGNED, Held, Statement, beats, end, hear, says_same
from federation.sign import VALID

ORIGIN = "https://exa.example/.well-known/folkmoot"
RECORD = "https://exa.example/id/GB-LAE-EXA/contract/C-1"


def said(route: int, seq: int, title: str | None = "a", *, rank: int = UNSIGNED, reason: str = "ended") -> Statement:
    """Make a route's word; no title is a tombstone."""
    origin = orjson.dumps({"node": ORIGIN, "publisher": "GB-LAE-EXA", "seq": seq, "time": "2026-11-02T09:00:00Z"})
    return Statement(
        id=RECORD,
        kind="contract",
        publisher="GB-LAE-EXA",
        node_id=route,
        data=None if title is None else orjson.dumps({"title": title}),
        origin=origin,
        via=orjson.dumps([{"node": f"route {route}"}]),
        reason=reason if title is None else None,
        moved_to=None,
        origin_node=ORIGIN,
        seq=seq,
        rank=rank,
    )


def after(words: Sequence[Statement | int], held: Held | None = None) -> Held:
    """What is held after words in order; a number ends that route."""
    state = held or Held()
    for word in words:
        state = end(state, word) if isinstance(word, int) else hear(state, word)
    return state


def meaning(held: Held) -> tuple[object, ...] | None:
    """What a reader sees of a record: all but the way it came by, which the first of equals keeps."""
    won = held.winner
    return None if won is None else (won.data, won.origin, won.reason, won.rank if won.node_id else None)


Titles = st.sampled_from(["a", "b", None])
Words = st.builds(said, st.sampled_from([1, 2, 3]), st.integers(1, 4), Titles)
Direct = st.builds(said, st.just(9), st.integers(1, 4), Titles, rank=st.just(DIRECT))
Streams = st.lists(st.one_of(Words, Direct, st.sampled_from([1, 2, 3])), max_size=9)


def _interleavings(one: Sequence[object], other: Sequence[object]) -> list[list[object]]:
    places = itertools.combinations(range(len(one) + len(other)), len(one))
    return [_woven(list(one), list(other), set(chosen)) for chosen in places]


def _woven(one: list[object], other: list[object], chosen: set[int]) -> list[object]:
    first, second = iter(one), iter(other)
    return [next(first if place in chosen else second) for place in range(len(one) + len(other))]


def _of_route(route: int, rank: int) -> st.SearchStrategy[list[Statement | int]]:
    words = st.builds(said, st.just(route), st.integers(1, 3), Titles, rank=st.just(rank))
    return st.lists(words if rank == DIRECT else st.one_of(words, st.just(route)), max_size=4)


@given(_of_route(1, UNSIGNED), _of_route(2, UNSIGNED))
def test_two_relays_in_any_interleaving_end_alike(one: list[Statement | int], other: list[Statement | int]) -> None:
    """However the words of two relays are woven together, the record is the same in the end.

    Where both have dropped it, it is a tombstone in any case, and only its reason and origin are the last one's.
    """
    ends = {meaning(after(woven)) for woven in _interleavings(one, other)}  # type: ignore[arg-type]
    assert len(ends) == 1 or all(found is not None and (found[0], found[3]) == (None, None) for found in ends)


@given(_of_route(1, UNSIGNED), _of_route(9, DIRECT))
def test_origin_and_relay_in_any_interleaving_end_alike(
    relay: list[Statement | int], own: list[Statement | int]
) -> None:
    """However a relay's words are woven into the origin's, the origin's last word is the record."""
    ends = {meaning(after(woven)) for woven in _interleavings(relay, own)}  # type: ignore[arg-type]
    if own:
        assert ends == {meaning(after(own))}


@given(Streams)
def test_hearing_twice_changes_nothing(words: list[Statement | int]) -> None:
    """A word that is heard again at once changes nothing at all."""
    state = Held()
    for word in words:
        state = after([word], state)
        assert after([word], state) == state


@given(Streams, Words)
def test_relay_never_moves_the_origin(words: list[Statement | int], word: Statement) -> None:
    """Once the origin has spoken, no relay changes the record, and no relay that drops it does."""
    state = after([*words, said(9, 1, "origin", rank=DIRECT)])
    spoken = state.winner
    assert after([word, 1, 2, 3], state).winner is spoken


@given(st.lists(Words, min_size=1, max_size=8))
def test_winner_is_the_best_word(words: list[Statement]) -> None:
    """Nothing that a route still says beats the record that is served."""
    held = after(words)
    assert held.winner is not None
    assert not any(beats(shadow, held.winner) for shadow in held.others.values())


@given(Words, Words)
def test_of_two_words_one_wins(one: Statement, other: Statement) -> None:
    """Either one of two words beats the other, or they say the same."""
    assert [beats(one, other), beats(other, one)].count(True) == (0 if says_same(one, other) else 1)


@given(st.lists(Words, max_size=6), st.lists(Words, max_size=6), st.lists(Words, max_size=6))
def test_beating_is_an_order(one: list[Statement], two: list[Statement], three: list[Statement]) -> None:
    """Beating is transitive, so the best of many does not depend on how they are compared."""
    for a, b, c in itertools.product(one, two, three):
        if beats(a, b) and beats(b, c):
            assert beats(a, c)


def test_first_via_stays() -> None:
    """Equal data, state, reason and origin by a second route is no change: the first via stays."""
    held = after([said(1, 5), said(2, 5)])
    assert held.winner is not None
    assert (held.winner.node_id, list(held.others)) == (1, [2])


def test_better_rank_is_a_change() -> None:
    """The same record straight from the origin takes the place of the relayed one."""
    held = after([said(1, 5), said(9, 5, rank=DIRECT)])
    assert held.winner is not None
    assert (held.winner.rank, held.winner.node_id) == (DIRECT, 9)


def test_dropped_hands_over_then_ends() -> None:
    """The last route that goes leaves a tombstone with the origin unchanged; any word brings the record back."""
    two = after([said(1, 5), said(2, 4, "older")])
    one = after([1], two)
    none = after([2], one)
    assert one.winner is not None
    assert none.winner is not None
    assert (one.winner.node_id, one.winner.seq) == (2, 4)
    assert (none.winner.reason, none.winner.origin, none.winner.node_id) == (DROPPED, one.winner.origin, None)
    assert meaning(after([said(1, 1, "back")], none)) == meaning(after([said(1, 1, "back")]))


def test_what_nobody_carries_is_of_no_signature() -> None:
    """The tombstone that we make claims nothing: neither a signature nor an address that the record moved to."""
    signed = replace(said(1, 5), signature=VALID, moved_to="https://elsewhere.example/C-1")
    gone = after([signed, 1]).winner
    assert gone is not None
    assert (gone.signature, gone.moved_to, gone.reason) == ("absent", None, DROPPED)


def test_route_that_ends_takes_its_own_word_alone() -> None:
    """When a route behind the served one ends, what the others say behind it stays."""
    held = after([said(9, 5, rank=DIRECT), said(1, 4, "b"), said(2, 3, "c"), 1])
    assert held.winner is not None
    assert (held.winner.node_id, [word.seq for word in held.others.values()]) == (9, [3])


def test_of_equal_words_the_first_route_is_served() -> None:
    """When the served route ends and two others say the same, the lower route's word is the record, however heard."""
    for order in ([1, 2], [2, 1]):
        held = after([said(9, 5, rank=DIRECT), *(said(route, 5) for route in order), 9])
        assert held.winner is not None
        assert held.winner.node_id == 1


def test_of_a_lie_the_signed_word_wins() -> None:
    """Two words of one number for different content: signed beats unsigned, then a tombstone, then larger bytes."""
    small, large = said(1, 5, "a"), said(2, 5, "b")
    assert beats(large, small)
    assert beats(replace(small, signature=VALID), large)
    assert beats(said(1, 5, None), large)
    assert beats(replace(small, signature=VALID), said(2, 5, None))


def test_of_two_tombstones_the_larger_reason_and_address_win() -> None:
    """Two tombstones of one number are told apart by reason and by address, so that all readers choose alike."""
    ended, moved = said(1, 5, None), replace(said(2, 5, None), moved_to="https://elsewhere.example/C-1")
    assert beats(moved, ended)
    assert not beats(ended, moved)
    silent = replace(ended, reason=None)
    assert [beats(ended, silent), beats(silent, ended)] == [True, False]


def test_tombstone_outlives_its_route() -> None:
    """A record that its origin withdrew stays withdrawn for the origin's reason when the route ends."""
    held = after([said(1, 5, None), 1])
    assert held.winner is not None
    assert (held.winner.reason, held.winner.node_id) == ("ended", None)


def test_afresh_believes_the_origin_alone() -> None:
    """In a full reconcile a lower number straight from the origin is taken, one from a relay is not."""
    direct = hear(after([said(9, 7, "old", rank=DIRECT)]), said(9, 3, "new", rank=DIRECT), afresh=True)
    relayed = hear(after([said(1, 7, "old")]), said(1, 3, "new"), afresh=True)
    assert direct.winner is not None
    assert relayed.winner is not None
    assert (direct.winner.seq, relayed.winner.seq) == (3, 7)


def test_afresh_and_the_same_is_no_change() -> None:
    """In a full reconcile what the origin says once more leaves the very same object."""
    held = after([said(9, 7, rank=DIRECT)])
    assert hear(held, replace(said(9, 7, rank=DIRECT), via=b"[]"), afresh=True) is held


def test_equal_data_in_other_words_is_equal() -> None:
    """Order of members and spaces do not make a change; 1 and true do."""
    one = said(1, 5)
    spaced = replace(one, data=b'{ "title" : "a" }')
    assert says_same(one, spaced)
    assert hear(Held(one), spaced).winner is one


@given(Streams, st.lists(st.one_of(Words, st.sampled_from([1, 2, 3])), max_size=6), st.integers(1, 4))
def test_t37_no_older_word_of_any_route_outlives_a_withdrawal(
    before: list[Statement | int], later: list[Statement | int], seq: int
) -> None:
    """Once the origin has withdrawn a record as personal data, no route shows or keeps an older word of it."""
    withdrawn = said(9, max([seq, *(word.seq for word in before if not isinstance(word, int))]), None, rank=DIRECT)
    held = after([*before, replace(withdrawn, reason=PERSONAL), *later])
    words = [held.winner, *held.others.values()]
    assert not [w for w in words if w is not None and not w.deleted and w.seq <= withdrawn.seq]


def test_t37_an_origin_that_was_restored_is_believed() -> None:
    """In a full reconcile the origin's own older word counts: its backup is from before the withdrawal."""
    withdrawn = replace(said(9, 5, None, rank=DIRECT), reason=PERSONAL)
    older = said(9, 3, "a", rank=DIRECT)
    assert hear(Held(withdrawn), older) == Held(withdrawn)
    assert hear(Held(withdrawn), older, afresh=True).winner == older


def test_t37_what_is_newer_or_of_another_origin_is_heard_after_a_withdrawal() -> None:
    """A withdrawal ends older words of its own origin: not newer ones, not better routes', not another origin's."""
    withdrawn = replace(said(1, 5, None), reason=PERSONAL)
    older, newer, direct = said(2, 5, "old"), said(2, 6, "new"), said(9, 3, rank=DIRECT)
    foreign = replace(said(2, 3, "other"), origin_node="https://other.example/.well-known/folkmoot")
    assert hear(Held(withdrawn), older) == Held(withdrawn)
    assert hear(Held(withdrawn), newer).winner == newer
    assert hear(Held(withdrawn), direct).winner == direct
    assert hear(Held(withdrawn), foreign).of(2) == foreign


def test_t37_a_withdrawal_of_a_node_that_is_gone_weighs_as_it_did() -> None:
    """What the origin withdrew stays withdrawn when it lapses; what a relay made up is no better for having lapsed."""
    lapsed = replace(said(9, 5, None, rank=LAPSED), reason=PERSONAL)
    assert hear(Held(lapsed), said(1, 4, "old")) == Held(lapsed)
    assert hear(Held(lapsed), said(1, 6, "new")).winner == said(1, 6, "new")
    relayed = replace(lapsed, via=orjson.dumps([{"node": "one"}, {"node": "two"}]))
    direct = said(9, 3, rank=DIRECT)
    assert hear(Held(relayed), direct).winner == direct


def test_t37_only_what_was_withdrawn_leaves_the_shadows() -> None:
    """Of the words behind a withdrawal the older ones go, tombstones and other origins' words stay."""
    foreign = replace(said(3, 2, "other"), origin_node="https://other.example/.well-known/folkmoot")
    held = after([said(9, 5, rank=DIRECT), said(1, 4, "old"), said(2, 4, None), foreign])
    withdrawn = hear(held, replace(said(9, 6, None, rank=DIRECT), reason=PERSONAL))
    assert {route: word.seq for route, word in withdrawn.others.items()} == {2: 4, 3: 2}
    ordinary = hear(held, said(9, 6, None, rank=DIRECT))
    assert set(ordinary.others) == {1, 2, 3}


def test_t37_a_relay_brings_nothing_back_in_a_full_reconcile() -> None:
    """Afresh is for the origin's own word: a relay's older one stays withdrawn, and so does the origin's otherwise."""
    withdrawn = Held(replace(said(9, 5, None, rank=DIRECT), reason=PERSONAL))
    assert hear(withdrawn, said(1, 4, "old"), afresh=True) is withdrawn
    assert hear(withdrawn, said(9, 4, "old", rank=DIRECT)) is withdrawn


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (said(1, 2, None), said(2, 2, "a")),
        (said(1, 2, "b"), said(2, 2, "a")),
        (replace(said(1, 2, "a"), signature=VALID), said(2, 2, None)),
        (said(1, 2, None, reason="error"), said(2, 2, None, reason="ended")),
    ],
    ids=["tombstone", "larger bytes", "signed", "larger reason"],
)
def test_of_two_with_one_number_all_readers_choose_the_same(one: Statement, other: Statement) -> None:
    """Of two words with one number and other content: the signed one, then the tombstone, else the larger bytes."""
    assert (beats(one, other), beats(other, one)) == (True, False)
    for held in (after([one, other]), after([other, one])):
        assert held.winner is not None
        assert (held.winner, list(held.others)) == (one, [2])


def test_a_route_that_did_not_win_takes_its_own_word_alone_with_it() -> None:
    """When a relay stops carrying a record, its word is gone, and the record and the other relays' words stay."""
    held = after([said(9, 1, "own", rank=DIRECT), said(1, 3, "b"), said(2, 4, "c")])
    ended = end(held, 1)
    assert (ended.winner, dict(ended.others)) == (held.winner, {2: said(2, 4, "c")})
    assert end(ended, 1) is ended, "it carries nothing any more"
