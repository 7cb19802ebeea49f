"""The stages of a crawl by themselves: `floor.py STAGE SITE SIZE PORT FOLDER HOST...`; prints seconds as JSON.

`store`: rows made beforehand go into our own tables, 5,000 a transaction, and the index is built once at the end: the
least that a crawl can cost with this store and this engine. `fetch`: the pages through our own door, nothing done with
them. `validate`: pages in memory split, read and validated.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from benchmarks.corpus import Corpus
from benchmarks.generate import TIME
from federation import follow, judge
from federation.crawl import walk
from federation.database import Database
from federation.fetch import Door
from federation.tantivy_index import TantivyIndex
from schema.change import Item, check_page, read_item
from schema.kinds import parse
from schema.tables import Record

BATCH, AT_ONCE = 5_000, 8


def main() -> None:
    """Run one stage."""
    stage, site, size, port, folder, *hosts = sys.argv[1:]
    corpus = Corpus(int(size), tuple(hosts), int(port), Path(site))
    print(orjson.dumps(_STAGES[stage](corpus, Path(folder))).decode())


def store(site: Corpus, folder: Path) -> dict[str, float]:
    """Write rows, then build the index."""
    names = list(Record.model_fields)[1:]
    rows = list(_rows(site, names))
    base = sqlite3.connect(folder / "folkmoot.db", isolation_level=None)
    base.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")
    statement = f"INSERT INTO record ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - our own names
    began = time.perf_counter()
    for start in range(0, len(rows), BATCH):
        base.execute("BEGIN IMMEDIATE")
        base.executemany(statement, rows[start : start + BATCH])
        base.execute("UPDATE counter SET n = n + ?", (len(rows[start : start + BATCH]),))
        base.execute("COMMIT")
    stored = time.perf_counter()
    base.close()
    database, index = Database(f"sqlite:///{folder / 'folkmoot.db'}"), TantivyIndex(folder / "index")
    follow.rebuild(database, index)
    ended = time.perf_counter()
    index.close()
    database.dispose()
    return {"store": stored - began, "index": ended - stored, "records": len(rows)}


def _rows(site: Corpus, names: list[str]) -> Iterator[list[Any]]:
    number = 1  # the aggregator's own organisation is change 1
    changed = TIME.replace("T", " ").replace("Z", ".000000")
    for place, feed in enumerate(site.feeds):
        for item in _items(site, place):
            number += 1
            told: dict[str, Any] = {
                "id": item.id, "kind": item.kind, "publisher": item.origin.publisher, "number": number,
                "deleted": 0, "data": item.data, "origin": item.origin_bytes,
                "via": orjson.dumps([{"node": feed.node, "harvested": TIME}]), "origin_node": feed.node,
                "seq": item.origin.seq, "rank": 0, "signature": "absent", "node_id": place + 1, "changed": changed,
                "hidden": 0,
            }  # fmt: skip
            yield [told.get(name) for name in names]


def _items(site: Corpus, place: int) -> Iterator[Item]:
    node = site.node(place)
    for after in sorted(node.places):
        for raw in orjson.loads(node.plain(after))["items"]:
            yield read_item(orjson.dumps(raw))


def fetch(site: Corpus, _folder: Path) -> dict[str, float]:
    """Ask for every page of every feed, at most eight at a time."""

    async def go() -> int:
        async with Door(user_agent="folkmoot-bench", allow_private=True, gap=0.0) as door:
            places = asyncio.Semaphore(AT_ONCE)

            async def one(url: str) -> int:
                async with places:
                    return sum([len(step.page.items) async for step in walk(door.get, url, budget=10**6)])

            return sum(await asyncio.gather(*(one(feed.url()) for feed in site.feeds)))

    began = time.perf_counter()
    records = asyncio.run(go())
    return {"fetch": time.perf_counter() - began, "records": records}


def validate(site: Corpus, _folder: Path) -> dict[str, float]:
    """Check, split, read and validate pages that are in memory already."""
    feed, node = site.feeds[0], site.node(0)
    bodies = [(feed.url(after), node._plain(after)) for after in sorted(node.places)]  # noqa: SLF001
    records = 0
    began = time.perf_counter()
    for url, body in bodies:
        for reading in judge.read(check_page(body, url).items):
            assert isinstance(reading, Item) and reading.data is not None  # noqa: PT018
            parse(reading.kind, reading.data)
            records += 1
    return {"validate": time.perf_counter() - began, "records": records}


_STAGES = {"store": store, "fetch": fetch, "validate": validate}

if __name__ == "__main__":
    main()
