"""What the log holds is written as a reader of feeds reads it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schema.change import read_item
from schema.entry import Entry, item_json, origin_json
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
