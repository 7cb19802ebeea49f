"""A crawler's SQLite file as one would write it by hand: a table, four indexes, a full-text index kept by triggers.

Nothing but the standard library is imported here: the peers' own environments read it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
CREATE TABLE records (
  rid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT, publisher TEXT, title TEXT, description TEXT,
  cpv TEXT, stage TEXT, value REAL, "start" TEXT, "end" TEXT, endYear TEXT, modified INTEGER, data TEXT
);
CREATE INDEX ix_publisher ON records (publisher);
CREATE INDEX ix_cpv ON records (cpv);
CREATE INDEX ix_stage ON records (stage);
CREATE INDEX ix_end ON records ("end");
CREATE VIRTUAL TABLE fts USING fts5(title, description, content='records', content_rowid='rid');
"""
_TRIGGERS = """
CREATE TRIGGER added AFTER INSERT ON records BEGIN
  INSERT INTO fts (rowid, title, description) VALUES (new.rid, new.title, new.description);
END;
CREATE TRIGGER changed AFTER UPDATE ON records BEGIN
  INSERT INTO fts (fts, rowid, title, description) VALUES ('delete', old.rid, old.title, old.description);
  INSERT INTO fts (rowid, title, description) VALUES (new.rid, new.title, new.description);
END;
"""
_COLUMNS = (
    "id", "kind", "publisher", "title", "description", "cpv", "stage", "value", "start", "end", "endYear",
    "modified", "data",
)  # fmt: skip
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_SET = ", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS[1:])
UPSERT = (
    f"INSERT INTO records ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608 - our own names
    f"ON CONFLICT (id) DO UPDATE SET {_SET} WHERE excluded.modified >= records.modified"
)


def opened(path: str, *, triggers: bool = True) -> sqlite3.Connection:
    """Make the file. Without triggers the full-text index is built at the end (`build`)."""
    base = sqlite3.connect(path)
    base.executescript(_SCHEMA + (_TRIGGERS if triggers else ""))
    return base


def build(base: sqlite3.Connection) -> None:
    """Fill the full-text index from the table."""
    base.execute("INSERT INTO fts (fts) VALUES ('rebuild')")
    base.commit()


def row(item: Json, data: str) -> tuple[Any, ...]:
    """Give the row of an item of the feed; `data` is its data as JSON text."""
    held = item["data"]
    end = held.get("endDate")
    codes = held.get("classifications") or [{}]
    return (
        item["id"], item["kind"], item["origin"]["publisher"], held.get("title") or held.get("name"),
        held.get("description"), (codes[0].get("id") or "")[:2] or None, held.get("stage"),
        held.get("value", {}).get("amount"), held.get("startDate"), end, end[:4] if end else None,
        item["modified"], data,
    )  # fmt: skip


def from_store(path: str, records: Iterable[tuple[str, str, str, int, bytes]]) -> None:
    """Make the file from records that Folkmoot holds: (id, kind, publisher, number, data)."""
    base = opened(path, triggers=False)
    rows = (
        row({"id": one, "kind": kind, "origin": {"publisher": whose}, "modified": number, "data": json.loads(data)},
            data.decode())
        for one, kind, whose, number, data in records
    )  # fmt: skip
    base.executemany(UPSERT, rows)
    base.commit()
    build(base)
    base.execute("ANALYZE")
    base.commit()
    base.close()
