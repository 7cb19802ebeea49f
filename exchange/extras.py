"""Columns that a layout does not know: told of once, their cells kept under `local` unless they may be personal."""

from __future__ import annotations

from typing import Any

from exchange.cells import tidy
from exchange.dates import DateColumn, judge_dates
from exchange.drafts import MASK, Problems, RowReader, Table
from exchange.privacy import personal_cell, personal_header

_KEPT = "This column is not part of the layout: its cells are kept under 'local'."
_OURS = "local."  # how our own export heads what an import kept under `local`
_LEFT = "This column is not part of the layout and may be personal: it is left out."


class Extras:
    """The unknown columns of one table. Dates among them become ISO 8601, the same from CSV and from a workbook."""

    def __init__(self, table: Table, known: set[int], problems: Problems) -> None:
        self._columns: dict[int, DateColumn | None] = {}
        for place in sorted(set(range(len(table.header))) - known):
            texts = [text for row in table.rows if place < len(row.cells) and (text := tidy(row.cells[place]))]
            if not texts:
                continue
            title = table.column(place)
            personal = personal_header(title.removeprefix(_OURS))
            if title.startswith(_OURS) and not personal:
                self._columns[place] = _dates(texts)
                continue
            problems.tell(
                table.header_row, title, _LEFT if personal else _KEPT,
                pointer="" if personal else "/local", code="extra-column",
            )  # fmt: skip
            if not personal:
                self._columns[place] = _dates(texts)

    def keep(self, reader: RowReader, data: dict[str, Any]) -> None:
        """Put the row's cells of unknown columns under `local`, by their headers."""
        for place, dates in self._columns.items():
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


def _dates(texts: list[str]) -> DateColumn | None:
    """Judge a column that holds nothing but dates; None for any other."""
    if any(text.isdigit() for text in texts):
        return None
    judged = judge_dates(texts)
    return judged if all(judged.read(text).day for text in texts) else None
