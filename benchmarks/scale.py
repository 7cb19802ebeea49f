"""Many nodes on one machine: `python -m benchmarks.scale --size small|release`.

Time, memory and requests of a first crawl, then how long a change takes from its node to the index while every node is
visited at its interval. Nodes are made up and stand in one process, each at an address of its own (127.30.0.0/16), so
that politeness to a host is real; the crawler and the server are `folkmoot crawl` and `folkmoot aggregator serve`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

import migrations
from benchmarks.crowd import Crowd
from benchmarks.joined import PUBLIC, begin, join, read
from benchmarks.places import BUILD, ROOT, free_port, fresh
from federation.database import Database, table
from schema.tables import Record

SIZES = {
    "small": Crowd(nodes=200, records=100, poll=20, changes=10),
    "release": Crowd(nodes=2_000, records=1_000, poll=300, changes=20),
}
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Run:
    """One run: what is measured, and with what."""

    crowd: Crowd
    base: Database
    found: dict[str, Any] = field(default_factory=dict)
    lags: list[float] = field(default_factory=list)

    def asked(self) -> dict[str, Any]:
        """What the crowd has seen so far."""
        return _get(self.crowd.url(0) + "/crowd")

    def first(self, crawl: subprocess.Popen[bytes], limit: float) -> None:
        """Read everything for the first time."""
        began = begin(self.base)
        while read(self.base) < self.crowd.nodes:
            if time.monotonic() - began > limit:
                raise SystemExit(f"the first crawl has read {read(self.base)} nodes in {limit} s; this is given up")
            time.sleep(0.5)
        seconds = time.monotonic() - began
        records = self.crowd.nodes * (self.crowd.records + 1)
        self.found |= {"records": records, "first crawl, s": round(seconds, 1)}
        self.found |= {"records/s": round(records / seconds), "requests": self.asked()["requests"]}
        self.found["crawler, MB at most"] = _peak(crawl.pid)

    def followed(self, server: str, limit: float) -> None:
        """Wait until the index has followed."""
        began = time.monotonic()
        while (_get(server + "/health/ready")["checks"].get("index") or {}).get("lag") != 0:
            if time.monotonic() - began > limit:
                raise SystemExit("the index does not come to the log's end; this is given up")
            time.sleep(0.5)
        self.found["index behind the crawl, s"] = round(time.monotonic() - began, 1)

    def steady(self, crawl: subprocess.Popen[bytes], server: str) -> None:
        """Let changes come in for a quarter of an interval, and wait until the last of them must have been seen."""
        before, busy, began, moment = self.asked()["requests"], _busy(crawl.pid), time.monotonic(), time.time()
        writing, all_seen = self.crowd.poll / 4, self.crowd.poll * 1.37 + 15
        while time.monotonic() - began < all_seen:
            index = _get(server + "/health/ready")["checks"].get("index") or {}
            self.lags.append(float(index.get("seconds") or 0.0))
            time.sleep(1)
        seconds = time.monotonic() - began
        asked = self.asked()
        self.found["requests/s while idle"] = round((asked["requests"] - before) / seconds, 1)
        self.found["crawler, % of a processor"] = round(100 * (_busy(crawl.pid) - busy) / seconds, 1)
        self.found["most requests at once to a host"] = asked["overlap"]
        self._fresh([tuple(one) for one in asked["changed"] if moment <= one[2] < moment + writing])

    def _fresh(self, changed: list[tuple[str, int, float]]) -> None:
        newest = {name: (number, at) for name, number, at in changed}
        record = table(Record)
        names, ages, missing = list(newest), [], 0
        with self.base.read() as session:
            for start in range(0, len(names), 500):
                chosen = select(record.c.id, record.c.seq, record.c.changed)
                rows = session.connection().execute(chosen.where(record.c.id.in_(names[start : start + 500])))
                for row in rows:
                    number, at = newest[row.id]
                    moment: datetime = row.changed
                    missing += row.seq < number
                    if row.seq == number:
                        ages.append(moment.timestamp() - at)
        self.found |= {"changes followed": len(ages), "changes not seen": missing}
        self.found |= {f"{name}, s": round(value, 2) for name, value in _spread("node to database", ages)}
        self.found |= {f"{name}, s": round(value, 2) for name, value in _spread("index behind database", self.lags)}


def _spread(name: str, values: list[float]) -> Iterator[tuple[str, float]]:
    ordered = sorted(values) or [float("nan")]
    for part in (50, 95):
        yield f"{name}, p{part}", ordered[min(len(ordered) - 1, len(ordered) * part // 100)]


def _get(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own servers on loopback
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except urllib.error.HTTPError as error:
        with error:
            refused: dict[str, Any] = json.loads(error.read())
            return refused
    except OSError:
        return {"checks": {}}


def _peak(pid: int) -> float:
    """The most memory that a process had resident, in MB."""
    told = Path(f"/proc/{pid}/status").read_text()
    return round(int(told.partition("VmHWM:")[2].split()[0]) / 1000)


def _busy(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


@contextmanager
def _started(folder: Path, name: str, *command: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=dict(os.environ) | env, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def run(crowd: Crowd, url: str, limit: float) -> dict[str, Any]:
    """Measure one size on one database. Gives what was found."""
    folder = fresh("scale")
    migrations.upgrade(url or f"sqlite:///{folder / 'folkmoot.db'}")
    base, port = Database(url or f"sqlite:///{folder / 'folkmoot.db'}"), free_port()
    env = {"FOLKMOOT_ROLE": "aggregator", "FOLKMOOT_PUBLIC_URL": PUBLIC, "FOLKMOOT_DATABASE_URL": base.url}
    env |= {"FOLKMOOT_ALLOW_PRIVATE": "1", "FOLKMOOT_DATA_DIR": str(folder), "FOLKMOOT_PORT": str(port)}
    env |= {"FOLKMOOT_CRAWL_EVERY": str(crowd.poll)}  # or a wish below a minute is a minute
    began = time.monotonic()
    join(base, crowd)
    measured = Run(crowd, base, {"nodes": crowd.nodes, "nodes joined in, s": round(time.monotonic() - began, 1)})
    server = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        stack.enter_context(_started(folder, "crowd", "benchmarks.crowd", json.dumps(asdict(crowd))))
        serving = stack.enter_context(_started(folder, "serve", "folkmoot", "aggregator", "serve", **env))
        crawl = stack.enter_context(_started(folder, "crawl", "folkmoot", "crawl", **env))
        time.sleep(5)
        measured.first(crawl, limit)
        measured.followed(server, limit)
        measured.steady(crawl, server)
        measured.found["server, MB at most"] = _peak(serving.pid)
    base.dispose()
    measured.found["database, MB"] = round(sum(f.stat().st_size for f in folder.glob("folkmoot.db*")) / 1e6)
    measured.found["index, MB"] = round(sum(f.stat().st_size for f in folder.rglob("index/**/*") if f.is_file()) / 1e6)
    return measured.found


def main() -> None:
    """Measure, print, and keep what was found as JSON under build/bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--database", default="", help="postgresql://...; without it a SQLite file")
    parser.add_argument("--limit", type=float, default=900, help="seconds after which the first crawl is given up")
    asked = parser.parse_args()
    found = run(SIZES[asked.size], asked.database, asked.limit)
    for name, value in found.items():
        print(f"{name:<36}{value:>14,}")
    kept = BUILD / f"scale-{asked.size}.json"
    kept.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
