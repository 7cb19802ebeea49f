"""Before a ratio is printed, both sides are shown to have come to the same result. A difference ends the bench."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

Counts = Mapping[str, Mapping[str, int]]
Digest = tuple[int, str]
FACETS = ("publisher", "cpv", "endYear")


class Differs(Exception):
    """Two sides that should have the same result have not; the sentence says in what."""


def held(name: str, one: object, other: object) -> None:
    """Raise `Differs` unless two things are equal."""
    if one != other:
        raise Differs(f"{name}: {str(one)[:600]} is not {str(other)[:600]}")


def digest(records: Iterable[tuple[str, bytes | str]]) -> Digest:
    """Give how many records there are, and one hash of all ids and data, whatever their order and spacing."""
    lines = sorted(
        hashlib.sha256(one.encode() + b"\0" + orjson.dumps(orjson.loads(data), option=orjson.OPT_SORT_KEYS)).digest()
        for one, data in records
    )
    return len(lines), hashlib.sha256(b"".join(lines)).hexdigest()


def of_store(path: Path, *, prefix: str = "") -> Digest:
    """Give what our own store holds of others: all live records that came by a node."""
    chosen = "SELECT id, data FROM record WHERE node_id IS NOT NULL AND NOT deleted AND substr(id, 1, ?) = ?"
    with closing(sqlite3.connect(path)) as base:
        return digest(base.execute(chosen, (len(prefix), prefix)))


def of_peer(path: Path) -> Digest:
    """Give what a peer's file holds (`peers/tables.py`)."""
    with closing(sqlite3.connect(path)) as base:
        return digest(base.execute("SELECT id, data FROM records"))


def counted(path: Path, word: str) -> Counts:
    """Give how the contracts that a peer's full-text index finds divide over each facet."""
    asked = (
        'SELECT "{0}", count(*) FROM records WHERE kind = \'contract\' AND "{0}" IS NOT NULL '
        "AND rid IN (SELECT rowid FROM fts WHERE fts MATCH ?) GROUP BY 1"
    )
    with closing(sqlite3.connect(path)) as base:
        return {name: dict(base.execute(asked.format(name), (f'"{word}"',)).fetchall()) for name in FACETS}


def shown(counts: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    """Give the commonest values as a facet of ours shows them: by count, equal counts by value."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]


def hold_facets(name: str, answer: Mapping[str, Any], counts: Counts) -> None:
    """Raise `Differs` unless the facets of an answer of our API are those counted elsewhere, the rest included."""
    for facet, expected in counts.items():
        told = answer["facets"][facet]
        items = [(item["value"], item["count"]) for item in told["items"]]
        held(f"{name}: facet {facet}", items, shown(expected, len(items)))
        held(f"{name}: the rest of facet {facet}", told["other"], sum(expected.values()) - sum(n for _, n in items))
        held(f"{name}: facet {facet} is exact", told["exact"], True)
