"""The pages of a whole site of made-up nodes, compressed once and kept on disk between runs."""

from __future__ import annotations

import gzip
import mmap
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import orjson

from benchmarks.generate import FEEDS, PAGE, Feed, feeds
from benchmarks.places import BUILD, HERE, addresses, digest, site_port
from exchange import cpv
from federation import sign

KEPT = 12
"""Sites that are kept on disk; the oldest give way."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A site on disk: as many nodes as `hosts`, all on one port, `size` contracts in all, each `signed` or none."""

    size: int
    hosts: tuple[str, ...]
    port: int
    folder: Path
    signed: bool = False

    @property
    def feeds(self) -> list[Feed]:
        """Give the nodes."""
        return feeds(self.size, [f"http://{host}:{self.port}" for host in self.hosts], signed=self.signed)

    @property
    def changes(self) -> int:
        """Give how many records a crawl of the whole site must bring, organisations included."""
        return sum(feed.changes for feed in self.feeds)

    def node(self, number: int) -> Packed:
        """Open the pages of one node."""
        return Packed(self.folder / f"{number}.pages")


class Packed:
    """The pages of one node, compressed, by the number that they come after."""

    def __init__(self, path: Path) -> None:
        index = orjson.loads(path.with_suffix(".json").read_bytes())
        self.places: dict[int, tuple[int, int]] = {after: (start, length) for after, start, length in index}
        self._file = path.open("rb")
        self._held = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self.plain = lru_cache(maxsize=8)(self._plain)

    def packed(self, after: int) -> bytes:
        """Give a page as gzip. Raises `KeyError` where no page begins there."""
        start, length = self.places[after]
        return self._held[start : start + length]

    def _plain(self, after: int) -> bytes:
        return gzip.decompress(self.packed(after))


def corpus(size: int, *, nodes: int = FEEDS, net: int = 0, signed: bool = False) -> Corpus:
    """Give a site of this size, made now or kept from another run. Pages are made by as many processes as processors.

    `net` gives a second site whose nodes have other addresses, and so other ids.
    """
    hosts = addresses(nodes, net=net)
    port = site_port(hosts)
    made = digest(HERE / "generate.py", HERE / "words.py", Path(cpv.__file__), Path(sign.__file__))
    folder = BUILD / "sites" / f"{size}-{nodes}-{net}-{port}-{made}{'-signed' if signed else ''}"
    found = Corpus(size, tuple(hosts), port, folder, signed)
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _prune(folder.parent)
        folder.mkdir(parents=True)
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_write, found.feeds, [folder] * nodes))
        (folder / "done").touch()
    return found


def _write(feed: Feed, folder: Path) -> None:
    index: list[tuple[int, int, int]] = []
    start = 0
    with (folder / f"{feed.number}.pages").open("wb") as file:
        for number in range(-(-feed.changes // PAGE) + 1):  # the end of the feed too
            page = feed.page(number)
            packed = page.packed()
            file.write(packed)
            index.append((page.after, start, len(packed)))
            start += len(packed)
    (folder / f"{feed.number}.json").write_bytes(orjson.dumps(index))


def _prune(folder: Path) -> None:
    kept = sorted(folder.glob("*"), key=lambda one: one.stat().st_mtime, reverse=True) if folder.exists() else []
    for old in kept[KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


def first_pages(site: Corpus, count: int) -> Sequence[bytes]:
    """Give the first pages of the first node, plain: what stages are measured on that read from memory."""
    node = site.node(0)
    return [node.plain(after) for after in sorted(node.places)[:count]]
