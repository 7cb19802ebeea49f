"""The two search engines side by side: `python -m benchmarks.engines --size 100k`.

Both get the same documents through the seam, each alone; then both are asked the same queries in turns. Before a
figure is told, both are shown to count, facet and list the same. The cluster is three nodes on this machine, of which
each has its shards beside tantivy's one folder: what it costs to have more machines, not what more machines give.
`--cluster HOST:PORT,...` asks a cluster of yours instead. Java 17 and Maven are needed otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.equality import FACETS, held
from benchmarks.generate import SIZES, Feed
from benchmarks.machine import told
from benchmarks.scene import CHECKED, five, terms
from benchmarks.taking_turns import percentile
from federation.documents import Document, Place, Source
from federation.index import Index, Query, Reached, Span, Terms
from federation.making import document
from federation.opensearch.address import read
from federation.opensearch_index import OpenSearchIndex
from federation.tantivy_index import TantivyIndex
from tests.opensearch.cluster import Cluster

_BATCH, _TURNS, _WARM = 1_000, 60, 10
_NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


@dataclass(slots=True)
class Side:
    """One engine and what was measured of it: seconds of building, bytes, milliseconds by class of terms."""

    name: str
    index: Index
    seconds: float = 0.0
    size: int = 0
    ms: dict[str, list[float]] = field(default_factory=dict)


def batches(size: int) -> Iterator[list[Document]]:
    """Make the documents of a register of so many contracts, a thousand at a time."""
    feed = Feed("http://bench.example", size)
    places: dict[str, Place] = {}
    row = 0
    for page in feed.pages():
        made = []
        for item in orjson.loads(page.body)["items"]:
            row += 1
            publisher, data = item["origin"]["publisher"], item["data"]
            if item["kind"] == "organisation":
                places[publisher] = Place(data["name"], data.get("region", ""), data.get("nation", ""))
            source = Source(row, item["id"], item["kind"], publisher, row, orjson.dumps(data), _NOW)
            found = document(source, places.get(publisher))
            if found is not None:
                made.append(found)
        yield made


def build(side: Side, size: int) -> int:
    """Fill an engine; only its own time counts, not that of making documents. Gives how many there are."""
    count = 0
    began = time.perf_counter()
    with side.index.rebuilding() as sink:
        side.seconds += time.perf_counter() - began
        for batch in batches(size):
            began = time.perf_counter()
            sink.stage(batch, (), new=True)
            side.seconds += time.perf_counter() - began
            count += len(batch)
        began = time.perf_counter()
        sink.commit(Reached("bench", count))
    side.seconds += time.perf_counter() - began
    return count


def asked(words: str, least: float, **more: Any) -> Query:
    """Make a query of words, a filter by value and one by amount, three facets and 20 rows."""
    filters = (Terms("stage", ("active",)), Span("high", least))
    return Query(words, filters, sort="relevance", facets=FACETS, **more)


def compare(sides: Sequence[Side]) -> None:
    """Raise `Differs` unless both count, facet and list alike."""
    one, other = sides
    held("documents", one.index.count(), other.index.count())
    for words in (*five(), *(terms(kind)[0] for kind in CHECKED), ""):
        for query in (asked(words, 5_000.0), Query(words, sort="end", facets=FACETS, limit=100)):
            first, second = one.index.search(query), other.index.search(query)
            held(f"{words}: count", first.count, second.count)
            held(f"{words}: facets", first.facets, second.facets)
            if query.sort != "relevance":
                held(f"{words}: rows", first.rows, second.rows)


def measure(sides: Sequence[Side]) -> None:
    """Ask both in turns, every time with another least amount, so that no answer can have been kept."""
    numbers = itertools.count(1)
    for kind in CHECKED:
        for turn in range(_WARM + _TURNS):
            query = asked(terms(kind)[turn % 5], next(numbers) / 100)
            for side in sides:
                began = time.perf_counter()
                side.index.search(query)
                if turn >= _WARM:
                    side.ms.setdefault(kind, []).append((time.perf_counter() - began) * 1_000)


def weigh(folder: Path, index: OpenSearchIndex) -> tuple[int, int, int]:
    """Give the bytes of tantivy's folder, and of the cluster's index: its first copies, and all of them."""
    own = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    found = index.cluster.ask("GET", f"/{index.address.name}/_stats/store")["_all"]
    return own, found["primaries"]["store"]["size_in_bytes"], found["total"]["store"]["size_in_bytes"]


def rows(sides: Sequence[Side], count: int, copies: int) -> Iterator[tuple[str, ...]]:
    """Give the lines of the table."""
    yield ("", *(side.name for side in sides))
    yield ("documents built a second", *(f"{count / side.seconds:,.0f}" for side in sides))
    yield ("on disk, MB", *(f"{side.size / 1e6:,.0f}" for side in sides))
    yield ("... with its copies", "", f"{copies / 1e6:,.0f}")
    for kind in CHECKED:
        yield (f"{kind} term, p50 / p99 ms", *(_times(side.ms[kind]) for side in sides))


def _times(ms: list[float]) -> str:
    return f"{statistics.median(ms):.1f} / {percentile(ms, 0.99):.1f}"


def summary(sides: Sequence[Side], count: int, copies: int) -> Mapping[str, Any]:
    """Give the same as JSON."""
    return {
        "documents": count,
        "copiesBytes": copies,
        "machine": told(),
        "engines": {
            side.name: {
                "buildSeconds": round(side.seconds, 2),
                "bytes": side.size,
                "ms": {k: {"p50": statistics.median(v), "p99": percentile(v, 0.99)} for k, v in side.ms.items()},
            }
            for side in sides
        },
    }


def main() -> None:
    """Build, compare, measure, tell."""
    parser = argparse.ArgumentParser(description="The two search engines side by side.")
    parser.add_argument("--size", choices=SIZES, default="100k")
    parser.add_argument("--cluster", default="", help="HOST:PORT,... of a cluster to use instead of starting one")
    parser.add_argument("--heap", type=int, default=2_048, help="megabytes a node that is started")
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="folkmoot-engines-")))
        servers = given.cluster
        if not servers:
            servers = stack.enter_context(Cluster(folder / "cluster", heap=given.heap, quick=False)).servers
        address = read(f"http://{servers}/bench-{secrets.token_hex(4)}?shards={given.shards}")
        cluster = stack.enter_context(closing(OpenSearchIndex(address)))
        stack.callback(cluster.cluster.ask, "DELETE", f"/{address.name}-*")
        own = stack.enter_context(closing(TantivyIndex(folder / "tantivy")))
        sides = [Side("tantivy", own), Side("OpenSearch", cluster)]
        count, _ = (build(side, SIZES[given.size]) for side in sides)
        compare(sides)
        measure(sides)
        sides[0].size, sides[1].size, copies = weigh(folder / "tantivy", cluster)
    for line in rows(sides, count, copies):
        print(f"{line[0]:32}{line[1]:>20}{line[2]:>20}")
    if given.json:
        given.json.write_bytes(orjson.dumps(summary(sides, count, copies), option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
