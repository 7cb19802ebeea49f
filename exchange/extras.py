"""Columns that a layout does not know: told of once, their cells kept under `local` unless they may be personal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exchange.cells import tidy
from exchange.dates import DateColumn, DateJudge
from exchange.drafts import MASK, Problems, RowReader
from exchange.privacy import personal_cell, personal_header
from exchange.table import Table

# Said of each column in the report, and of many at once where a person reads it (folkmoot/telling.py).
_KEPT = "Not part of the layout: the cells are kept under 'local'."
_OURS = "local."  # how our own export heads what an import kept under `local`
_LEFT = "Not part of the layout, and may be personal: the cells are left out."
_READERS = (DateColumn("day", serials=True), DateColumn("month", serials=True))


class Extras:
    """The unknown columns of one table. Dates among them become ISO 8601, the same from CSV and from a workbook."""

    def __init__(self, table: Table, known: set[int], problems: Problems) -> None:
        self._table = table
        self.columns: dict[int, DateColumn | None] = {}
        for place, dates in _heard(table, sorted(set(range(len(table.header))) - known)).items():
            title = table.column(place)
            personal = personal_header(title.removeprefix(_OURS))
            if not title.startswith(_OURS) or personal:
                problems.tell(
                    table.header_row, title, _LEFT if personal else _KEPT,
                    pointer="" if personal else "/local", code="extra-column",
                )  # fmt: skip
            if not personal:
                self.columns[place] = dates.verdict()

    @property
    def distinct(self) -> bool:
        """Whether each column is a member of `local` of its own."""
        names = [self._table.column(place).removeprefix(_OURS) for place in self.columns]
        return len({*names, "ServiceCategoryLabel"}) > len(names)

    def keep(self, reader: RowReader, data: dict[str, Any]) -> None:
        """Put the row's cells of unknown columns under `local`, by their headers."""
        for place, dates in self.columns.items():
            text = tidy(reader.row.cells[place]) if place < len(reader.row.cells) else ""
            if not text:
                continue
            title = reader.columns.table.column(place)
            if personal_cell(text):
                reader.problems.tell(
                    reader.row.number,
                    title,
                    "It may be personal; it is left out.",
                    value=MASK,
                    code="personal-data",
                    sheet=reader.row.sheet,
                )
                continue
            day = dates.read(text).day if dates else None
            name = title.removeprefix(_OURS)
            reader.draft.fed[f"/local/{name}"] = title
            data.setdefault("local", {})[name] = day.isoformat() if day else text


class _Dates:
    """Hears the texts of a column, and judges whether it holds nothing but dates, and how it writes them."""

    def __init__(self) -> None:
        self._judge: DateJudge | None = DateJudge()
        self._seen: set[str] = set()

    def hear(self, text: str) -> None:
        if self._judge is None:
            return
        self._judge.hear(text)
        if text not in self._seen:
            self._seen.add(text)
            if text.isdigit() or not any(column.read(text).day for column in _READERS):
                self._judge = None

    def verdict(self) -> DateColumn | None:
        if self._judge is None:
            return None
        judged = self._judge.verdict()
        return judged if all(judged.read(text).day for text in self._seen) else None


def _heard(table: Table, places: Sequence[int]) -> dict[int, _Dates]:
    """Go through the columns at these places, all at once; only those that say something are given back."""
    heard: dict[int, _Dates] = {}
    for row in table.rows if places else ():
        for place in places:
            if place < len(row.cells) and (text := tidy(row.cells[place])):
                heard.setdefault(place, _Dates()).hear(text)
    return dict(sorted(heard.items()))
