"""What all parts of a run share: how large it is, the made-up nodes, and an aggregator that holds their records."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks import ours
from benchmarks.corpus import Corpus, corpus
from benchmarks.generate import FEEDS, SIZES
from benchmarks.ours import Crawled, Moot
from benchmarks.peers import tables
from benchmarks.places import fresh
from benchmarks.words import prose

PEERS_AT, QUICK_CRAWL = 100_000, 20_000
RANKS = {
    "rare": (4_000, 4_400, 4_800, 5_200, 5_600),
    "medium": (540, 560, 580, 600, 620),
    "common": (26, 27, 28, 29, 30),
}


@dataclass
class Scene:
    """One run. Peers are never asked for more than 100,000 records: the slice that they and ours are compared on."""

    name: str
    rounds: int
    stack: ExitStack = field(default_factory=ExitStack)
    crawls: dict[int, list[Crawled]] = field(default_factory=dict)
    _held: dict[int, Moot] = field(default_factory=dict)
    as_crawled: dict[int, Moot | None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Give how many contracts the whole run is about."""
        return SIZES[self.name]

    @property
    def compared(self) -> int:
        """Give how many the peers are given to search."""
        return min(self.size, PEERS_AT)

    @property
    def crawled(self) -> int:
        """Give how many the peers are given to crawl: fewer in CI, where a slow crawler would take all the time."""
        return QUICK_CRAWL if self.quick else self.compared

    @property
    def quick(self) -> bool:
        """Whether this is the run of CI, which spends less on each figure."""
        return self.name == "ci"

    @cached_property
    def site(self) -> Corpus:
        """Give the nodes that peers crawl too, serving from now on."""
        return self.up(self.crawled)

    @cached_property
    def signed(self) -> Corpus:
        """Give other nodes with the same contracts, which they have signed, serving from now on."""
        return self.up(self.crawled, net=2, signed=True)

    def up(self, size: int, *, net: int = 0, signed: bool = False) -> Corpus:
        """Serve another set of nodes until the end of the run."""
        print(f"Making {size:,} contracts of {FEEDS} nodes{', signed,' if signed else ''} ...", flush=True)
        found = corpus(size, net=net, signed=signed)
        self.stack.enter_context(ours.site_up(found))
        return found

    @cached_property
    def template(self) -> Moot:
        """Give an aggregator that knows the nodes and has read nothing: each crawl begins with a copy."""
        return ours.begun("template", self.site)

    @cached_property
    def signed_template(self) -> Moot:
        """Give the same for the nodes that sign."""
        return ours.begun("signed-template", self.signed)

    def keep(self, size: int, moot: Moot) -> None:
        """Keep an aggregator that has crawled, for the parts that search and serve."""
        self._held[size] = moot

    def held(self, size: int) -> Moot:
        """Give an aggregator that holds this many contracts, crawled now where no part has done it.

        Its bulk files are written and its index is made anew: a server does that by itself when it has crawled, and
        is measured afterwards. The index as the crawl left it is kept in `as_crawled`.
        """
        if size not in self._held:
            print(f"Crawling {size:,} contracts ...", flush=True)
            if size == self.crawled:
                self._crawl(self.template.copy(f"held-{size}"), self.site, size)
            else:
                site = corpus(size, net=1)
                with ours.site_up(site):
                    self._crawl(ours.begun(f"held-{size}", site), site, size)
        if size not in self.as_crawled:
            self.as_crawled[size] = self._held[size].as_crawled()
            with self._held[size].serving():
                self._held[size].settled()
        return self._held[size]

    def _crawl(self, moot: Moot, site: Corpus, size: int) -> None:
        with moot.serving():
            self.crawls.setdefault(size, []).append(moot.crawl(site, expected=site.changes))
        self._held[size] = moot

    @cached_property
    def peer_file(self) -> Path:
        """Give the records of the compared slice as a peer's SQLite file, made from our own store."""
        path = fresh("peer-file") / "records.db"
        chosen = "SELECT id, kind, publisher, number, data FROM record WHERE node_id IS NOT NULL AND NOT deleted"
        tables.from_store(str(path), self.held(self.compared).sql(chosen))
        return path


def terms(kind: str) -> Sequence[str]:
    """Give five terms of a class: `rare`, `medium`, `common`, or `pair`: a common and a medium one."""
    words = prose()
    if kind == "pair":
        return [f"{a} {b}" for a, b in zip(terms("common"), terms("medium"), strict=True)]
    return [words[rank] for rank in RANKS[kind]]


CHECKED = ("common", "medium", "rare", "pair")


def five() -> Sequence[str]:
    """Give the five terms whose facets both sides must count alike."""
    return [*terms("common")[:2], *terms("medium")[:2], terms("rare")[0]]
