"""The rules of a page as a whole, each with its place, and when two bodies say the same."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schema import change
from schema.errors import Invalid, Refused
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
