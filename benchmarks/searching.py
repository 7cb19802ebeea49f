"""Search over HTTP: against Datasette on the same records, against the same page computed in process."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import orjson

from benchmarks import taking_turns
from benchmarks.asking import Line
from benchmarks.environments import environment
from benchmarks.equality import FACETS, held, hold_facets
from benchmarks.figures import Measured
from benchmarks.ours import Moot
from benchmarks.places import HERE, free_port, fresh
from benchmarks.processes import Child, python, ready
from benchmarks.scene import CHECKED, Scene, five, terms

LEAST = 10_000
IN_A_ROW = 40
"""Requests of one side, one after the other: it takes a virtual machine some ten to find out that it is not idle."""
_LIFTED = {
    "sql_time_limit_ms": "60000",
    "facet_time_limit_ms": "60000",
    "facet_suggest_time_limit_ms": "60000",
    "suggest_facets": "off",
    "max_returned_rows": "5000",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One query, for all sides. The sum differs at every request, so that no answer can have been kept."""

    words: str
    least: float

    def ours(self, **more: str) -> str:
        """Give the path of our API."""
        asked = {"q": self.words, "stage": "active", "valueMin": f"{self.least:.2f}", "facets": ",".join(FACETS)}
        return f"/v1/contracts?{urlencode(asked | more)}"

    def datasette(self, **more: str) -> str:
        """Give the path of Datasette; the table's full-text index must be named, or the words are ignored."""
        asked = [
            ("_search", self.words), ("_fts_table", "fts"), ("_fts_pk", "rid"), ("kind", "contract"),
            ("stage", "active"), ("value__gte", f"{self.least:.2f}"), *(("_facet", name) for name in FACETS),
            ("_size", "20"), ("_shape", "objects"), *more.items(),
        ]  # fmt: skip
        return f"/records/records.json?{urlencode(asked)}"

    def engine(self) -> str:
        """Give the line of `peers/engine.py`."""
        asked = {"q": self.words, "stage": ["active"], "value_min": f"{self.least:.2f}", "facets": [",".join(FACETS)]}
        return orjson.dumps(asked).decode()


@dataclass(slots=True)
class Times:
    """Milliseconds of one class of terms, a list a round."""

    ours: list[list[float]] = field(default_factory=list)
    peer: list[list[float]] = field(default_factory=list)
    engine: list[list[float]] = field(default_factory=list)


def engine(moot: Moot) -> Child:
    """Give a process that computes pages of an aggregator, not yet started. Its first line says that it is ready."""
    return Child(python(HERE / "peers" / "engine.py"), moot.environment, moot.folder / "engine.log")


class Searching:
    """The sides of a search, all up while the block runs."""

    def __init__(self, scene: Scene, moot: Moot, *, peer: bool) -> None:
        self.scene, self.moot, self.peer = scene, moot, peer
        self.least = float(LEAST)
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        self.stack.enter_context(self.moot.serving())
        self.line = self.stack.enter_context(Line(self.moot.port))
        self.process = self.stack.enter_context(engine(self.moot))
        self.process.hear()
        if self.peer:
            self.datasette = self.stack.enter_context(_datasette(self.scene))
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stack.close()

    def next(self, words: str) -> Asked:
        """Give a query that was not asked before."""
        self.least += 0.01
        return Asked(words, self.least)

    def check(self) -> None:
        """Hold both sides to the same counts, the same facets and, in order of change, the same 20 records."""
        for words in (*five(), *(terms(kind)[0] for kind in CHECKED)):
            asked = self.next(words)
            mine = self.line.json(asked.ours(sort="-updated"))
            theirs = self.datasette.json(asked.datasette(_sort_desc="modified", _facet_size="max"))
            held(f"Datasette '{words}': count", theirs["filtered_table_rows_count"], mine["count"]["value"])
            hold_facets(f"Datasette '{words}'", mine, _counts(theirs))
            order = [[item["id"] for item in mine["items"]], [row["id"] for row in theirs["rows"]]]
            held(f"Datasette '{words}': records in order of change", order[1], order[0])
            told = orjson.loads(self.process.ask(asked.engine()))
            held(f"in process '{words}': count", told["count"], mine["count"]["value"])

    def times(self, kind: str, each: int) -> Times:
        """Ask with the terms of a class: `each` requests in a row of every side in turn, as a client asks that is busy.

        What comes first in a class is not counted.
        """
        asking = {"ours": self._ours, "engine": self._engine} | ({"peer": self._peer} if self.peer else {})
        found = {side: list[list[float]]() for side in asking}
        for words in terms(kind):
            for ask in asking.values():
                ask(self.next(words))
        for _ in range(self.scene.rounds):
            for side, ask in asking.items():
                found[side].append([ask(self.next(terms(kind)[step % 5])) for step in range(each)])
        return Times(**found)

    def one_by_one(self, kind: str, each: int) -> Times:
        """The same, one request of each side in turn: none finds the machine as it left it."""
        found = Times([[]], [[]])
        for step in range(each):
            found.ours[0].append(self._ours(self.next(terms(kind)[step % 5])))
            found.peer[0].append(self._peer(self.next(terms(kind)[step % 5])))
        return found

    def _ours(self, asked: Asked) -> float:
        return self.line.ask(asked.ours())[0]

    def _peer(self, asked: Asked) -> float:
        return self.datasette.ask(asked.datasette())[0]

    def _engine(self, asked: Asked) -> float:
        return float(orjson.loads(self.process.ask(asked.engine()))["ms"])


def _counts(answer: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    found = answer["facet_results"]
    return {name: {one["value"]: one["count"] for one in found[name]["results"]} for name in FACETS}


@contextmanager
def _datasette(scene: Scene) -> Iterator[Line]:
    port = free_port()
    lifted = [part for name, value in _LIFTED.items() for part in ("--setting", name, value)]
    command: list[str | Path] = [environment("datasette"), "-m", "datasette", "serve", "-i", scene.peer_file]
    command += ["-p", str(port), *lifted]
    with Child(command, log=fresh("datasette") / "log", serves=True) as child:
        ready(f"http://127.0.0.1:{port}/-/versions.json", child)
        with Line(port) as line:
            yield line


def measure(scene: Scene) -> list[Measured]:
    """Give the figures of search: the comparison at the peers' size, the rest at the full one."""
    moot = scene.held(scene.compared)
    print(f"Searching {scene.compared:,} contracts, beside Datasette", flush=True)
    with Searching(scene, moot, peer=True) as searching:
        searching.check()
        found = {kind: searching.times(kind, IN_A_ROW) for kind in CHECKED}
        cold = {kind: searching.one_by_one(kind, 15 if scene.quick else 45) for kind in CHECKED}
    told = [*_against(scene, found), _one_by_one(scene, cold)]
    full = found
    if scene.size > scene.compared:
        with Searching(scene, scene.held(scene.size), peer=False) as searching:
            full = {kind: searching.times(kind, IN_A_ROW) for kind in CHECKED}
        told.append(_growth(scene, found, full))
    return [*told, _process(scene, full), _tail(scene, full)]


def _against(scene: Scene, found: Mapping[str, Times]) -> Iterator[Measured]:
    ratios = {}
    for kind, times in found.items():
        mine = [statistics.median(one) for one in times.ours]
        theirs = [statistics.median(one) for one in times.peer]
        ratios[kind] = taking_turns.ratio(theirs, mine)
        told = f"{statistics.median(mine):.1f} ms against {statistics.median(theirs):.1f} ms"
        print(f"  {kind:8} {told}; in process {_median(times.engine):.1f} ms", flush=True)
    note = ", ".join(f"{kind} {x:.1f}x" for kind, x in ratios.items())
    runs = {kind: [one for part in times.peer for one in part] for kind, times in found.items()}
    yield Measured("search.datasette", {"x": min(ratios.values())}, scene.compared, note, runs)
    common = found["common"]
    told = f"{_median(common.ours):.1f} ms against {_median(common.peer):.1f} ms"
    yield Measured("search.datasette_common", {"x": ratios["common"]}, scene.compared, told)


def _one_by_one(scene: Scene, found: Mapping[str, Times]) -> Measured:
    ratios = {kind: _median(times.peer) / _median(times.ours) for kind, times in found.items()}
    said = (f"{k} {ratios[k]:.1f}x ({_median(t.ours):.1f} ms against {_median(t.peer):.1f})" for k, t in found.items())
    return Measured("search.one_by_one", {"x": min(ratios.values())}, scene.compared, ", ".join(said))


def _process(scene: Scene, found: Mapping[str, Times]) -> Measured:
    """Take the class in which HTTP adds most, by the smaller of its two measures."""
    over = {
        kind: (_median(t.ours) - _median(t.engine), _median(t.ours) / _median(t.engine)) for kind, t in found.items()
    }
    worst = max(over, key=lambda kind: min(over[kind][0], over[kind][1] - 0.5))
    note = ", ".join(f"{kind} {_median(t.ours):.1f} over {_median(t.engine):.1f} ms" for kind, t in found.items())
    return Measured("search.process", {"over": over[worst][0], "x": over[worst][1]}, scene.size, note)


def _tail(scene: Scene, found: Mapping[str, Times]) -> Measured:
    every = [one for part in found["common"].ours for one in part]
    p50, p99 = _median(found["common"].ours), taking_turns.percentile(every, 0.99)
    return Measured("search.tail", {"x": p99 / p50, "p50": p50, "p99": p99}, scene.size, f"{len(every)} requests")


def _growth(scene: Scene, small: Mapping[str, Times], full: Mapping[str, Times]) -> Measured:
    one, other = _median(small["common"].ours), _median(full["common"].ours)
    return Measured("search.growth", {"x": other / one}, scene.size, f"{one:.1f} ms to {other:.1f} ms")


def _median(rounds: list[list[float]]) -> float:
    return statistics.median(one for part in rounds for one in part)
