"""What an import says about a file: counts of rows, counts of changes, and every problem by row and column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from exchange.cells import csv_line, guarded
from schema.errors import Severity

COLUMNS = ("row", "column", "field", "value", "expected", "message", "severity", "code")
MAX_VALUE = 200
Place = tuple[str, int]
"""Sheet and row."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """One thing wrong with one cell, row or file (protocol section 7).

    `row` is the row as in the file (header = 1), or None for the whole file; `column` the header as it stands
    there ("" for the whole row); `field` the JSON pointer that the cell would have filled ("" for none).
    `value` is the cell as it stands, at most 200 characters, and empty where it may be personal data.
    """

    row: int | None
    column: str
    field: str
    value: str
    expected: str
    message: str
    severity: Severity
    code: str
    sheet: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give the members in the order of the protocol; of several sheets, the message names the one."""
        told = f"{self.message} (sheet '{self.sheet}')" if self.sheet else self.message
        return {name: getattr(self, name) for name in COLUMNS} | {"message": told}


@dataclass(slots=True)
class Report:
    """The report of one file. accepted + refused + empty + merged = data rows; `accepted` counts rows, not records.

    `created`, `updated`, `deleted`, `unchanged` count records; reading leaves them 0, the diff fills them in.
    `warned` counts rows (accepted or merged) that carry a warning.
    """

    accepted: int = 0
    refused: int = 0
    empty: int = 0
    merged: int = 0
    warned: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    problems: list[RowFault] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Count the data rows of the file."""
        return self.accepted + self.refused + self.empty + self.merged

    @property
    def errors(self) -> int:
        """Count the problems that refuse a row."""
        return sum(1 for problem in self.problems if problem.severity == "error")

    def as_json(self) -> dict[str, Any]:
        """Give the object of protocol section 7, ready for a JSON encoder."""
        counts = ("accepted", "refused", "empty", "merged", "warned", "created", "updated", "deleted", "unchanged")
        return {name: getattr(self, name) for name in counts} | {"problems": [p.as_dict() for p in self.problems]}

    def table_rows(self, limit: int | None = None) -> list[tuple[str, ...]]:
        """Give the problems as rows of text (row, severity, column, value, message), errors first."""
        ranked = sorted(self.problems, key=lambda p: (p.severity != "error", p.row or 0))
        return [("" if p.row is None else str(p.row), p.severity, p.column, p.value, p.message) for p in ranked[:limit]]

    def as_csv(self) -> str:
        """Give the problems as CSV that opens beside the file, in row order; cells cannot start a formula."""
        lines = [csv_line(COLUMNS)]
        for problem in sorted(self.problems, key=lambda p: p.row or 0):
            cells = problem.as_dict()
            row = "" if problem.row is None else str(problem.row)
            lines.append(csv_line([row, *(guarded(str(cells[name])) for name in COLUMNS[1:])]))
        return "".join(lines)


def shortened(value: str) -> str:
    """Cut a cell for the report."""
    return value if len(value) <= MAX_VALUE else value[: MAX_VALUE - 1] + "…"


def one_a_cell(problems: Iterable[RowFault]) -> list[RowFault]:
    """Keep one problem a cell: the first error, else the first warning; row-level and file-level ones all stay."""
    kept: dict[tuple[str, int | None, str], int] = {}
    out: list[RowFault] = []
    for problem in problems:
        key = (problem.sheet, problem.row, problem.column)
        if not problem.column or key not in kept:
            kept[key] = len(out)
            out.append(problem)
        elif problem.severity == "error" and out[kept[key]].severity == "warning":
            out[kept[key]] = problem
    return out
