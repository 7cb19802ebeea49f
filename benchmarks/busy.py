"""What is asked of a whole index: search while a crawl is writing, a window by category and region, facets alone."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from benchmarks import taking_turns
from benchmarks.asking import Line
from benchmarks.equality import hold_facets
from benchmarks.figures import Measured
from benchmarks.ours import Moot
from benchmarks.scene import Scene, terms
from benchmarks.searching import LEAST, Asked
from federation.forms import name_key

CHECKED, FIRST = 2, date(2026, 1, 1)
_ENDING = """
SELECT substr(json_extract(d, '$.classifications[0].id'), 1, 2), publisher, count(*) FROM
  (SELECT publisher, CAST(data AS TEXT) AS d FROM record WHERE kind = 'contract' AND NOT deleted)
WHERE coalesce(json_extract(d, '$.endDate'), '') BETWEEN ? AND ? GROUP BY 1, 2
"""
_DIVIDED = """
SELECT publisher, substr(json_extract(d, '$.classifications[0].id'), 1, 2), json_extract(d, '$.stage'), count(*) FROM
  (SELECT publisher, CAST(data AS TEXT) AS d FROM record WHERE kind = 'contract' AND NOT deleted) GROUP BY 1, 2, 3
"""
_REGIONS = "SELECT publisher, json_extract(CAST(data AS TEXT), '$.region') FROM record WHERE kind = 'organisation'"

Counts = dict[str, dict[str, int]]


def measure(scene: Scene) -> list[Measured]:
    """Give the figures of a whole index."""
    moot = scene.held(scene.size)
    print(f"Asking {scene.size:,} contracts as a whole, and while more are crawled", flush=True)
    each = 6 * scene.rounds
    with moot.serving(), Line(moot.port) as line:
        return [_windows(scene, moot, line, each), _facets(scene, moot, line, each), _busy(scene, moot, line)]


def windows() -> Iterator[tuple[str, str]]:
    """Give half years, each a day later than the one before."""
    for step in itertools.count():
        first = FIRST + timedelta(days=step)
        yield first.isoformat(), (first + timedelta(days=182)).isoformat()


def _windows(scene: Scene, moot: Moot, line: Line, each: int) -> Measured:
    spans = windows()
    regions = {publisher: name_key(region) for publisher, region in moot.sql(_REGIONS) if region}

    def counted(first: str, last: str) -> Counts:
        found = [(("cpv", code), ("region", regions[one]), n) for code, one, n in moot.sql(_ENDING, first, last)]
        return _summed(found)

    def path(first: str, last: str) -> str:
        asked = {"endsAfter": first, "endsBefore": last, "facets": "cpv,region", "limit": "1"}
        return f"/v1/contracts?{urlencode(asked)}"

    for first, last in itertools.islice(spans, CHECKED):
        hold_facets(f"window from {first}", line.json(path(first, last)), counted(first, last))
    return _timed("search.window", scene, line, [path(*span) for span in itertools.islice(spans, each)])


def _facets(scene: Scene, moot: Moot, line: Line, each: int) -> Measured:
    rows = moot.sql(_DIVIDED)
    counts = _summed([(("publisher", one), ("cpv", code), ("stage", stage), n) for one, code, stage, n in rows])
    orders = itertools.cycle(itertools.permutations(("publisher", "cpv", "stage")))
    paths = [f"/v1/contracts?facets={','.join(next(orders))}&limit={1 + step % 50}" for step in range(each + CHECKED)]
    for path in paths[:CHECKED]:
        hold_facets("facets alone", line.json(path), counts)
    return _timed("search.facets", scene, line, paths[CHECKED:])


def _summed(found: list[tuple[Any, ...]]) -> Counts:
    counts: Counts = {}
    for *pairs, number in found:
        for name, value in pairs:
            held = counts.setdefault(name, {})
            held[value] = held.get(value, 0) + number
    return counts


def _timed(key: str, scene: Scene, line: Line, paths: list[str]) -> Measured:
    times = [line.ask(path)[0] for path in paths]
    p50, p99 = statistics.median(times), taking_turns.percentile(times, 0.99)
    print(f"  {key:14} {p50:7.1f} ms", flush=True)
    return Measured(key, {"x": p50}, scene.size, f"p99 {p99:.1f} ms, {len(times)} requests", {"ours": times})


def _busy(scene: Scene, moot: Moot, line: Line) -> Measured:
    """Search while nodes that nobody has read yet are crawled into the same aggregator."""
    more = max(scene.size // 10, 5_000)
    site = scene.up(more, net=2)
    moot.leave_alone()
    moot.add(site)
    least = itertools.count(LEAST)
    words = itertools.cycle(terms("common"))
    child = moot.child("crawl", "--once").start()
    times = _until(lambda: child.ended, line, lambda: Asked(next(words), next(least)).ours())
    child.wait()
    p50, p99 = statistics.median(times), taking_turns.percentile(times, 0.99)
    print(f"  while crawling {p50:7.1f} / {p99:.1f} ms", flush=True)
    note = f"{len(times)} requests while {more:,} records were crawled into {scene.size:,}"
    return Measured("search.busy", {"p50": p50, "p99": p99}, scene.size, note, {"ours": times})


def _until(ended: Callable[[], bool], line: Line, path: Callable[[], str]) -> list[float]:
    times: list[float] = []
    while not ended() or not times:
        times.append(line.ask(path())[0])
    return times
