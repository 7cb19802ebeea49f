"""Which layout a file has, and where its header stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exchange import contractsfinder, lga, plain
from exchange.cells import heading
from exchange.drafts import Draft, Problems, PublisherFacts, Table
from exchange.shape import required
from exchange.tabular import Row, Sheet, checked_width
from schema.errors import Malformed

HEADER_WITHIN = 20
Score = Callable[[Sequence[str]], int]
Read = Callable[[Table, PublisherFacts, Problems], list[Draft]]


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to write a register as a table: how well a header fits it, and how to read its rows."""

    name: str
    score: Score
    read: Read


def layouts_of(kind: str) -> list[Layout]:
    """Name the layouts that a kind can come in; the first wins a tie."""
    ours = Layout("plain", lambda header: plain.score(header, kind), lambda t, p, found: plain.read(t, kind, p, found))
    if kind != "contract":
        return [ours]
    return [
        Layout("lga", lga.score, lga.read),
        Layout("contracts-finder", contractsfinder.score_releases, contractsfinder.read_releases),
        Layout("notices", contractsfinder.score_notices, contractsfinder.read_notices),
        ours,
    ]


@dataclass(frozen=True, slots=True)
class _Found:
    score: int
    place: int
    layout: Layout


def _find(rows: Sequence[Row], layouts: Sequence[Layout]) -> _Found | None:
    """Find the row that fits a layout best among the first; the higher row, then the earlier layout, wins a tie."""
    found = [
        _Found(layout.score(row.cells), place, layout)
        for place, row in enumerate(rows[:HEADER_WITHIN])
        for layout in layouts
    ]
    best = max(found, key=lambda one: one.score, default=None)
    return best if best and best.score else None


def recognised(
    sheets: Sequence[Sheet], kind: str, wanted: str | None, *, workbook: bool
) -> tuple[Table, Layout, list[str]]:
    """Make one table of the visible sheets with one header; name the other sheets. Malformed where none has one."""
    layouts = [layout for layout in layouts_of(kind) if wanted in (None, layout.name)]
    found = [(sheet, one) for sheet in sheets if sheet.visible and (one := _find(sheet.rows, layouts))]
    if not found:
        raise Malformed(_unrecognised(sheets, kind))
    first, best = max(found, key=lambda pair: pair[1].score)
    header = _form(first.rows[best.place].cells)
    members = [(sheet, one) for sheet, one in found if _form(sheet.rows[one.place].cells) == header]
    names = {sheet.name for sheet, _ in members}
    rows: list[Row] = []
    for sheet, one in members:
        below = sheet.rows[one.place + 1 :]
        if not workbook:
            checked_width(below, len(first.rows[best.place].cells))
        rows += below
    if len(members) == 1:
        rows = [Row(row.number, row.cells) for row in rows]
    formulas = frozenset((s.name, r, c) for s, one in members for r, c in s.formulas if r > s.rows[one.place].number)
    head = first.rows[best.place]
    table = Table(head.cells, head.number, rows, workbook, formulas)
    return table, best.layout, [sheet.name for sheet in sheets if sheet.name not in names]


def _form(cells: Sequence[str]) -> tuple[str, ...]:
    forms = [heading(cell) for cell in cells]
    while forms and not forms[-1]:
        forms.pop()
    return tuple(forms)


def headers_again(table: Table) -> list[Row]:
    """Find the rows that repeat the header, as files pasted together have them."""
    form = _form(table.header)
    first = next((place for place, title in enumerate(table.header) if heading(title)), 0)
    title = table.header[first].strip().casefold()
    likely = [row for row in table.rows if len(row.cells) > first and row.cells[first].strip().casefold() == title]
    return [row for row in likely if _form(row.cells) == form]


def _unrecognised(sheets: Sequence[Sheet], kind: str) -> str:
    rows = next((sheet.rows for sheet in sheets if sheet.visible and sheet.rows), [])
    seen = ", ".join(cell.strip()[:40] for cell in rows[0].cells[:6] if cell.strip()) if rows else ""
    wanted = "ContractReference, ContractTitle" if kind == "contract" else ", ".join(required(kind))
    return f"No header of a register was found: columns such as {wanted} are wanted; there is: {seen or 'nothing'}."
