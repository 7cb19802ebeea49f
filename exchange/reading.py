"""Read one register file whole: bytes in, candidate records and a report out. No database, no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from exchange.report import Report

Published = Callable[[str], Mapping[str, Any] | None]
"""What is live under a record id: its data, or None. A dict's `.get` will do."""


@dataclass(frozen=True, slots=True)
class PublisherFacts:
    """Whose register it is: id as in `GB-LAE-EXA`, name, and `id_prefix` that ends in `/`."""

    id: str
    name: str
    id_prefix: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One record that the file holds: `data` is valid for its kind; `rows` are the rows that made it, in order."""

    id: str
    reference: str
    data: dict[str, Any]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is not published, and what is already published for it: see `Reading.keeps`.

    `reference` is the one it would have had (None where not even that could be read); `ids` the record ids it
    could stand for.
    """

    row: int
    reference: str | None
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The whole file. `format` is csv, xlsx, json or ndjson; `layout` is lga, contracts-finder, notices or plain."""

    kind: str
    format: str
    layout: str
    records: list[Candidate]
    refused: list[RefusedRow]
    ignored_sheets: list[str]
    report: Report

    def keeps(self, record_id: str) -> bool:
        """Say whether a published record, absent from `records`, must stay since a refused row may be it."""
        raise NotImplementedError


def read_register(
    body: bytes,
    *,
    filename: str,
    kind: str,
    publisher: PublisherFacts,
    format: str | None = None,  # noqa: A002
    published: Published | None = None,
) -> Reading:
    """Read a register of one kind of one publisher (protocol section 7)."""
    raise NotImplementedError
