"""JSON that readers read differently, or choke on: pages as a whole, and single items among good ones."""

from __future__ import annotations

import json

from tests.hostile.node import Document, Node
from tests.hostile.register import Change, bends, item
from tests.hostile.talk import written


@bends("json", "page-json")
def starts_with_a_byte_order_mark(page: Document, _node: Node) -> bytes:
    return b"\xef\xbb\xbf" + written(page)


@bends("json", "page-json")
def is_utf_16(page: Document, _node: Node) -> bytes:
    return written(page).decode().encode("utf-16")


@bends("json", "page-json")
def is_no_utf_8(page: Document, _node: Node) -> bytes:
    return written(page).replace(b"Contract NEW", b"Contract \xff\xfe")


@bends("json", "page-json")
def is_overlong_utf_8(page: Document, _node: Node) -> bytes:
    return written(page).replace(b"Contract NEW", b"Contract \xc0\xaf")


@bends("json", "page-json")
def is_cut_off(page: Document, _node: Node) -> bytes:
    return written(page)[:-9]


@bends("json", "page-json")
def has_more_behind(page: Document, _node: Node) -> bytes:
    return written(page) + b"{}"


@bends("json", "page-json")
def is_empty(_page: Document, _node: Node) -> bytes:
    return b""


@bends("json", "page-members")
def is_a_list(_page: Document, _node: Node) -> bytes:
    return b"[]"


@bends("json", "page-json")
def is_a_deep_well(_page: Document, _node: Node) -> bytes:
    return b'{"x":' + b"[" * 200_000


@bends("json", "page-size")
def has_millions_of_items(_page: Document, node: Node) -> bytes:
    return f'{{"next":"{node.at(9)}","license":"x","items":['.encode() + b"0," * 4_000_000 + b"0]}"


@bends("json", "item-members")
def has_items_of_nothing(_page: Document, node: Node) -> bytes:
    return f'{{"next":"{node.at(9)}","license":"x","items":[0,0,0]}}'.encode()


@bends("json", "page-members")
def has_no_items(page: Document, _node: Node) -> Document:
    return {name: value for name, value in page.items() if name != "items"}


@bends("json", "page-members")
def has_items_that_are_no_list(page: Document, _node: Node) -> Document:
    return page | {"items": {"0": page["items"]}}


def _with(title: str) -> Change:
    """An item whose title is this text of JSON."""

    def change(found: Document, _node: Node) -> bytes:
        return json.dumps(found).replace('"Contract NEW"', title).encode()

    return change


def _beside(more: str) -> Change:
    """An item in whose data these members stand beside the title."""
    return _with(f'"Contract NEW",{more}')


item("holds_nan", "json", "page-json", _beside('"x":NaN'))
item("holds_infinity", "json", "page-json", _beside('"x":Infinity'))
item("holds_a_comment", "json", "page-json", _beside('"x":1/**/'))
item("holds_a_number_without_end", "json", "schema", _beside('"x":1e999'))
item("holds_an_integer_too_large", "json", "schema", _beside('"x":9007199254740993'))
item("holds_five_thousand_digits", "json", "schema", _beside('"x":' + "9" * 5_000))
item("says_a_member_twice", "json", "schema", _beside('"title":"Another"'))
item("says_an_unknown_member_twice", "json", "schema", _beside('"x":{"y":1,"y":2}'))
item("holds_nul", "json", "schema", _with('"Contract \\u0000NEW"'))
item("holds_a_control_character", "json", "schema", _with('"Contract \\u0007NEW"'))
item("holds_nul_in_a_name", "json", "schema", _beside('"x\\u0000":1'))
item("holds_half_a_surrogate", "json", "page-json", _with('"Contract \\ud800"'))
item("holds_half_a_surrogate_in_a_name", "json", "page-json", _beside('"\\udfff":1'))
item("nests_too_deeply", "json", "schema", _beside('"x":' + "[" * 40 + "]" * 40))
item("nests_without_end", "json", "schema", _beside('"x":' + "[" * 900 + "]" * 900))
item("has_a_million_members", "json", "item-size", _beside(",".join(f'"m{n}":0' for n in range(100_000))))
item("has_ten_megabytes", "json", "item-size", _with(f'"{"x" * 3_000_000}"'))
item("has_a_title_of_the_wrong_type", "json", "schema", _with("5"))
item("has_data_that_is_a_list", "json", "schema", lambda found, _node: found | {"data": [found["data"]]})
item("has_data_that_is_a_text", "json", "schema", lambda found, _node: found | {"data": json.dumps(found["data"])})
item("has_a_null_for_a_title", "json", "schema", _with("null"))
item("has_a_truth_for_a_number", "json", "schema", _beside('"value":{"amount":true,"currency":"GBP"}'))
