"""The same crawl into PostgreSQL: a server for one run, as durable as an operator's, found as the tests find theirs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from benchmarks import equality, ours
from benchmarks.corpus import Corpus
from benchmarks.ours import Moot
from tests import postgres as found

DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
_TEMPLATE = "bench_template"


@dataclass
class Server:
    """A server and the aggregator that each crawl begins with a copy of."""

    url: str
    template: Moot

    @contextmanager
    def copy(self, number: int) -> Iterator[Moot]:
        """Give an aggregator with a database of its own, gone with the block."""
        name = f"bench_{number}"
        made = found.create(self.url, name, _TEMPLATE)
        try:
            yield replace(self.template.copy("postgres"), database=made)
        finally:
            found.drop(self.url, name)


@contextmanager
def server(site: Corpus) -> Iterator[Server | None]:
    """Start a server while the block runs; None, with a sentence, where there is no PostgreSQL."""
    run = Path(tempfile.mkdtemp(prefix="folkmoot-bench-"))
    found.UNSAFE_BUT_QUICK = DURABLE  # the tests' server forgets what a power cut takes; this one must not
    try:
        url = found.server_url(run)
        base = found.create(url, _TEMPLATE)
        yield Server(url, ours.begun("postgres-template", site, database=base))
    except found.Unavailable as error:
        print(f"PostgreSQL is left out: {error}", flush=True)
        yield None
    finally:
        found.stop(run)
        shutil.rmtree(run, ignore_errors=True)


def of_store(moot: Moot) -> equality.Digest:
    """Give what the store holds of others, as `equality.of_store` of SQLite."""
    chosen = "SELECT id, data FROM record WHERE node_id IS NOT NULL AND NOT deleted"
    with psycopg.connect(moot.database.replace("+psycopg", "")) as base:
        return equality.digest((one, bytes(data)) for one, data in base.execute(chosen))
