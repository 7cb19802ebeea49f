"""The page that a search answers with, computed in this process: `engine.py`, settings as of the server.

Reads one query a line as JSON ({"q": ..., "stage": [...], "value_min": ...}) and answers with milliseconds, how many
records match, and how many bytes the page has. No HTTP, no server: what the engine and the store cost by themselves.
"""

from __future__ import annotations

import sys
import time

import orjson

from api import queries
from api.params import Asked
from federation import lists
from federation.database import Database
from federation.glance import glance
from federation.index import Index
from folkmoot import wiring
from folkmoot.settings import load


def main() -> None:
    """Answer until the input ends."""
    settings = load()
    base = wiring.database(settings)
    index = wiring.services(settings, base).index
    index.refresh()
    print("ready", flush=True)
    for line in sys.stdin:
        print(orjson.dumps(page(base, index, Asked(**orjson.loads(line)))).decode(), flush=True)
    base.dispose()


def page(base: Database, index: Index, asked: Asked) -> dict[str, float]:
    """Compute one page, and tell how long it took."""
    began = time.perf_counter()
    query = queries.query(asked, ["contract"])
    with glance(base) as rows:
        found = lists.find(rows, index, query)
    items = b",".join(lists.item_json(item) for item in found.items)
    facets = {
        name: [{"value": one.value, "label": one.label, "count": one.count} for one in facet.items]
        for name, facet in found.hits.facets.items()
    }
    body = b'{"items":[' + items + b"]," + orjson.dumps({"count": found.hits.count, "facets": facets})[1:]
    return {"ms": (time.perf_counter() - began) * 1_000, "count": found.hits.count, "bytes": len(body)}


if __name__ == "__main__":
    main()
