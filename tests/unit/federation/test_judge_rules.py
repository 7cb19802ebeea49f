"""Whose record an item is, what becomes a statement of it, and what its signature is worth (protocol section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.judge import judge, look, place, read, strays
from federation.merge import DIRECT, SIGNED, UNSIGNED
from federation.sign import Asked, Ring, Signer, State, payload
from federation.verdicts import MAX_ID, MAX_PUBLISHER, Judged, Source
from tests.unit.federation.test_judge import HOP, ME, NODE, NOW, ORIGIN, OWN, PREFIX, RELAY, THROUGH, item, judged

C_1, C_2 = PREFIX + "contract/C-1", PREFIX + "contract/C-2"
OTHER = "https://other.example/.well-known/folkmoot"
FAR = {"node": OTHER, "harvested": "2026-11-01T09:00:00Z"}
OURS = {"node": ME, "harvested": "2026-11-02T09:00:00Z"}
FIRST, SECOND = Signer("2026-1", b"1" * 32), Signer("2026-2", b"2" * 32)
RINGS = {NODE: Ring([FIRST.jwk])}


def tombstone(reason: str = "ended", **changes: Any) -> dict[str, Any]:
    """Make a tombstone that keeps the rules, with changes."""
    return item(**{"state": "deleted", "data": None, "reason": reason, **changes})


def signed(by: Signer = FIRST, **changes: Any) -> dict[str, Any]:
    """Make an item that is signed."""
    made = item(**changes)
    said = payload(
        record_id=made["id"],
        kind=made["kind"],
        data=orjson.dumps(made["data"]) if "data" in made else None,
        reason=made.get("reason"),
        moved_to=made.get("movedTo"),
        origin=orjson.dumps(made["origin"]),
    )
    return made | {"origin": made["origin"] | {"sig": by.sign(said)}}


def weighed(*items: dict[str, Any], source: Source = OWN, rings: Mapping[str, Ring] = RINGS) -> Judged:
    """Judge items of a page by the keys that are known."""
    raws = [orjson.dumps(one) for one in items]
    return judge(read(raws), source, me=ME, origins={NODE: OWN.prefixes}, now=NOW, rings=rings)


def second(**changes: Any) -> dict[str, Any]:
    """Make another good item, of another record."""
    return item(**{"id": C_2, "data": {"reference": "C-2", "title": "T"}, "modified": 6, **changes})


def asked(*items: dict[str, Any], source: Source = THROUGH, **known: Any) -> list[str]:
    """The nodes whose manifests are to be asked for."""
    origins = known.pop("origins", {NODE: OWN.prefixes})
    return strays(read([orjson.dumps(one) for one in items]), source, origins, **known)


def test_a_statement_says_what_the_item_said() -> None:
    """A statement has the item's id, kind, publisher, origin and number, and the route by which it came."""
    ((said, ends),) = judged(item(via=[FAR, HOP]), source=THROUGH).heard
    assert (said.id, said.kind, said.publisher, said.origin_node) == (C_1, "contract", "GB-LAE-EXA", NODE)
    assert (said.node_id, said.seq, said.rank, ends) == (2, 5, UNSIGNED, False)
    assert said.origin == orjson.dumps(ORIGIN)
    assert said.data == orjson.dumps(item()["data"])


@pytest.mark.parametrize("before", [[HOP], [FAR, HOP], [FAR] * 6 + [HOP]])
def test_via_gains_one_entry(before: list[dict[str, str]]) -> None:
    """What a relay passes on keeps each hop that it had, and gains this reader's at the end."""
    ((said, _ends),) = judged(item(via=before), source=THROUGH).heard
    assert orjson.loads(said.via or b"") == [*before, OURS]


def test_a_tombstone_keeps_its_reason_and_where_the_record_went() -> None:
    """`reason` and `movedTo` are a tombstone's own; on a record that is there they say nothing."""
    moved = judged(tombstone("moved", movedTo=C_2), item(reason="moved", movedTo=C_2, modified=6))
    assert [(s.data is None, s.reason, s.moved_to) for s, _ in moved.heard] == [
        (True, "moved", C_2),
        (False, None, None),
    ]


def test_dropped_ends_a_route() -> None:
    """A relay that says `dropped` ends its own route, and no other tombstone does."""
    found = judged(tombstone("dropped", via=[HOP]), tombstone("ended", via=[HOP], id=C_2), source=THROUGH)
    assert [(s.reason, ends) for s, ends in found.heard] == [("dropped", True), ("ended", False)]


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-02T09:00:00+00:00",
        "2026-11-02T09:00:00",
        "2026-11-02",
        "2026-02-30T09:00:00Z",
        "2026-11-02T25:00:00Z",
        "2026-11-02T09:00:00.0000000001Z",
        "٢٠٢٦-11-02T09:00:00Z",
    ],
)
def test_a_time_is_a_moment_in_utc(time: str) -> None:
    """A time stands in UTC with Z and is a moment of the calendar."""
    assert [t.rule for t in judged(item(origin=ORIGIN | {"time": time})).refused] == ["origin"]
    assert [t.rule for t in judged(item(via=[HOP | {"harvested": time}]), source=THROUGH).refused] == ["via"]


def test_parts_of_a_second_are_taken() -> None:
    """A time may be more exact than ours."""
    exact = item(origin=ORIGIN | {"time": "2026-11-02T09:00:00.123456789Z"})
    assert len(judged(exact).heard) == 1


# Whose the id is


def test_an_id_belongs_to_the_prefix_right_above_its_kind() -> None:
    """Of prefixes that lie one in the other that counts which stands before kind and reference, in any order."""
    outer, inner = ("https://exa.example/id/", "GB-LAE-OUT"), (PREFIX, "GB-LAE-EXA")
    for prefixes in (dict([outer, inner]), dict([inner, outer])):
        assert [s.publisher for s, _ in judged(item(), source=Source(1, NODE, prefixes)).heard] == ["GB-LAE-EXA"]


def test_an_id_has_at_most_so_many_characters() -> None:
    """An id of 2,600 characters is taken, and one of 2,601 is refused by its length."""
    room = MAX_ID - len("https://exa.example//contract/C-1")
    for length, rules in ((room, []), (room + 1, ["id"])):
        prefix = f"https://exa.example/{'p' * length}/"
        source = Source(1, NODE, {prefix: "GB-LAE-EXA"})
        assert [t.rule for t in judged(item(id=prefix + "contract/C-1"), source=source).refused] == rules


def test_a_publisher_has_at_most_so_many_characters() -> None:
    """A publisher id that no manifest could name is refused, although a prefix has it."""
    for length, rules in ((MAX_PUBLISHER, []), (MAX_PUBLISHER + 1, ["publisher"])):
        name = "P" * length
        found = judged(item(origin=ORIGIN | {"publisher": name}), source=Source(1, NODE, {PREFIX: name}))
        assert [t.rule for t in found.refused] == rules


def test_where_a_record_moved_to_has_at_most_so_many_characters() -> None:
    """`movedTo` is an id like any: of 2,600 characters it is taken, of 2,601 refused."""
    there = PREFIX + "contract/"
    there += "C" * (MAX_ID - len(there))
    for moved, rules in ((there, []), (there + "C", ["moved-to"])):
        assert [t.rule for t in judged(tombstone("moved", movedTo=moved)).refused] == rules


@pytest.mark.parametrize(
    ("segment", "rules"),
    [
        ("C" * 200, []),
        ("%C3%A9" * 200, []),
        ("C" * 201, ["id-form"]),
        (".", ["id-prefix"]),
        ("..", ["id-prefix"]),
        ("...", []),
        ("", ["id-form"]),
        ("C-1/", ["id-form"]),
        ("C%2f1", ["id-prefix"]),
    ],
)
def test_what_is_no_reference_is_refused(segment: str, rules: list[str]) -> None:
    """A reference has 1 to 200 characters in one spelling, and is not `.` or `..`: a tombstone's id too."""
    assert [t.rule for t in judged(tombstone(id=PREFIX + "contract/" + segment)).refused] == rules


@pytest.mark.parametrize("kind", ["-tool", "a" * 41, "a_b", "Tool", "tööl"])
def test_what_is_no_name_of_a_kind_is_refused(kind: str) -> None:
    """A kind is `[a-z][a-z-]{0,39}`, of a tombstone too, which has no data to look at."""
    found = judged(tombstone(kind=kind, id=f"{PREFIX}{kind}/C-1"))
    assert [(t.rule, t.pointer) for t in found.refused] == [("id-form" if kind.isascii() else "id-prefix", "/id")]


@pytest.mark.parametrize("kind", ["news", "a" * 40, "a-b"])
def test_an_unknown_kind_is_kept(kind: str) -> None:
    """A kind that this version does not know is kept, its data whatever it says."""
    ((said, _ends),) = judged(item(kind=kind, id=f"{PREFIX}{kind}/C-1", data={"any": [1]})).heard
    assert (said.kind, said.data) == (kind, b'{"any":[1]}')


@pytest.mark.parametrize(
    ("segment", "reference", "rules"),
    [
        ("C%2F1", "C/1", []),
        ("C%20%C3%A9", "C \N{LATIN SMALL LETTER E WITH ACUTE}", []),
        ("C%2F1", "C%2F1", ["reference"]),  # which would be C%252F1
        ("C%252F1", "C%2F1", []),
        ("C-1~abcdefg2", "C-1", []),
        ("C-1~ABCDEFG2", "C-1", ["reference"]),
        ("%43-1", "C-1", ["id-prefix"]),
    ],
)
def test_the_reference_is_the_one_in_the_id(segment: str, reference: str, rules: list[str]) -> None:
    """References are compared in their encoded form: a reference that looks encoded is not the one that it looks."""
    made = item(id=PREFIX + "contract/" + segment, data={"reference": reference, "title": "T"})
    found = judged(made)
    assert ([t.rule for t in found.refused], len(found.heard)) == (rules, 1 - len(rules))


# Loops


def test_a_route_that_came_back_is_ended_without_the_record() -> None:
    """Of what passed here the route says no more than that it ends, whatever its tombstone said."""
    back = tombstone("moved", movedTo=C_2, via=[OURS, HOP])
    found = judged(back, source=THROUGH)
    (said,) = found.looped
    assert (found.loops, said.id, said.data, said.reason, said.moved_to, said.node_id) == (
        1,
        C_1,
        None,
        "dropped",
        None,
        2,
    )


def test_a_loop_with_a_fault_is_counted_and_no_more() -> None:
    """What passed here is not refused for anything, and ends no route where nobody can tell whose it is."""
    stray = item(id="https://exa.example/id/GB-LAE-EXC/contract/C-1", via=[OURS, HOP])
    found = judged(stray, second(via=[HOP]), source=THROUGH)
    assert (found.loops, found.looped, found.refused, len(found.heard)) == (1, [], [], 1)


def test_what_began_here_has_no_route_to_end() -> None:
    """A record of this reader's own that comes back is counted and no more, for no route brought it."""
    raws = [orjson.dumps(item(origin=ORIGIN | {"node": ME}, via=[HOP]))]
    found = judge(read(raws), THROUGH, me=ME, origins={ME: OWN.prefixes}, now=NOW)
    assert (found.loops, found.looped, found.heard, found.refused) == (1, [], [], [])


# What a refusal must not do


def test_refused_records_are_named() -> None:
    """Each refused item names its record, so that a full reconcile does not take the refusal for a removal."""
    unread, strange, data = b'{"id":"%b"}' % C_2.encode(), item(kind="tool"), item(data={"title": "T"}, modified=7)
    third = PREFIX + "contract/C-3"
    found = judged(b'{"id":"%b"}' % third.encode(), unread, strange, data)
    assert found.named == [third, C_2, C_1, C_1]
    assert found.ids() == found.named


def test_what_no_record_can_be_called_is_not_named() -> None:
    """An id that is empty or not of ASCII letters is no record's; its refusal is told, and names nobody."""
    found = judged(b"5", item(id=PREFIX + "contract/\N{LATIN SMALL LETTER E WITH ACUTE}"))
    assert (len(found.refused), found.named) == (2, [])


# Who is to be asked


def test_only_who_may_speak_is_asked_for() -> None:
    """Neither an item that cannot be read nor one that a node may not pass on hides the others from the question."""
    readings = read([b"5", orjson.dumps(item(origin=ORIGIN | {"node": "x"})), orjson.dumps(item(via=[HOP]))])
    assert strays(readings, THROUGH, {}) == [NODE]
    assert strays(readings[:2], THROUGH, {}) == []


def test_a_node_is_held_to_its_own_prefixes() -> None:
    """The source is asked again only where it publishes outside the prefixes that it was taken in with."""
    outside = item(id="https://exa.example/id/GB-LAE-NEW/contract/C-1")
    assert asked(item(), source=OWN, origins={}, rings={}) == []
    assert asked(outside, source=OWN, origins={NODE: {"https://exa.example/id/GB-LAE-NEW/": "P"}}) == [NODE]


@pytest.mark.parametrize("node", ["https://a.example/folkmoot.json", "https://z.example/folkmoot.json"])
def test_a_relays_own_prefixes_are_not_its_origins(node: str) -> None:
    """What lies within the prefixes of the relay itself still asks for the manifest of the origin that it names."""
    relay = Source(2, RELAY, OWN.prefixes, relays=True)
    assert asked(item(origin=ORIGIN | {"node": node}, via=[HOP]), source=relay, origins={}) == [node]


def test_each_node_is_asked_once_in_the_order_of_the_page() -> None:
    """However many items of a node are strange, its manifest is fetched once."""
    far = [item(origin=ORIGIN | {"node": OTHER}, via=[HOP], modified=n) for n in (1, 2)]
    assert asked(far[0], item(via=[HOP]), far[1], origins={}) == [OTHER, NODE]


def test_who_signs_with_a_new_key_is_asked() -> None:
    """A signature whose key is not known yet asks for its origin's manifest; no signature asks for nothing."""
    through, plain = signed(via=[HOP]), item(via=[HOP])
    assert asked(through, rings={}) == [NODE]
    assert asked(through, rings={OTHER: Ring([FIRST.jwk])}) == [NODE]
    assert asked(through, rings={NODE: Ring([SECOND.jwk])}) == [NODE]
    assert asked(through, rings=RINGS) == []
    assert asked(plain, rings=RINGS) == []


# What signatures are worth


def test_a_valid_signature_raises_what_was_relayed() -> None:
    """Straight from the origin comes first, then relayed with a valid signature, then relayed unsigned."""
    assert [(s.rank, s.signature) for s, _ in weighed(signed()).heard] == [(DIRECT, "valid")]
    assert [(s.rank, s.signature) for s, _ in weighed(signed(via=[HOP]), source=THROUGH).heard] == [(SIGNED, "valid")]
    unsigned = weighed(item(via=[HOP]), source=THROUGH, rings={}).heard
    assert [(s.rank, s.signature) for s, _ in unsigned] == [(UNSIGNED, "absent")]


def test_an_origin_that_signs_is_taken_at_its_word() -> None:
    """What is not signed, or wrongly, by an origin that publishes a key is refused, straight or relayed."""
    forged = signed()
    forged["data"] = {"reference": "C-1", "title": "Forged"}
    good = signed(id=C_2, data={"reference": "C-2", "title": "T"})
    for source, via in ((OWN, None), (THROUGH, [HOP])):
        bare, lie, last = (one | ({"via": via} if via else {}) for one in (item(), forged, good))
        found = weighed(bare, lie, last, source=source)
        assert [(t.rule, t.pointer, t.record_id) for t in found.refused] == [
            ("signature-absent", "/origin/sig", C_1),
            ("signature-invalid", "/origin/sig", C_1),
        ]
        assert ([s.id for s, _ in found.heard], found.named) == ([C_2], [C_1, C_1])


def test_who_does_not_sign_is_not_held_to_the_keys_of_others() -> None:
    """Whether an item must be signed is for its own origin's keys to say, not for those of the page's other nodes."""
    rings = {OTHER: Ring([FIRST.jwk]), RELAY: Ring([FIRST.jwk])}
    found = weighed(item(via=[HOP]), source=THROUGH, rings=rings)
    assert ([s.signature for s, _ in found.heard], found.refused) == (["absent"], [])


def test_an_unknown_key_keeps_the_record_back() -> None:
    """What is signed with a key that its origin has not published is neither taken nor refused: it waits."""
    found = weighed(signed(SECOND), signed(id=C_2, data={"reference": "C-2", "title": "T"}))
    assert [s.id for s in found.unproven] == [C_1]
    assert ([s.id for s, _ in found.heard], found.refused) == ([C_2], [])
    assert found.ids() == [C_2, C_1]


def test_dropped_needs_no_signature() -> None:
    """`dropped` is a relay's own word, which the origin cannot have signed."""
    found = weighed(tombstone("dropped", via=[HOP]), source=THROUGH)
    assert [(s.reason, ends) for s, ends in found.heard] == [("dropped", True)]


@given(st.lists(st.sampled_from(get_args(State)), max_size=6), st.booleans())
def test_each_record_has_its_own_signature(states: list[State], relayed: bool) -> None:  # noqa: FBT001
    """Whoever weighs the signatures, each record gets the answer for its own, and none is lost."""
    names = [f"{PREFIX}contract/N-{n}" for n in range(len(states))]
    via = {"via": [HOP]} if relayed else {}
    items = [item(id=name, data={"reference": name[-3:], "title": "T"}, **via) for name in names]
    given_states = dict(zip(names, states, strict=True))
    found = judge(
        read([orjson.dumps(one) for one in items]),
        THROUGH if relayed else OWN,
        me=ME,
        origins={NODE: OWN.prefixes},
        now=NOW,
        rings=RINGS,
        weigh=lambda asked, _rings: [given_states[one.id] for one in asked],
    )
    of = {"valid": [s.id for s, _ in found.heard], "unknown-key": [s.id for s in found.unproven]}
    for state in ("absent", "invalid"):
        of[state] = [t.record_id for t in found.refused if t.rule == f"signature-{state}"]
    assert of == {state: [name for name in names if given_states[name] == state] for state in of}


def test_an_answer_too_few_is_an_error() -> None:
    """Where fewer signatures are weighed than were asked, no record is taken for another and none is lost unseen."""

    def short(asked: Sequence[Asked], _rings: Mapping[str, Ring]) -> list[State]:
        found: list[State] = ["valid"] * (len(asked) - 1)
        return found

    found = place(read([orjson.dumps(item()), orjson.dumps(second())]), OWN, me=ME, origins={}, now=NOW)
    with pytest.raises(ValueError, match="shorter"):
        look(found, weigh=short)


# What stands already


def test_what_stands_is_not_looked_at_again() -> None:
    """A record that is held in these very bytes is told as standing, and its neighbours are judged all the same."""
    wrong = item(data={"title": "no reference"})
    found = place(read([orjson.dumps(one) for one in (wrong, second())]), OWN, me=ME, origins={}, now=NOW)
    look(found, {C_1})
    assert (found.standing, found.refused, [s.id for s, _ in found.heard]) == ([C_1], [], [C_2])


def test_a_fault_below_data_keeps_its_place() -> None:
    """The pointer to a fault of the data leads from the item, not from its data."""
    deep = item(data={"reference": "C-1", "title": "T", "suppliers": [{"name": 5}]})
    assert [t.pointer for t in judged(deep).refused] == ["/data/suppliers/0/name"]
