"""Which layout a file has, and where its header stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from exchange import contractsfinder, lga, plain
from exchange.below import DataRows, form_of
from exchange.checking import Ready
from exchange.drafts import SAVE, Draft, Problems, PublisherFacts
from exchange.shape import required
from exchange.table import Table
from exchange.tabular import Row, Sheet
from schema.errors import Malformed

HEADER_WITHIN = 20
Score = Callable[[Sequence[str]], int]
Read = Callable[[Table, PublisherFacts, Problems], Iterable[Draft | Ready]]


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to write a register as a table: how well a header fits it, and how to read its rows.

    `streams` where a row is read and forgotten; the others go through all rows several times and have them in memory.
    """

    name: str
    score: Score
    read: Read
    streams: bool = False


def layouts_of(kind: str) -> list[Layout]:
    """Name the layouts that a kind can come in; the first wins a tie."""
    ours = Layout("plain", lambda header: plain.score(header, kind), lambda t, p, found: plain.read(t, kind, p, found))
    if kind != "contract":
        return [ours]
    return [
        Layout("lga", lga.score, lga.read, streams=True),
        Layout("contracts-finder", contractsfinder.score_releases, contractsfinder.read_releases),
        Layout("notices", contractsfinder.score_notices, contractsfinder.read_notices),
        ours,
    ]


@dataclass(frozen=True, slots=True)
class _Found:
    score: int
    place: int
    header: Row
    layout: Layout


def _find(sheet: Sheet, layouts: Sequence[Layout]) -> _Found | None:
    """Find the row that fits a layout best among the first; the higher row, then the earlier layout, wins a tie."""
    found = [
        _Found(layout.score(row.cells), place, row, layout)
        for place, row in enumerate(sheet.first(HEADER_WITHIN))
        for layout in layouts
    ]
    best = max(found, key=lambda one: one.score, default=None)
    return best if best and best.score else None


def recognised(
    sheets: Sequence[Sheet], kind: str, wanted: str | None, *, workbook: bool
) -> tuple[Table, DataRows, Layout, list[str]]:
    """Make one table of the visible sheets with one header; name the other sheets. Malformed where none has one."""
    layouts = [layout for layout in layouts_of(kind) if wanted in (None, layout.name)]
    found = [(sheet, one) for sheet in sheets if sheet.visible and (one := _find(sheet, layouts))]
    if not found:
        raise Malformed(_unrecognised(sheets, kind))
    _, best = max(found, key=lambda pair: pair[1].score)
    head = tuple(best.header.cells)
    members = [(sheet, one) for sheet, one in found if form_of(one.header.cells) == form_of(head)]
    names = {sheet.name for sheet, _ in members}
    rows = DataRows([(sheet, one.place) for sheet, one in members], head, whole=not workbook)
    formulas, unstored = _places(members, lambda sheet: sheet.formulas), _places(members, lambda sheet: sheet.unstored)
    table = Table(head, best.header.number, rows if best.layout.streams else list(rows), workbook, formulas, unstored)
    return table, rows, best.layout, [sheet.name for sheet in sheets if sheet.name not in names]


def _places(
    members: Sequence[tuple[Sheet, _Found]], of: Callable[[Sheet], set[tuple[int, int]]]
) -> frozenset[tuple[str, int, int]]:
    """Cells below the headers, named as rows are: by their sheet where there are several (exchange/below.py)."""
    return frozenset(
        (sheet.name if len(members) > 1 else "", row, column)
        for sheet, one in members
        for row, column in of(sheet)
        if row > one.header.number
    )


def _unrecognised(sheets: Sequence[Sheet], kind: str) -> str:
    rows = next((rows for sheet in sheets if sheet.visible and (rows := sheet.first(1))), [])
    seen = ", ".join(cell.strip()[:40] for cell in rows[0].cells[:6] if cell.strip()) if rows else ""
    wanted = "ContractReference, ContractTitle" if kind == "contract" else ", ".join(required(kind))
    told = f"No header of a register was found: columns such as {wanted} are wanted; there is: {seen or 'nothing'}."
    return f"{told} The file holds formulas without their results. {SAVE}" if any(s.unstored for s in sheets) else told
