"""Read one register file whole: bytes in, candidate records and a report out. No database, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter

from exchange.below import DataRows
from exchange.candidates import Candidate, Sifted, sift
from exchange.cells import bare
from exchange.checking import Ready
from exchange.dates import DateColumn
from exchange.drafts import Draft, Problems, PublisherFacts, tell_computed
from exchange.identity import Live, Published, derived_reference, may_be
from exchange.layouts import Layout, recognised
from exchange.objects import read_objects
from exchange.report import Report, one_a_cell
from exchange.sources import Source, opened, split_format
from exchange.table import Misjudged, Table
from schema.errors import Malformed
from schema.kinds import KINDS

__all__ = ["Candidate", "Published", "PublisherFacts", "Reading", "RefusedRow", "read_register"]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is not published; `reference` is the one it would have had, None where it cannot be known."""

    row: int
    reference: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The whole file. `format` is csv, xlsx, json or ndjson; `layout` lga, contracts-finder, notices or plain."""

    kind: str
    format: str
    layout: str
    records: list[Candidate]
    refused: list[RefusedRow]
    ignored_sheets: list[str]
    report: Report
    prefix: str

    def keeps(self, record_id: str) -> bool:
        """Say whether a published record, absent from `records`, must stay since a refused row may be it."""
        if not self.refused:
            return False
        segment = record_id.removeprefix(self.prefix)
        return any(may_be(segment, row.reference) for row in self.refused)


def read_register(
    body: bytes,
    *,
    filename: str,
    kind: str,
    publisher: PublisherFacts,
    format: str | None = None,  # noqa: A002
    published: Published | None = None,
) -> Reading:
    """Read a register of one kind of one publisher (protocol section 7).

    `format` overrides detection: csv, xlsx, json, ndjson, or a layout: lga, contracts-finder, notices, plain.
    `published` is what is live of the kind, by which records keep the ids that they have. Raises `Malformed`
    for a file that cannot be read or is cut off, `UnknownFormat` for a format that is not one of these.
    """
    if kind not in KINDS:
        raise Malformed(f"'{kind[:40]}' is not a kind that can be imported: {', '.join(KINDS)}.")
    file_format, layout = split_format(format)
    source = opened(body, filename, file_format)
    read = partial(_read, source, kind=kind, publisher=publisher, layout=layout, published=published)
    try:
        return read(judged={})
    except Misjudged as misjudged:
        return read(judged=misjudged.columns)


def _read(
    source: Source,
    *,
    kind: str,
    publisher: PublisherFacts,
    layout: str | None,
    published: Published | None,
    judged: Mapping[str, DateColumn],
) -> Reading:
    problems, report = Problems(), Report()
    live = Live(published)
    drafts: Iterable[Draft | Ready]
    rows: DataRows | None = None
    if source.sheets:
        table, rows, found, ignored = recognised(source.sheets, kind, layout, workbook=source.format == "xlsx")
        name = found.name
        drafts = _tabular(replace(table, judged=judged), rows, found, publisher, problems)
    else:
        drafts, name, ignored = read_objects(source.objects, kind, publisher, problems), "plain", []
    for sheet in ignored:
        problems.tell(
            None, "", "This sheet is ignored: it is hidden, or its header is not the register's.",
            value=sheet, code="ignored-sheet",
        )  # fmt: skip
    sifted = sift(drafts, kind, publisher, live, problems)
    if rows is not None:
        _tell_passed_over(rows, report, problems)
    _tell_buyers(sifted.records, publisher, problems)
    _count(report, sifted, problems)
    refused = [RefusedRow(draft.row, draft.reference or _derived(draft)) for draft in sifted.refused]
    refused += [RefusedRow(ready.row, ready.reference) for ready in sifted.dropped]
    prefix = f"{publisher.id_prefix}{kind}/"
    return Reading(kind, source.format, name, sifted.records, refused, ignored, report, prefix)


def _tabular(
    table: Table, rows: DataRows, found: Layout, publisher: PublisherFacts, problems: Problems
) -> Iterator[Draft | Ready]:
    tell_computed(table, problems)
    for draft in found.read(table, publisher, problems):
        if rows.long and draft.place in rows.long and isinstance(draft, Draft):
            draft.refused = True
            problems.tell(
                draft.row, "", f"The row has more cells than the header has columns ({len(table.header)}).",
                expected="quotation marks around a text with the delimiter in it", code="too-many-cells",
                severity="error", sheet=draft.sheet,
            )  # fmt: skip
        yield draft


def _tell_passed_over(rows: DataRows, report: Report, problems: Problems) -> None:
    """Count the rows without data: blank ones, and the header again, which is told."""
    report.empty = rows.empty
    for row in rows.again:
        problems.tell(row.number, "", "The header stands here again; the row is passed over.", code="header-again",
                      sheet=row.sheet)  # fmt: skip


def _derived(draft: Draft) -> str | None:
    named = {"title", "name"} & draft.data.keys()
    return derived_reference(draft.data) if named else None


def _tell_buyers(records: Sequence[Candidate], publisher: PublisherFacts, problems: Problems) -> None:
    """Tell, once, of contracts that name another buyer: the file may be somebody else's register."""
    own = bare(publisher.name)
    times = Counter(record.buyers for record in records)
    other = {name: count for names, count in times.items() for name in names if bare(name) != own}
    if other:
        problems.tell(
            None, "", f"{sum(other.values())} of {len(records)} contracts name a buyer other than {publisher.name}.",
            value=next(iter(other)), expected=publisher.name, pointer="/buyers", code="other-buyer",
        )  # fmt: skip


def _count(report: Report, sifted: Sifted, problems: Problems) -> None:
    report.problems = one_a_cell(problems.found)
    report.refused = len({draft.place for draft in sifted.refused})
    report.merged = len(sifted.repeated)
    told = {(p.sheet, p.row) for p in report.problems if p.severity == "warning"}
    places = set(map(attrgetter("sheet", "row"), sifted.ready))
    report.accepted = len(places) - report.merged
    report.warned = len(told & places)
