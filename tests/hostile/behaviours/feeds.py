"""Feeds that loop, lie, rewind or never end."""

from __future__ import annotations

from tests.hostile.node import Document, Node
from tests.hostile.register import bends, item


@bends("feeds", "page-members")
def has_no_next(page: Document, _node: Node) -> Document:
    return {name: value for name, value in page.items() if name != "next"}


@bends("feeds", "next-same-path")
def leads_to_another_host(page: Document, _node: Node) -> Document:
    return page | {"next": "http://169.254.169.254/v1/changes?afterChangeNumber=9"}


@bends("feeds", "next-same-path")
def leads_to_another_path(page: Document, node: Node) -> Document:
    return page | {"next": f"{node.url}/admin?afterChangeNumber=9"}


@bends("feeds", "next-same-path")
def leads_up_and_out(page: Document, node: Node) -> Document:
    return page | {"next": f"{node.url}/v1/../admin?afterChangeNumber=9"}


@bends("feeds", "next-same-path")
def leads_to_a_script(page: Document, _node: Node) -> Document:
    return page | {"next": "javascript:alert(1)"}


@bends("feeds", "next-advances")
def stands_still(page: Document, node: Node) -> Document:
    return page | {"next": node.at(page["items"][0]["modified"] - 1)} if page["items"] else page


@bends("feeds", "next-advances")
def goes_back(page: Document, node: Node) -> Document:
    return page | {"next": node.at(1)}


@bends("feeds", "empty-pages")
def is_empty_for_ever(page: Document, node: Node) -> Document:
    here = int(page["next"].rpartition("=")[2])
    return page | {"items": [], "next": node.at(here + 1)}


@bends("feeds", "items-ordered")
def repeats_itself(page: Document, node: Node) -> Document:
    here = int(page["next"].rpartition("=")[2])
    return page | {"items": [node.items[-1] | {"modified": 1}], "next": node.at(here + 1)}


@bends("feeds", "items-ordered")
def falls(page: Document, node: Node) -> Document:
    return page | {"items": [node.items[-1] | {"modified": 90}, node.items[-2] | {"modified": 80}]}


@bends("feeds", "items-once")
def says_one_thing_twice(page: Document, node: Node) -> Document:
    return page | {"items": [node.items[-1] | {"modified": 90}, node.items[-1] | {"modified": 91}]}


@bends("feeds", "page-size")
def has_too_many_items(page: Document, node: Node) -> Document:
    return page | {
        "items": [node.items[-1] | {"modified": 90 + n, "id": f"{node.prefix}tool/T{n}"} for n in range(1_001)]
    }


@bends("feeds", "latest")
def has_lost_what_was_read(page: Document, _node: Node) -> Document:
    return page if page["items"] else page | {"latest": 1}


@bends("feeds", "reachable", "another epoch")
def begins_anew_with_every_page(page: Document, node: Node) -> Document:
    node.contracts += 1
    return page | {"epoch": f"e{node.contracts}"}


@bends("feeds", "page-members")
def has_a_strange_epoch(page: Document, _node: Node) -> Document:
    return page | {"epoch": "two\nlines"}


item("has_a_strange_state", "feeds", "item-state", lambda found, _node: found | {"state": "maybe"})
item("has_no_number", "feeds", "item-members", lambda found, _node: found | {"modified": None})
item("has_a_text_for_a_number", "feeds", "item-members", lambda found, _node: found | {"modified": "99"})
item("has_a_number_too_large", "feeds", "items-ordered", lambda found, _node: found | {"modified": 2**53})
item("has_a_number_past_64_bits", "feeds", "items-ordered", lambda found, _node: found | {"modified": 2**70})
item("has_a_negative_number", "feeds", "items-ordered", lambda found, _node: found | {"modified": -5})
item(
    "deletes_and_updates",
    "feeds",
    "deleted-no-data",
    lambda found, _node: found | {"state": "deleted", "reason": "ended"},
)
item("deletes_for_no_reason", "feeds", "tombstone-reason", lambda found, _node: _dead(found) | {"reason": "because"})
item("says_nothing", "feeds", "item-members", lambda found, _node: {n: v for n, v in found.items() if n != "data"})


def _dead(found: Document) -> Document:
    return {name: value for name, value in found.items() if name != "data"} | {"state": "deleted"}
