"""A publisher whose registers are imported."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from federation import log, publishers, register
from federation.database import Database
from federation.register import Outcome
from federation.wishes import File, Wish
from schema.entry import Entry
from tests.services import EXAMPLESHIRE, NODE, NOW, PREFIX, PUBLISHER


def as_csv(rows: Sequence[Mapping[str, object]], header: Sequence[str] = ("reference", "title", "endDate")) -> bytes:
    """Write rows as a plain register."""
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def contracts(count: int, **more: object) -> list[dict[str, object]]:
    """Give rows of different contracts."""
    return [{"reference": f"C{turn:03}", "title": f"Contract {turn}", **more} for turn in range(count)]


@dataclass(frozen=True, slots=True)
class Office:
    """Who imports."""

    database: Database

    def bring(self, rows: bytes | Sequence[Mapping[str, object]], kind: str = "contract", **wish: Any) -> Outcome:
        """Import a register of a kind."""
        body = rows if isinstance(rows, bytes) else as_csv(rows)
        file = File(body, "register.csv", kind, PUBLISHER)
        return register.run(self.database, file, Wish(**wish), node=f"{NODE}/.well-known/folkmoot", now=NOW)

    def entry(self, record: str) -> Entry | None:
        """What the log holds; `record` is the part of the id below the publisher's prefix."""
        with self.database.read() as session:
            return log.entries(session, [PREFIX + record]).get(PREFIX + record)

    def live(self, kind: str = "contract") -> dict[str, dict[str, Any]]:
        """Every live record of a kind: id below the prefix -> data."""
        with self.database.read() as session:
            found = register.published(session, File(b"", "", kind, PUBLISHER)).live
        return {record.removeprefix(PREFIX): orjson.loads(data) for record, data in found.items()}

    def latest(self) -> int:
        """The highest change number."""
        with self.database.read() as session:
            return log.latest(session)


@pytest.fixture
def office(database: Database) -> Office:
    """Exampleshire, which has published nothing yet but itself."""
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
    return Office(database)


def counts(outcome: Outcome) -> tuple[int, int, int, int]:
    """(created, updated, deleted, unchanged) of the report."""
    report = outcome.report
    return report.created, report.updated, report.deleted, report.unchanged
