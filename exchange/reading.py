"""Read one register file whole: bytes in, candidate records and a report out. No database, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter

from exchange import candidates
from exchange.below import DataRows
from exchange.candidates import Candidate, Named, sift
from exchange.cells import bare
from exchange.checking import Ready
from exchange.dates import DateColumn
from exchange.drafts import Draft, Problems, PublisherFacts, tell_computed, tell_unstored
from exchange.identity import Live, Published, derived_reference, may_be
from exchange.layouts import Layout, recognised
from exchange.objects import read_objects
from exchange.report import Report, RowFault, one_a_cell
from exchange.sources import Source, opened, split_format
from exchange.spool import Spool
from exchange.table import Misjudged, Table
from schema.errors import Malformed
from schema.kinds import KINDS

__all__ = [
    "Candidate",
    "Parsed",
    "Published",
    "PublisherFacts",
    "Reading",
    "RefusedRow",
    "named",
    "parse",
    "read_register",
]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is not published; `reference` is the one it would have had, None where it cannot be known."""

    row: int
    reference: str | None
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file as it was read for its publisher, before anybody has asked what is published: rows, not records yet.

    `ready` are the good rows, their bodies in the spool; `empty` counts the rows without data. At most `MOST_ROWS` rows
    and `MOST_PROBLEMS` problems are in memory.
    """

    kind: str
    publisher: PublisherFacts
    format: str
    layout: str
    empty: int
    ignored_sheets: list[str]
    spool: Spool = field(default_factory=Spool)
    ready: list[Ready] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    problems: list[RowFault] = field(default_factory=list)


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
    """Read a register of one kind of one publisher (protocol section 7), in this process.

    `published` is what is live of the kind, by which records keep the ids that they have. Raises as `parse` does.
    """
    return named(parse(body, filename=filename, kind=kind, publisher=publisher, format=format), published)


def parse(
    body: bytes,
    *,
    filename: str,
    kind: str,
    publisher: PublisherFacts,
    format: str | None = None,  # noqa: A002
) -> Parsed:
    """Read the rows of a file.

    `format` overrides detection: csv, xlsx, json, ndjson, or a layout: lga, contracts-finder, notices, plain.
    Raises `Malformed` for a file that cannot be read or is cut off, `UnknownFormat` for a format that is not one of
    these.
    """
    if kind not in KINDS:
        raise Malformed(f"'{kind[:40]}' is not a kind that can be imported: {', '.join(KINDS)}.")
    file_format, layout = split_format(format)
    source = opened(body, filename, file_format)
    read = partial(_parsed, source, kind=kind, publisher=publisher, layout=layout)
    try:
        return read(judged={})
    except Misjudged as misjudged:
        return read(judged=misjudged.columns)


def _parsed(
    source: Source, *, kind: str, publisher: PublisherFacts, layout: str | None, judged: Mapping[str, DateColumn]
) -> Parsed:
    problems = Problems()
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
    sifted = sift(drafts, kind, publisher, problems)
    empty = _passed_over(rows, problems) if rows is not None else 0
    refused = [RefusedRow(draft.row, draft.reference or _derived(draft), draft.sheet) for draft in sifted.refused]
    refused += [RefusedRow(ready.row, ready.reference, ready.sheet) for ready in sifted.dropped]
    return Parsed(
        kind,
        publisher,
        source.format,
        name,
        empty,
        ignored,
        spool=sifted.spool,
        ready=sifted.ready,
        refused=refused,
        problems=problems.found,
    )


def named(parsed: Parsed, published: Published | None) -> Reading:
    """Make records of the rows of a file by what is live of their kind, and report on it.

    What was parsed stays as it is: where something else is live meanwhile, its rows are named again.
    """
    kind, publisher, problems = parsed.kind, parsed.publisher, Problems(list(parsed.problems))
    found = candidates.named(
        parsed.ready,
        parsed.spool,
        kind=kind,
        publisher=publisher,
        published=Live(published),
        problems=problems,
    )
    _tell_buyers(found.records, publisher, problems)
    report = _report(parsed, found, problems)
    prefix = f"{publisher.id_prefix}{kind}/"
    ignored = parsed.ignored_sheets
    return Reading(kind, parsed.format, parsed.layout, found.records, parsed.refused, ignored, report, prefix)


def _tabular(
    table: Table, rows: DataRows, found: Layout, publisher: PublisherFacts, problems: Problems
) -> Iterator[Draft | Ready]:
    for draft in found.read(table, publisher, problems):
        if rows.long and draft.place in rows.long and isinstance(draft, Draft):
            draft.refused = True
            problems.tell(
                draft.row, "", f"The row has more cells than the header has columns ({len(table.header)}).",
                expected="quotation marks around a text with the delimiter in it", code="too-many-cells",
                severity="error", sheet=draft.sheet,
            )  # fmt: skip
        yield draft
    tell_computed(table, problems)
    tell_unstored(table, problems)


def _passed_over(rows: DataRows, problems: Problems) -> int:
    """Count the rows without data: blank ones, and the header again, which is told."""
    for row in rows.again:
        problems.tell(row.number, "", "The header stands here again; the row is passed over.", code="header-again",
                      sheet=row.sheet)  # fmt: skip
    return rows.empty


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


def _report(parsed: Parsed, found: Named, problems: Problems) -> Report:
    told = one_a_cell(problems.found)
    warned = {(p.sheet, p.row) for p in told if p.severity == "warning"}
    places = set(map(attrgetter("sheet", "row"), parsed.ready))
    refused = len({(row.sheet, row.row) for row in parsed.refused})
    merged = len(found.repeated)
    return Report(len(places) - merged, refused, parsed.empty, merged, len(warned & places), problems=told)
