"""Folkmoot as an operator runs it, for measuring: an aggregator that serves, and the crawl beside it."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from benchmarks.corpus import Corpus
from benchmarks.places import free_port, fresh
from benchmarks.processes import Child, Failed, Spent, fetch, python, ready, run
from federation.bulk import SHAPES
from federation.search.folder import current
from federation.search.store import WHOLE
from federation.tantivy_index import FEW, LEAST

LATEST_WITHIN = 1_800.0
OWN = "GB-LAE-ZZZ"


@dataclass(frozen=True, slots=True)
class Crawled:
    """One crawl: seconds from the first page asked for until store and index held all, and what the process spent.

    `whole` counts from the start of the process instead, with what Python needs to begin.
    """

    seconds: float
    whole: float
    spent: Spent


@dataclass(frozen=True, slots=True)
class Moot:
    """An aggregator: its folder, its port, and commands run as its operator would. No `database` is SQLite."""

    folder: Path
    port: int
    database: str = ""

    @property
    def url(self) -> str:
        """Give its public URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> Path:
        """Give its SQLite file."""
        return self.folder / "folkmoot.db"

    @property
    def environment(self) -> dict[str, str]:
        """Give its settings."""
        return {
            "FOLKMOOT_ROLE": "aggregator",
            "FOLKMOOT_DATA_DIR": str(self.folder),
            "FOLKMOOT_DATABASE_URL": self.database,
            "FOLKMOOT_PUBLIC_URL": self.url,
            "FOLKMOOT_PORT": str(self.port),
            "FOLKMOOT_ALLOW_PRIVATE": "1",
            "FOLKMOOT_LOG_LEVEL": "warning",
        }

    def run(self, *arguments: str) -> Spent:
        """Run `folkmoot ARGUMENTS` to its end."""
        command = python("-m", "folkmoot", *arguments)
        return run(*command, environment=self.environment, log=self.folder / "command.log")

    def child(self, *arguments: str, serves: bool = False) -> Child:
        """Give a `folkmoot ARGUMENTS` that is not yet started."""
        command = python("-m", "folkmoot", *arguments)
        return Child(command, self.environment, self.folder / f"{arguments[0]}.log", serves=serves)

    @contextmanager
    def serving(self) -> Iterator[Child]:
        """Serve while the block runs."""
        with self.child("aggregator", "serve", serves=True) as child:
            ready(f"{self.url}/health/ready", child)
            yield child

    def copy(self, name: str) -> Moot:
        """Give another with the same beginning: the folder copied, the port and public URL kept."""
        folder = fresh(name)
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return replace(self, folder=folder)

    def add(self, site: Corpus) -> None:
        """Take the site's nodes in."""
        command = python("-m", "benchmarks.settle", *(feed.base_url for feed in site.feeds))
        run(*command, environment=self.environment, log=self.folder / "command.log")

    def crawl(self, site: Corpus, *, expected: int, again: bool = False) -> Crawled:
        """Crawl once, beside the server that follows, until its index has as many records as the log.

        `expected` records must then be held and found. Raises `Failed` where they are not.
        """
        stats = f"{site.feeds[0].base_url}/stats"
        fetch(f"{stats}/reset")
        child = self.child("crawl", "--once", *(["--now"] if again else [])).start()
        spent = child.wait()
        self.followed(expected)
        end = time.monotonic()
        first = orjson.loads(fetch(stats))["first"]
        return Crawled(end - first, end - child.began, spent)

    def followed(self, expected: int) -> None:
        """Wait until the index holds `expected` records and its own publisher's. Raises `Failed` after half an hour."""
        until = time.monotonic() + LATEST_WITHIN
        while time.monotonic() < until:
            health = orjson.loads(fetch(f"{self.url}/health/ready")) if self.near() else None
            if health is not None and health["checks"]["index"]["lag"] == 0:
                break
            time.sleep(0.1)
        found = self.count("search?limit=1") - 1
        if found != expected:
            raise Failed(f"the index holds {found:,} records; the feeds hold {expected:,}")

    def settled(self) -> None:
        """Wait until every bulk file is that of the log's end, and the index was made anew where it lies in many parts.

        Raises `Failed` after half an hour.
        """
        latest = self.sql("SELECT n FROM counter")[0][0]
        until = time.monotonic() + LATEST_WITHIN
        while time.monotonic() < until:
            files = orjson.loads(fetch(f"{self.url}/.well-known/folkmoot"))["bulk"]
            written = len(files) == len(SHAPES) and all(file["changeNumber"] == latest for file in files)
            if written and (latest <= LEAST or self._parts() <= FEW or self._whole()):
                return
            time.sleep(0.5)
        raise Failed("the bulk files were not written, or the index not made anew, in half an hour")

    def as_crawled(self) -> Moot | None:
        """Give one with the same store and a copy of the index; None where that has few parts, or was made anew."""
        if self._whole() or self._parts() <= FEW:
            return None
        folder = fresh(f"{self.folder.name}-as-crawled")
        shutil.copytree(self.folder / "index", folder / "index")
        (folder / self.store.name).symlink_to(self.store)
        return replace(self, folder=folder)

    def _whole(self) -> bool:
        return (self._serving() / WHOLE).exists()

    def _parts(self) -> int:
        return len(orjson.loads((self._serving() / "meta.json").read_bytes())["segments"])

    def _serving(self) -> Path:
        path = current(self.folder / "index")
        assert path is not None
        return path

    def near(self) -> bool:
        """Whether the server answers that it is ready; it does not while the index is far behind."""
        try:
            fetch(f"{self.url}/health/ready")
        except OSError:
            return False
        return True

    def count(self, asked: str) -> int:
        """Give how many records a list of the API has."""
        return int(self.ask(asked)["count"]["value"])

    def ask(self, asked: str) -> dict[str, Any]:
        """Give an answer of the API."""
        found: dict[str, Any] = orjson.loads(fetch(f"{self.url}/v1/{asked}"))
        return found

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database itself: to check a result, or to set the scene of a measurement."""
        with closing(sqlite3.connect(self.store, timeout=60)) as base, base:
            return base.execute(statement, values).fetchall()

    def leave_alone(self) -> None:
        """Let no feed that was crawled fall due again: its made-up node may not be there any more."""
        self.sql("UPDATE feed SET due = '9999-01-01 00:00:00.000000'")

    def forget_place(self) -> None:
        """Have every feed read again from its beginning, as after a cursor that was lost."""
        self.sql("UPDATE feed SET cursor = url, position = 0, etag = NULL, latest = NULL")


def begun(name: str, site: Corpus, *, database: str = "") -> Moot:
    """Give a new aggregator that knows the site's nodes and has read nothing. The site must be up."""
    moot = Moot(fresh(name), free_port(), database)
    moot.run("publisher", "add", OWN, "--name", "Exampleshire County Council", "--region", "Wessex")
    moot.add(site)
    return moot


@contextmanager
def site_up(site: Corpus) -> Iterator[Child]:
    """Serve the made-up nodes while the block runs."""
    form = "signed" if site.signed else "plain"
    command = python("-m", "benchmarks.site", site.folder, str(site.size), str(site.port), form, *site.hosts)
    with Child(command, log=fresh(f"site-{site.hosts[0]}") / "site.log") as child:
        child.hear()
        ready(f"{site.feeds[0].base_url}/stats", child)
        yield child
