"""One register as a table: its header, its rows, where each field stands and how its dates are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exchange.cells import heading, tidy
from exchange.dates import DateColumn, Dated, DateJudge, judge_dates
from exchange.tabular import Rows


@dataclass(frozen=True, slots=True)
class Table:
    """One register: the header as it stands, the row it stands in, and the data rows below it.

    `judged` is what is known already of date columns, by field.
    """

    header: tuple[str, ...]
    header_row: int
    rows: Rows
    workbook: bool = False
    formulas: frozenset[tuple[str, int, int]] = frozenset()
    unstored: frozenset[tuple[str, int, int]] = frozenset()
    judged: Mapping[str, DateColumn] = field(default_factory=dict)

    def column(self, place: int) -> str:
        """Name a column as the report does: its header, or its number where it has none."""
        return self.header[place].strip() or f"(column {place + 1})"


class Misjudged(Exception):
    """Dates are written in another way than was taken for granted: the table is read again, with this knowledge."""

    def __init__(self, columns: Mapping[str, DateColumn]) -> None:
        self.columns = columns
        super().__init__()


class Columns:
    """Where each field of a layout stands in this table, and how its date columns write dates.

    A table that is read row by row names its `dates`. They are then taken to write the day first, without looking at
    all cells beforehand, until a cell gives cause: where that shows another order, `Misjudged` is raised.
    """

    def __init__(self, table: Table, places: Mapping[str, Sequence[int]], dates: Sequence[str] = ()) -> None:
        self.table = table
        self.places = {name: tuple(found) for name, found in places.items()}
        self._dates = () if table.judged else dates
        self._judged = dict(table.judged)
        self._presumed = DateColumn(serials=table.workbook)
        self._headers = {name: table.column(found[0]) for name, found in self.places.items() if found}

    def day(self, name: str, text: str) -> Dated:
        """Read a date as its column writes dates."""
        if name in self._dates:
            if not self._presumed.doubted(text):
                return self._presumed.read(text)
            judged = self._together()
            if any(column != self._presumed for column in judged.values()):
                raise Misjudged(judged)
            self._judged, self._dates = judged, ()
        return self.judged(name).read(text)

    def _together(self) -> dict[str, DateColumn]:
        judges = {name: DateJudge(workbook=self.table.workbook) for name in self._dates}
        places = [(place, judge) for name, judge in judges.items() for place in self.places.get(name, ())]
        for row in self.table.rows:
            for place, judge in places:
                if place < len(row.cells) and (text := tidy(row.cells[place])):
                    judge.hear(text)
        return {name: judge.verdict() for name, judge in judges.items()}

    def judged(self, name: str) -> DateColumn:
        """Judge a date column once, by all its cells."""
        if name not in self._judged:
            places = self.places.get(name, ())
            cells = (tidy(row.cells[p]) for row in self.table.rows for p in places if p < len(row.cells))
            self._judged[name] = judge_dates((c for c in cells if c), workbook=self.table.workbook)
        return self._judged[name]

    def header(self, name: str) -> str:
        """Name the column that holds a field."""
        return self._headers.get(name, "")


def placed(header: Sequence[str], names: Mapping[str, str]) -> dict[str, list[int]]:
    """Find fields in a header: `names` maps `heading(...)` forms to fields. Gives field -> columns, in order."""
    places: dict[str, list[int]] = {}
    for place, title in enumerate(header):
        name = names.get(heading(title))
        if name:
            places.setdefault(name, []).append(place)
    return places
