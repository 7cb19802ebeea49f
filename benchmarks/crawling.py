"""Crawl and index, against Scrapy, against a loop, against the floor; once more; and when there is nothing new."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from benchmarks import equality, postgres, taking_turns
from benchmarks.environments import environment
from benchmarks.equality import held, hold_facets
from benchmarks.figures import Measured
from benchmarks.ours import Moot
from benchmarks.places import HERE, fresh
from benchmarks.processes import Spent, fetch, python, run
from benchmarks.scene import Scene, five

PEERS = HERE / "peers"
LARGE_TABLE = 5_000
_VALID = "SELECT count(*) FROM record WHERE node_id IS NOT NULL AND signature = 'valid'"
Runs = Mapping[str, list[float]]


class Crawling:
    """The turns of one run, and what they found."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.site = scene.site
        self.again: list[float] = []
        self.asked = 0.0
        self.written: list[str] = []
        self.spent: dict[str, list[Spent]] = {}
        self.floor_parts: list[dict[str, float]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.ours: equality.Digest = (0, "")

    def turns(self, others: Mapping[str, taking_turns.Turn]) -> dict[str, list[float]]:
        """Run ours, the floor and the others in turns; each gives seconds a record."""
        own: dict[str, taking_turns.Turn] = {"ours": self.folkmoot, "signed": self.signed}
        sides: dict[str, taking_turns.Turn] = {**own, **others, "floor": self.floor}
        print(
            f"Crawling {self.scene.crawled:,} contracts, {self.scene.rounds} rounds of {len(sides)} sides", flush=True
        )
        return taking_turns.turns(sides, self.scene.rounds)

    def others(self, server: postgres.Server | None) -> dict[str, taking_turns.Turn]:
        """Give the peers' turns, and that of ours on PostgreSQL where there is one."""
        environment("scrapy")
        sides: dict[str, taking_turns.Turn] = {
            "scrapy": lambda number: self.scrapy("item", number),
            "scrapy_page": lambda number: self.scrapy("page", number),
            "sqlmodel": self.sqlmodel,
        }
        if server is not None:
            sides["postgres"] = lambda number: self.postgres(server, number)
        return sides

    def folkmoot(self, number: int) -> float:
        """Crawl with ours, once and once again; in the last round also when there is nothing new."""
        moot = self.scene.template.copy("ours")
        with moot.serving():
            crawled = moot.crawl(self.site, expected=self.site.changes)
            self.scene.crawls.setdefault(self.scene.crawled, []).append(crawled)
            self.spent.setdefault("ours", []).append(crawled.spent)
            if number == 0:
                self.answers = {word: facets_of(moot, word) for word in five()}
                self.ours = equality.of_store(moot.store)
                held("ours: records", self.ours[0], self.site.changes)
            self._again(moot)
            if number == self.scene.rounds - 1:
                self.asked, self.written = idle(moot, self.site.feeds[0].base_url, len(self.site.hosts))
        self.scene.keep(self.scene.crawled, moot)
        return self._told("ours", crawled.seconds)

    def signed(self, _number: int) -> float:
        """Crawl with ours the same records, each of which is signed and must be valid."""
        site, moot = self.scene.signed, self.scene.signed_template.copy("signed")
        with moot.serving():
            crawled = moot.crawl(site, expected=site.changes)
        held("signed: valid records", moot.sql(_VALID)[0][0], site.changes)
        self.spent.setdefault("signed", []).append(crawled.spent)
        return self._told("signed", crawled.seconds)

    def postgres(self, server: postgres.Server, number: int) -> float:
        """Crawl with ours into PostgreSQL."""
        with server.copy(number) as moot, moot.serving():
            crawled = moot.crawl(self.site, expected=self.site.changes)
            if number == 0:
                held("postgres: records", postgres.of_store(moot), self.ours)
        return self._told("postgres", crawled.seconds)

    def _again(self, moot: Moot) -> None:
        before = moot.sql("SELECT n FROM counter")
        moot.forget_place()
        again = moot.crawl(self.site, expected=self.site.changes, again=True)
        held("read again: change number", moot.sql("SELECT n FROM counter"), before)
        self.again.append(again.seconds / self.site.changes)

    def scrapy(self, mode: str, number: int) -> float:
        """Crawl with Scrapy, record by record or page by page."""
        folder = fresh(f"scrapy-{mode}")
        file = folder / "records.db"
        urls = [feed.url() for feed in self.site.feeds]
        command = (environment("scrapy"), PEERS / "scrapy_crawl.py", mode, file, *urls)
        seconds, spent = self._timed(command, folder)
        self.spent.setdefault(f"scrapy {mode}", []).append(spent)
        if number == 0:
            held(f"scrapy {mode}: records", equality.of_peer(file), self.ours)
            for word, answer in self.answers.items():
                hold_facets(f"scrapy {mode}, '{word}'", answer, equality.counted(file, word))
        return self._told(f"scrapy {mode}", seconds)

    def sqlmodel(self, number: int) -> float:
        """Crawl one node with the loop."""
        folder, feed = fresh("sqlmodel"), self.site.feeds[0]
        command = python(PEERS / "sqlmodel_loop.py", folder / "records.db", feed.url())
        seconds, _spent = self._timed(command, folder)
        if number == 0:
            mine = equality.of_store(self.scene.held(self.scene.crawled).store, prefix=f"{feed.base_url}/")
            held("sqlmodel: records", equality.of_peer(folder / "records.db"), mine)
        return self._told("sqlmodel", seconds, feed.changes)

    def floor(self, number: int) -> float:
        """Put the same records into the store from memory, and index them."""
        moot = self.scene.template.copy("floor")
        parts = self.stage("store", moot.folder)
        self.floor_parts.append(parts)
        if number == 0:
            held("floor: records", equality.of_store(moot.store), self.ours)
        return self._told("floor", parts["store"] + parts["index"])

    def stage(self, name: str, folder: Path) -> dict[str, float]:
        """Run one stage by itself (`peers/floor.py`)."""
        site = self.site
        arguments: list[str | Path] = [name, site.folder, str(site.size), str(site.port), folder, *site.hosts]
        found: dict[str, float] = orjson.loads(run(*python(PEERS / "floor.py", *arguments), log=folder / "log").output)
        return found

    def _timed(self, command: Any, folder: Path) -> tuple[float, Spent]:
        stats = f"{self.site.feeds[0].base_url}/stats"
        fetch(f"{stats}/reset")
        spent = run(*command, log=folder / "log")
        ended = time.monotonic()
        return ended - orjson.loads(fetch(stats))["first"], spent

    def _told(self, name: str, seconds: float, records: int | None = None) -> float:
        records = records or self.site.changes
        print(f"  {name:12} {seconds:7.2f} s {records / seconds:9,.0f} records/s", flush=True)
        return seconds / records


def facets_of(moot: Moot, word: str) -> dict[str, Any]:
    """Ask our API how the contracts with a word divide."""
    return moot.ask(f"contracts?q={word.replace(' ', '%20')}&facets={','.join(equality.FACETS)}&limit=1")


def idle(moot: Moot, site: str, nodes: int) -> tuple[float, list[str]]:
    """Crawl when every feed stands at its end: requests a feed, and the tables that were written but `feed`."""
    before = _rows(moot)
    fetch(f"{site}/stats/reset")
    moot.run("crawl", "--once", "--now")
    asked = sum(orjson.loads(fetch(f"{site}/stats"))["requests"].values())
    after = _rows(moot)
    return asked / nodes, [name for name in before if before[name] != after[name]]


def _rows(moot: Moot) -> dict[str, object]:
    """Give what every table but `feed` holds: all rows, or of a large one how many and the last."""
    names = [name for (name,) in moot.sql("SELECT name FROM sqlite_master WHERE type = 'table'") if name != "feed"]
    found: dict[str, object] = {}
    for name in names:
        counted = moot.sql(f'SELECT count(*), max(rowid) FROM "{name}"')  # noqa: S608 - the file's own names
        small = counted[0][0] < LARGE_TABLE
        found[name] = moot.sql(f'SELECT * FROM "{name}"') if small else counted  # noqa: S608
    return found


def measure(scene: Scene) -> list[Measured]:
    """Give the figures of the crawl."""
    crawling = Crawling(scene)
    with postgres.server(scene.site) as server:
        found = crawling.turns(crawling.others(server))
    return [
        _against(crawling, found, "crawl.scrapy", "scrapy"),
        _against(crawling, found, "crawl.scrapy_page", "scrapy_page"),
        _against(crawling, found, "crawl.sqlmodel", "sqlmodel"),
        *([_against(crawling, found, "crawl.postgres", "scrapy", "postgres")] if "postgres" in found else []),
        *_alone(crawling, found),
    ]


def measure_alone(scene: Scene) -> list[Measured]:
    """Give those figures of the crawl for which no peer is asked."""
    crawling = Crawling(scene)
    return _alone(crawling, crawling.turns({}))


def _against(crawling: Crawling, found: Runs, key: str, side: str, by: str = "ours") -> Measured:
    both = {name: found[name] for name in (by, side)}
    told = " against ".join(f"{1 / statistics.median(runs):,.0f}" for runs in both.values())
    ratio = taking_turns.ratio(found[side], found[by])
    return Measured(key, {"x": ratio}, crawling.scene.crawled, f"{told} records/s", both)


def _alone(crawling: Crawling, found: Runs) -> list[Measured]:
    size, mine, again = crawling.scene.crawled, found["ours"], crawling.again
    stages = {name: crawling.stage(name, fresh(name)) for name in ("fetch", "validate")}
    floor = {"x": taking_turns.ratio(found["floor"], mine)}
    rate = f"{1 / statistics.median(again):,.0f} records/s"
    return [
        Measured("crawl.floor", floor, size, _parts(crawling, stages), found),
        _against(crawling, found, "crawl.signed", "ours", "signed"),
        Measured("crawl.again", {"x": taking_turns.ratio(mine, again)}, size, rate, {"ours": mine, "again": again}),
        _idle(crawling, size),
    ]


def _idle(crawling: Crawling, size: int) -> Measured:
    written = crawling.written
    values = {"x": crawling.asked, "writes": len(written), "others": len([name for name in written if name != "host"])}
    return Measured("crawl.idle", values, size, f"written beside its own row: {', '.join(written) or 'nothing'}")


def _parts(crawling: Crawling, stages: dict[str, dict[str, float]]) -> str:
    parts = crawling.floor_parts
    rates = {name: stages[name]["records"] / stages[name][name] for name in stages}
    for name in ("store", "index"):
        rates[name] = statistics.median(part["records"] / part[name] for part in parts)
    told = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
    cpu = ", ".join(
        f"{name} {statistics.median(one.cpu for one in spent):.1f} s" for name, spent in crawling.spent.items()
    )
    return f"each stage by itself, records/s: {told}; processor time of the crawlers: {cpu}"
