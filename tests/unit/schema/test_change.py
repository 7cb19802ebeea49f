"""The rules of a page as a whole, each with its place, and when two bodies say the same."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schema import change
from schema.errors import Fault, Invalid, Refused
from tests.unit.schema.test_plain_pages import ITEM, URL


def _page(items: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"next": URL.replace("=0", "=9999"), "license": "l", "items": items})


def _items(count: int) -> list[dict[str, Any]]:
    return [ITEM | {"id": f"{ITEM['id']}{number}", "modified": number} for number in range(1, count + 1)]


def test_a_page_may_have_a_thousand_items_and_not_one_more() -> None:
    """A page with more items than are taken is refused as a whole, at its items."""
    assert len(change.check_page(_page(_items(change.MAX_ITEMS)), URL).items) == 1_000
    with pytest.raises(Refused) as refused:
        change.check_page(_page(_items(change.MAX_ITEMS + 1)), URL)
    told = refused.value
    assert (told.rule, told.pointer) == ("page-size", "/items")
    assert told.detail == "The page has more than 1000 items."


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize("letter", [b"C", rb"\u0043"])
def test_an_id_stands_once_in_a_page(place: int, letter: bytes) -> None:
    """The second item of an id refuses the page, at the id of the one that repeats it, however it is spelled."""
    items = _items(3)
    items[place] |= {"id": items[0]["id"].replace("C-", "?-")}
    with pytest.raises(Refused, match="The same id stands twice in one page") as refused:
        change.check_page(_page(items).replace(b"?-", letter + b"-"), URL)
    assert (refused.value.rule, refused.value.pointer) == ("items-once", f"/items/{place}/id")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (None, None, True),
        (None, b"{}", False),
        (b"null", None, False),
        (b'{"a": 1, "b": [2]}', b'{"b":[2],"a":1}', True),
        (b'{"a":1}', b'{"a":1.0}', False),
        (b'{"a":1}', b'{"a":true}', False),
    ],
)
def test_two_bodies_say_the_same_whatever_their_spelling(
    one: bytes | None, other: bytes | None, *, alike: bool
) -> None:
    """Order and blanks of JSON say nothing; a tombstone has no body and is the same as a tombstone alone."""
    assert change.same(one, other) is alike
    assert change.same(other, one) is alike


@pytest.mark.parametrize(
    ("more", "pointer", "message"),
    [
        (b"[" * 300 + b"]" * 300, "/origin", "It is nested too deeply."),
        (rb'"\u0007"', "/origin/more", "It holds a control character."),
    ],
)
def test_an_origin_that_not_all_read_alike_is_refused_alone(more: bytes, pointer: str, message: str) -> None:
    """An item whose origin a relay could not write again, or a signature not cover, is refused; its page is not."""
    sent = orjson.dumps(ITEM).replace(b'"seq"', b'"more":' + more + b',"seq"')
    page = _page([]).replace(b"[]", b"[" + sent + b"]")
    with pytest.raises(Invalid) as refused:
        change.read_item(change.check_page(page, URL).items[0])
    (fault,) = refused.value.faults
    assert (fault.rule, fault.pointer) == ("origin", pointer)
    assert fault.message.startswith(message)


def test_an_id_that_is_no_text_is_refused_alone() -> None:
    """However deep what stands for an id is, and whatever is in it, the page is read, and only the item refused."""
    deep = b"[" * 300 + rb'"\n"' + b"]" * 300
    page = _page([ITEM | {"id": "?"}]).replace(b'"?"', deep)
    with pytest.raises(Invalid) as refused:
        change.read_item(change.check_page(page, URL).items[0])
    assert refused.value.faults[0].rule == "item-members"


LARGE = b'{"pad":"' + b"x" * change.LARGE_PAGE + b'",'
"""With this at its head a page is looked at with care, item by item."""


def _whole(**members: Any) -> bytes:
    return orjson.dumps({"next": URL.replace("=0", "=9"), "license": "l", "items": []} | members)


def _sizes(body: bytes) -> list[bytes]:
    """A page as it is, and as one of megabytes."""
    return [body, LARGE + body[1:]]


NO_URL = ("next-same-path", "next is no URL of at most 2,000 plain characters.", "/next")
NO_EPOCH = ("page-members", "epoch is not 1 to 64 plain characters.", "/epoch")
NO_LATEST = ("page-members", "latest is no change number.", "/latest")
ORDER = "change numbers rise strictly within a feed."
BROKEN: dict[str, tuple[bytes, tuple[str, str, str]]] = {
    "cut off": (b"{", ("page-json", "The page is not one JSON object: ", "")),
    "no end of nesting": (b'{"x":' + b"[" * 100_000, ("page-json", "The page is not one JSON object: ", "")),
    "no members": (b'{"x":1}', ("page-members", "The page lacks what RPDE asks for: Object missing ", "")),
    "no list": (_whole(items=5), ("page-members", "The page lacks what RPDE asks for: items: Expected ", "")),
    "next is no URL": (_whole(next="x y"), NO_URL),
    "next is too long": (_whole(next=URL + "0" * 2_000), NO_URL),
    "no epoch": (_whole(epoch=""), NO_EPOCH),
    "a long epoch": (_whole(epoch="e" * 65), NO_EPOCH),
    "latest below 0": (_whole(latest=-1), NO_LATEST),
    "latest too high": (_whole(latest=2**53), NO_LATEST),
    "an item that is none": (_whole(items=[ITEM, 5]), ("item-members", "The item is no RPDE item: ", "/items/1")),
    "no state": (
        _whole(items=[ITEM | {"state": "s" * 50}]),
        ("item-state", f"state is '{'s' * 40}'; expected updated or deleted.", "/items/0/state"),
    ),
    "not rising": (
        _whole(items=[ITEM, ITEM | {"id": "other"}]),
        ("items-ordered", f"modified is 5 after 5; {ORDER}", "/items/1/modified"),
    ),
    "below 0": (
        _whole(items=[ITEM | {"modified": -1}]),
        ("items-ordered", f"modified is -1 after -1; {ORDER}", "/items/0/modified"),
    ),
    "beyond all numbers": (
        _whole(items=[ITEM, ITEM | {"id": "other", "modified": 2**53}]),
        ("items-ordered", f"modified is {2**53} after 5; {ORDER}", "/items/1/modified"),
    ),
    "next is itself": (
        _whole(items=[ITEM], next=URL),
        ("next-advances", "The page has items, yet its next is itself.", "/next"),
    ),
}


@pytest.mark.parametrize(("body", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_page_that_breaks_a_rule_is_told_which_and_where(body: bytes, told: tuple[str, str, str]) -> None:
    """The rule, what is wrong and its place are told of a page of any size, for its publisher to mend."""
    for page in _sizes(body):
        with pytest.raises(Refused) as refused:
            change.check_page(page, URL)
        found = refused.value
        assert (found.rule, found.pointer) == (told[0], told[2])
        reader_says = told[1].endswith(" ")  # its own words follow
        assert found.detail.startswith(told[1]) if reader_says else found.detail == told[1]


def test_a_page_with_a_byte_order_mark_is_told_so() -> None:
    """What stands before the page's JSON is named, and is not left to a reader that skips it."""
    with pytest.raises(Refused) as refused:
        change.check_page(b"\xef\xbb\xbf" + _whole(), URL)
    told = (refused.value.rule, refused.value.detail, refused.value.pointer)
    assert told == ("page-json", "The page starts with a byte order mark; JSON has none.", "")


@pytest.mark.parametrize(
    "there", ["http://exa.example/v1/changes", "https://b.example/v1/changes", "https://exa.example/v1/change?a=1"]
)
def test_next_differs_in_its_query_alone(there: str) -> None:
    """A next with another scheme, host or path is refused, and told by its first 200 characters."""
    for page in _sizes(_whole(next=there + "x" * 300)):
        with pytest.raises(Refused) as refused:
            change.check_page(page, URL)
        said = f"next is {(there + 'x' * 300)[:200]}; it must be this page's own URL but for the query."
        assert (refused.value.rule, refused.value.detail, refused.value.pointer) == ("next-same-path", said, "/next")


def test_a_page_tells_what_its_reader_goes_by() -> None:
    """Of a page of any size come its own URL and size, next, epoch, latest and the numbers of its first and last."""
    items = [ITEM | {"id": f"{ITEM['id']}{n}", "modified": n} for n in (0, 7, change.MAX_NUMBER)]
    for latest in (0, change.MAX_NUMBER):
        for body in _sizes(_whole(items=items, epoch="e" * 64, latest=latest)):
            page = change.check_page(body, URL)
            assert (page.url, page.next, page.size) == (URL, URL.replace("=0", "=9"), len(body))
            assert (page.epoch, page.latest) == ("e" * 64, latest)
            assert (page.first_modified, page.last_modified) == (0, change.MAX_NUMBER)
            assert [change.read_item(item).modified for item in page.items] == [0, 7, change.MAX_NUMBER]
    for body in _sizes(_whole()):
        page = change.check_page(body, URL)
        assert (page.epoch, page.latest, page.first_modified, page.last_modified) == (None, None, -1, -1)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_byte_that_is_no_text_is_told_by_its_place(place: int) -> None:
    """The byte at which a page is no UTF-8 is told, also where a character lies across two of the pieces it is read in.

    Such a character by itself is no fault.
    """
    before = b'{"x":"'
    whole = before + b"x" * (2**20 - len(before) - place) + "\U0001f333".encode()
    good = whole + b"x" * 2**20 + b'",' + _whole()[1:]
    assert change.check_page(good, URL).size == len(good) > change.LARGE_PAGE
    for at, broken in ((2**20 - place, whole[:-1] + b"x" + good[len(whole) :]), (len(good), good + b"\xf0")):
        with pytest.raises(Refused) as refused:
            change.check_page(broken, URL)
        told = (refused.value.rule, refused.value.detail, refused.value.pointer)
        assert told == ("page-json", f"The page is not UTF-8 (byte {at}).", "")


FAULTS: dict[str, tuple[dict[str, Any], Fault]] = {
    "deleted with data": (
        {"state": "deleted", "reason": "ended"},
        Fault("/data", "A deleted item carries no data.", rule="deleted-no-data"),
    ),
    "updated without": ({"data": None}, Fault("/data", "An updated item carries data.", rule="item-members")),
    "no reason": (
        {"state": "deleted", "data": None},
        Fault(
            "/reason",
            "A tombstone says why.",
            None,
            "ended, error, personal-data, moved, withdrawn, dropped",
            rule="tombstone-reason",
        ),
    ),
    "another reason": (
        {"state": "deleted", "data": None, "reason": "because"},
        Fault(
            "/reason",
            "A tombstone says why.",
            "because",
            "ended, error, personal-data, moved, withdrawn, dropped",
            rule="tombstone-reason",
        ),
    ),
    "no seq": (
        {"origin": ITEM["origin"] | {"seq": 0}},
        Fault("/origin/seq", "seq is a change number.", 0, "1 to 2^53-1", rule="origin"),
    ),
    "seq too high": (
        {"origin": ITEM["origin"] | {"seq": 2**53}},
        Fault("/origin/seq", "The number is too large.", str(2**53), "an integer within ±(2^53-1)", rule="origin"),
    ),
    "too many hops": (
        {"via": [{"node": "n", "harvested": "t"}] * 8},
        Fault("/via", "The record passed 8 aggregators; 8 at most.", rule="hops"),
    ),
}


def _read(changed: dict[str, Any]) -> list[change.Item | Fault]:
    """An item as it is read from a page, and as bytes alone: what came of it, or its one fault."""
    members = {name: value for name, value in (ITEM | changed).items() if not (name == "data" and value is None)}
    found: list[change.Item | Fault] = []
    for raw in (change.check_page(_whole(items=[members]), URL).items[0], orjson.dumps(members)):
        try:
            found.append(change.read_item(raw))
        except Invalid as refused:
            found.extend(refused.faults)
    return found


@pytest.mark.parametrize(("changed", "told"), FAULTS.values(), ids=FAULTS.keys())
def test_an_item_at_fault_is_told_what_and_where(changed: dict[str, Any], told: Fault) -> None:
    """The place, what stood there, what is expected and the rule are told of an item that is refused alone."""
    assert _read(changed) == [told, told]


def test_an_item_is_read_whole() -> None:
    """All that an item says of a record comes out as it was sent: its bytes, each aggregator and where it moved to."""
    via = [{"node": f"n{n}", "harvested": "t"} for n in range(change.MAX_HOPS - 1)]
    moved = {"state": "deleted", "data": None, "reason": "moved", "movedTo": "https://b.example/id", "via": via}
    for item in _read(moved | {"origin": ITEM["origin"] | {"seq": change.MAX_NUMBER}}):
        assert isinstance(item, change.Item)
        assert (item.deleted, item.reason, item.moved_to) == (True, "moved", "https://b.example/id")
        assert [hop.node for hop in item.via] == [hop["node"] for hop in via]
        assert item.origin.seq == change.MAX_NUMBER
        assert orjson.loads(item.origin_bytes) == ITEM["origin"] | {"seq": change.MAX_NUMBER}
        assert change.read_origin(item.origin_bytes) == item.origin
    for item in _read({"origin": ITEM["origin"] | {"seq": 1}}):
        assert isinstance(item, change.Item)
        assert (item.deleted, item.reason, item.moved_to, item.via) == (False, None, None, ())
        assert (item.kind, item.id, item.modified) == (ITEM["kind"], ITEM["id"], ITEM["modified"])
        assert item.data == orjson.dumps(ITEM["data"])


def test_an_item_has_at_most_256_kb() -> None:
    """An item of exactly 256 KB is read from its page, one byte more is refused alone and told its size."""
    item = orjson.dumps(ITEM | {"more": ""})
    most = item.replace(b'"more":""', b'"more":"' + b"x" * (change.MAX_ITEM_BYTES - len(item)) + b'"')
    (good,) = change.check_page(_whole(items=[]).replace(b"[]", b"[" + most + b"]"), URL).items
    assert change.read_item(good).id == change.read_item(most).id == ITEM["id"]
    (large,) = change.check_page(
        _whole(items=[]).replace(b"[]", b"[" + most.replace(b"xx", b"xxx", 1) + b"]"), URL
    ).items
    with pytest.raises(Invalid) as refused:
        change.read_item(large)
    (told,) = refused.value.faults
    assert told == Fault("", "The item is 262145 bytes; at most 262144 are taken.", rule="item-size")


def test_an_item_that_is_none_is_told_so() -> None:
    """What lacks the members of an item is told as that, and what is wrong with it."""
    with pytest.raises(Invalid) as refused:
        change.read_item(b'{"state":"updated"}')
    (told,) = refused.value.faults
    assert (told.pointer, told.rule) == ("", "item-members")
    assert told.message.startswith("The item is no change of a feed: Object missing ")


def test_only_a_page_of_megabytes_is_looked_at_item_by_item() -> None:
    """Up to two megabytes a good page is read at one go, tombstones and all; beyond that its items stay bytes."""
    gone = {"id": "gone", "modified": 6, "state": "deleted", "reason": "ended"}
    items = [ITEM, {name: value for name, value in (ITEM | gone).items() if name != "data"}]
    items += [ITEM | {"id": f"{ITEM['id']}{n}", "modified": n, "data": {"x": "y" * 100_000}} for n in range(7, 27)]
    body = _whole(items=items, pad="")
    for size, kind in ((change.LARGE_PAGE, change.Loose), (change.LARGE_PAGE + 1, bytes)):
        padded = body.replace(b'"pad":""', b'"pad":"' + b"x" * (size - len(body)) + b'"')
        assert len(padded) == size
        page = change.check_page(padded, URL)
        assert {type(item) for item in page.items} == {kind}
        assert [change.read_item(item).deleted for item in page.items[:3]] == [False, True, False]
