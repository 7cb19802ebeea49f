"""The rows below a header that hold data: not the blank ones, and not the header where it stands again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from exchange.cells import heading
from exchange.report import Place
from exchange.tabular import Row, Sheet, checked_width


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
            if row.blank:
                self.empty += 1
            elif len(cells) > first and cells[first].strip().casefold() == title and form_of(cells) == form:
                self.empty += 1
                self.again.append(row)
            else:
                if len(cells) > width and any(map(str.strip, cells[width:])):
                    self.long.add((row.sheet, row.number))
                yield row

    def _all(self) -> Iterator[Row]:
        for sheet, place in self._sheets:
            rows = itertools.islice(sheet.rows, place + 1, None)
            if self._whole:
                yield from checked_width(rows, len(self._header))
            elif len(self._sheets) == 1:
                yield from (Row(row.number, row.cells) for row in rows)
            else:
                yield from rows


def form_of(cells: Sequence[str]) -> tuple[str, ...]:
    """Give a header as it is compared: without the empty columns at its end."""
    forms = [heading(cell) for cell in cells]
    while forms and not forms[-1]:
        forms.pop()
    return tuple(forms)
