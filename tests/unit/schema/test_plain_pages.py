"""A page read at one go is the page read item by item: the same items, the same faults."""

from __future__ import annotations

from typing import Any
from unittest import mock

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schema import change
from schema.errors import Invalid, Refused

URL = "https://exa.example/v1/changes?afterChangeNumber=0"
ITEM: dict[str, Any] = {
    "state": "updated", "kind": "contract", "id": "https://exa.example/id/GB-LAE-EXA/contract/C-1", "modified": 5,
    "data": {"reference": "C-1", "title": "T"}, "futureMember": [1],
    "origin": {"node": "https://exa.example/n", "publisher": "GB-LAE-EXA", "seq": 5, "time": "2026-11-02T09:00:00Z"},
}  # fmt: skip
_NONE = object()
CHANGES: list[dict[str, Any]] = [
    {}, {}, {}, {"state": "deleted", "data": _NONE, "reason": "ended"}, {"state": "perhaps"}, {"state": 5},
    {"modified": 3}, {"modified": -1}, {"modified": 2**53}, {"modified": "5"}, {"modified": 1.5}, {"id": "twice"},
    {"id": _NONE}, {"id": 7}, {"data": _NONE}, {"data": None}, {"data": 5}, {"origin": _NONE}, {"origin": 5},
    {"origin": {"seq": "x"}}, {"via": [{}]}, {"via": [{"node": "n", "harvested": "t"}] * 9}, {"kind": 5}, {"reason": 5},
    {"data": {"x": "y" * 270_000}}, {"more": "y" * 270_000}, {"more": "y" * 150_000}, {"data": {"x": "y" * 150_000}},
]  # fmt: skip
PAGES = st.fixed_dictionaries(
    {"next": st.sampled_from([URL.replace("=0", "=9"), URL, "https://b.example/", 5]), "license": st.just("l")},
    optional={"epoch": st.sampled_from(["e", "", None, 5]), "latest": st.sampled_from([9, "9", None]), "x": st.none()},
)


def _outcome(body: bytes) -> object:
    try:
        page = change.check_page(body, URL)
    except Refused as error:
        return error.rule, error.detail, error.pointer
    return page.next, page.epoch, page.latest, page.first_modified, page.last_modified, [_read(i) for i in page.items]


def _read(item: Any) -> object:
    try:
        return change.read_item(item)
    except Invalid as error:
        return [(fault.rule, fault.pointer) for fault in error.faults]


@given(
    page=PAGES,
    changes=st.lists(st.sampled_from(CHANGES), max_size=6),
    odd=st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf", b" ", b"x", b"\xff"]),
)
def test_both_ways_to_read_a_page_agree(page: dict[str, Any], changes: list[dict[str, Any]], odd: bytes) -> None:
    """Whatever is wrong with a page or its items, it is told alike, and what is good comes out alike."""
    items = []
    for place, changed in enumerate(changes, 1):
        item = ITEM | {"id": f"{ITEM['id']}{place}", "modified": place * 5} | changed
        items.append({name: value for name, value in item.items() if value is not _NONE})
    body = odd + orjson.dumps(page | {"items": items})
    quickly = _outcome(body)
    with mock.patch.object(change, "_plain", return_value=None):
        assert quickly == _outcome(body)


def test_most_pages_are_read_at_one_go() -> None:
    """A page of 500 good records is not looked at item by item, nor is the end of a feed."""
    items = [ITEM | {"id": f"{ITEM['id']}{n}", "modified": n, "data": {"text": "y" * 1_000}} for n in range(1, 501)]
    for part in (items, []):
        page = {"next": URL.replace("=0", "=500") if part else URL, "license": "l", "items": part}
        with mock.patch.object(change, "_split", side_effect=AssertionError):
            assert len(change.check_page(orjson.dumps(page), URL).items) == len(part)
