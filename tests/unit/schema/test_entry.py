"""What the log holds is written as a reader of feeds reads it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schema.change import Via, check_page, read_item
from schema.entry import Entry, item_json, origin_json, page_json, record_json, via_json
from tests.services import NODE, NOW, PREFIX, PUBLISHER

ORIGIN = origin_json(NODE, PUBLISHER, 5, NOW)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"data": b'{"reference":"C-1","title":"Lawns"}'}, "updated"),
        ({"data": None, "reason": "ended"}, "deleted"),
        ({"data": None, "reason": "moved", "moved_to": "https://new.example/id/GB-LAE-EXA/contract/C-1"}, "deleted"),
    ],
)
def test_an_item_tells_what_the_entry_holds(told: dict[str, Any], state: str) -> None:
    """State, reason and new home stand in the item where the entry has them, and a reader reads just these."""
    body = item_json(Entry(7, "contract", f"{PREFIX}contract/C-1", origin=ORIGIN, **told))
    members = {name for name, value in told.items() if value is not None and name != "moved_to"}
    members |= {"movedTo"} if "moved_to" in told else set()
    found = orjson.loads(body)
    assert found.keys() == {"state", "kind", "id", "modified", "origin"} | members
    assert found["state"] == state
    item = read_item(body)
    assert {name: getattr(item, name) for name in told} == told
    assert (item.kind, item.id, item.modified, item.origin.seq) == ("contract", f"{PREFIX}contract/C-1", 7, 5)


URL = f"{NODE}/v1/changes?afterChangeNumber=7"
VIA = via_json((Via("https://a.example/n", "2026-11-01T08:00:00Z"),), "https://b.example/n", NOW)
HOPS = [
    {"node": "https://a.example/n", "harvested": "2026-11-01T08:00:00Z"},
    {"node": "https://b.example/n", "harvested": "2026-11-02T09:00:00Z"},
]


def test_an_origin_names_who_published_which_change_when() -> None:
    """The origin of a record of ours names the node, the publisher, the change's number and its time, in this order."""
    origin = {"node": NODE, "publisher": PUBLISHER, "seq": 5, "time": "2026-11-02T09:00:00Z"}
    assert orjson.dumps(origin) == ORIGIN


def test_an_aggregator_stands_behind_those_before_it() -> None:
    """Whoever passes a record on adds itself at the end of `via`, with the time at which it was harvested."""
    assert orjson.loads(VIA) == HOPS
    assert orjson.loads(via_json((), "https://b.example/n", NOW)) == HOPS[1:]


@pytest.mark.parametrize("via", [None, VIA])
@pytest.mark.parametrize("data", [None, b'{"reference":"C-1","title":"Lawns"}'])
@pytest.mark.parametrize("extra", [None, {}, {"held": True, "nodes": [1]}])
def test_a_record_is_written_with_what_there_is_of_it(
    via: bytes | None, data: bytes | None, extra: dict[str, Any] | None
) -> None:
    """In a list a record has id, kind, data, origin, via and what the list adds, each only where there is any."""
    body = record_json(Entry(7, "contract", f"{PREFIX}contract/C-1", data, ORIGIN, via, "ended"), extra)
    told: dict[str, Any] = {"id": f"{PREFIX}contract/C-1", "kind": "contract", "origin": orjson.loads(ORIGIN)}
    told |= {"data": orjson.loads(data)} if data else {}
    told |= {"via": HOPS} if via else {}
    assert orjson.loads(body) == told | (extra or {})


def test_an_item_carries_the_bytes_of_its_record() -> None:
    """Data, origin and via stand in an item as they are stored, whatever their spelling."""
    data = b'{"title": "Lawns" ,"reference":"C\\u002d1"}'
    item = read_item(item_json(Entry(7, "contract", f"{PREFIX}contract/C-1", data, ORIGIN, VIA)))
    assert (item.data, item.origin_bytes) == (data, ORIGIN)
    assert [{"node": hop.node, "harvested": hop.harvested} for hop in item.via] == HOPS


@pytest.mark.parametrize(
    ("next_url", "latest", "told"), [(URL, 7, 7), (URL, 0, 0), (URL, None, None), (URL.replace("=7", "=9"), 9, None)]
)
def test_latest_stands_on_the_last_page_alone(next_url: str, latest: int | None, told: int | None) -> None:
    """A page names next, epoch and licence; only where it leads to itself does it say the latest number too."""
    entries = [Entry(n, "contract", f"{PREFIX}contract/C-{n}", b"{}", ORIGIN) for n in (8, 9) if next_url != URL]
    body = page_json(
        url=URL,
        next_url=next_url,
        epoch="e1",
        license_url="https://exa.example/l",
        items=(item_json(entry) for entry in entries),
        latest=latest,
    )
    rest = {} if told is None else {"latest": told}
    page = {"next": next_url, "epoch": "e1", "license": "https://exa.example/l"} | rest
    assert orjson.loads(body) == page | {"items": [orjson.loads(item_json(entry)) for entry in entries]}
    read = check_page(body, URL)
    assert (len(read.items), read.ended, read.latest) == (len(entries), next_url == URL, told)
