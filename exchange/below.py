"""The rows below a header that hold data: not the blank ones, and not the header where it stands again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from exchange.cells import heading
from exchange.report import Place
from exchange.tabular import Row, Sheet
from schema.errors import Malformed


class DataRows:
    """Rows that are read anew each time. What was passed over is known when somebody has gone through them all.

    `empty` counts rows that are no data; `again` are those that repeat the header, as files pasted together have them;
    `long` are the places of rows that say something beyond the header's last column.
    """

    def __init__(self, sheets: Sequence[tuple[Sheet, int]], header: Sequence[str], *, whole: bool) -> None:
        """Give each sheet with its header's place among the rows; `whole` where a short row breaks the file."""
        self._sheets = sheets
        self._header = header
        self._whole = whole
        self._begin()

    def _begin(self) -> None:
        self.empty = 0
        self.again: list[Row] = []
        self.long: set[Place] = set()

    def __iter__(self) -> Iterator[Row]:
        """Go through the data rows. Malformed where one breaks the file."""
        self._begin()
        form, width = form_of(self._header), len(self._header)
        first = next((place for place, title in enumerate(self._header) if heading(title)), 0)
        title = self._header[first].strip().casefold()
        for row in self._all():
            cells = row.cells
            begins = cells[first].strip() if len(cells) > first else ""
            if not begins and row.blank:
                self.empty += 1
                continue
            if self._whole and len(cells) < width:
                raise self._broken(row)
            if begins.casefold() == title and form_of(cells) == form:
                self.empty += 1
                self.again.append(row)
                continue
            if len(cells) > width and any(map(str.strip, cells[width:])):
                self.long.add((row.sheet, row.number))
            yield row

    def _all(self) -> Iterator[Row]:
        for sheet, place in self._sheets:
            rows = itertools.islice(sheet.rows, place + 1, None)
            alone = len(self._sheets) == 1 and sheet.name
            yield from (row._replace(sheet="") for row in rows) if alone else rows

    def _broken(self, row: Row) -> Malformed:
        """A row that is shorter than the header: the file was cut off, or a line break or quote broke it."""
        after = sum(1 for one in self._all() if one.number > row.number)
        where = "breaks its own column count in" if after else "ends in the middle of"
        return Malformed(
            f"The file {where} row {row.number}: {len(row.cells)} of {len(self._header)} columns. It is cut off."
        )


def form_of(cells: Sequence[str]) -> tuple[str, ...]:
    """Give a header as it is compared: without the empty columns at its end."""
    forms = [heading(cell) for cell in cells]
    while forms and not forms[-1]:
        forms.pop()
    return tuple(forms)
