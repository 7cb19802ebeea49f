"""What a layout makes of a row before it is a record: the draft, which column fed which member, what was wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from exchange.cells import tidy
from exchange.privacy import without_mailboxes
from exchange.report import RowFault, shortened
from exchange.table import Columns, Table
from exchange.tabular import Row
from schema.errors import Malformed, Severity

ERROR_CELL = re.compile(r"#(?:DIV/0!|N/A|NAME\?|NULL!|NUM!|REF!|VALUE!|SPILL!|CALC!)")
MASK = "(not shown)"
MOST_PROBLEMS = 200_000
UNSTORED = "no-result"
SAVE = "Open the file in a spreadsheet program and save it: that stores the results."
_UNSTORED = "A formula whose result the file does not hold: nothing is taken of it."


@dataclass(frozen=True, slots=True)
class PublisherFacts:
    """Whose register it is: id as in `GB-LAE-EXA`, name, and `id_prefix` that ends in `/`."""

    id: str
    name: str
    id_prefix: str

    @property
    def words(self) -> frozenset[str]:
        """Give the words of its name and its initials: in a contact they name no person."""
        words = re.findall(r"[^\W\d_]+", self.name.casefold())
        return frozenset({*words, "".join(word[0] for word in words), self.id.rpartition("-")[2].casefold()})


@dataclass(slots=True)
class Draft:
    """One row on its way. `fed` is JSON pointer -> column; `refused` rows are told of and not published.

    A `strict` one came as JSON: what the schema does not take refuses it, where a cell would be left out.
    """

    row: int
    reference: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    fed: dict[str, str] = field(default_factory=dict)
    refused: bool = False
    strict: bool = False
    sheet: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """Name the row in the whole file: of several sheets, the sheet too."""
        return self.sheet, self.row


@dataclass(slots=True)
class Problems:
    """The problems of one file as they are found."""

    found: list[RowFault] = field(default_factory=list)

    def tell(
        self, row: int | None, column: str, message: str, *, value: str = "", expected: str = "",
        pointer: str = "", code: str = "unreadable", severity: Severity = "warning",
        sheet: str = "",
    ) -> None:  # fmt: skip
        """Add one problem. Malformed where there are too many: a report is read by people, and held in memory."""
        if len(self.found) >= MOST_PROBLEMS:
            raise Malformed(f"There is more wrong with the file than can be told: over {MOST_PROBLEMS} of its cells.")
        self.found.append(RowFault(row, column, pointer, shortened(value), expected, message, severity, code, sheet))


class RowReader:
    """Reads the cells of one row by field name; what cannot be read is told and left out."""

    def __init__(self, columns: Columns, row: Row, problems: Problems, publisher: PublisherFacts) -> None:
        self.publisher = publisher
        self.columns = columns
        self.row = row
        self.problems = problems
        self.draft = Draft(row.number, sheet=row.sheet)
        self.asked: set[str] = set()

    def cell(self, name: str) -> str:
        """Give a field's text, "" where there is none; a field with several columns gives the first that is filled."""
        self.asked.add(name)
        first = ""
        for place in self.columns.places.get(name, ()):
            text = tidy(self.row.cells[place]) if place < len(self.row.cells) and self.row.cells[place] else ""
            if not text:
                continue
            if text[0] == "#" and ERROR_CELL.fullmatch(text):
                self.problems.tell(
                    self.row.number, self.columns.table.column(place), "The cell holds an error of the spreadsheet.",
                    value=text, expected="a value", code="error-cell", sheet=self.row.sheet,
                )  # fmt: skip
            elif not first:
                first = text
            elif text != first:
                self.problems.tell(
                    self.row.number, self.columns.table.column(place), "A column of the same name says otherwise.",
                    value=text, expected=first, code="doubled-column", sheet=self.row.sheet,
                )  # fmt: skip
        return first

    def warn(
        self, name: str, message: str, *, value: str, expected: str = "", pointer: str = "", code: str = "unreadable"
    ) -> None:
        """Tell that a field's cell is left out, or kept as the message says."""
        self.problems.tell(
            self.row.number, self.columns.header(name), message,
            value=value, expected=expected, pointer=pointer, code=code, sheet=self.row.sheet,
        )  # fmt: skip

    def feed(self, pointer: str, name: str) -> None:
        """Remember which column fed a member."""
        self.draft.fed[pointer] = self.columns.header(name)

    def title(self, pointer: str, *names: str) -> str:
        """Read what the row is called from the first field that says it; name its column even where none does."""
        for name in names:
            if self.columns.header(name):
                self.draft.fed.setdefault(pointer, self.columns.header(name))
            text = self.line(name, pointer)
            if text:
                return text
        return ""

    def line(self, name: str, pointer: str) -> str:
        """Read a text of one line; line breaks become spaces, mailboxes of persons are taken out."""
        return self.text(name, pointer).replace("\n", " ")

    def text(self, name: str, pointer: str) -> str:
        """Read a text; mailboxes of persons are taken out and told."""
        text = self.cell(name)
        if not text:
            return ""
        self.feed(pointer, name)
        if "@" in text:
            clean = without_mailboxes(text)
            if clean != text:
                self.warn(
                    name, "A mailbox that may be a person's is taken out of the text.",
                    value=MASK, expected="the mailbox of a team or role", pointer=pointer, code="personal-data",
                )  # fmt: skip
            return clean
        return text

    def date(self, name: str, pointer: str) -> str:
        """Read a date as ISO 8601."""
        text = self.cell(name)
        if not text:
            return ""
        read = self.columns.day(name, text)
        if read.note:
            expected = "a date such as 31/03/2027 or 2027-03-31"
            self.warn(name, read.note, value=text, expected=expected, pointer=pointer, code="date")
        if not read.day:
            return ""
        self.feed(pointer, name)
        return read.day.isoformat()


def tell_unstored(table: Table, problems: Problems) -> None:
    """Tell of each formula whose result the file does not hold; its cell was read as empty.

    To be called when all rows are read: what came of it (no title) gives way to the cause, and refuses the row still.
    """
    if len(table.unstored) + len(problems.found) > MOST_PROBLEMS:
        raise Malformed(f"The file holds {len(table.unstored):,} formulas without their results. {SAVE}")
    told = {(one.sheet, one.row, one.column): place for place, one in enumerate(problems.found)}
    for sheet, row, place in sorted(table.unstored):
        if place >= len(table.header):
            continue
        column = table.column(place)
        at = told.get((sheet, row, column))
        if at is None:
            problems.tell(row, column, f"{_UNSTORED} {SAVE}", expected="a value", code=UNSTORED, sheet=sheet)
        else:
            came = problems.found[at]
            problems.found[at] = replace(came, message=f"{_UNSTORED} {SAVE}", expected="a value", code=UNSTORED)


def tell_computed(table: Table, problems: Problems) -> None:
    """Tell of computed cells, at the first of a column and sheet: their last stored result is all that a file holds.

    To be called last, for a cell of which something else is told already is told of once.
    """
    told = {(one.sheet, one.row, one.column) for one in problems.found}
    found: dict[tuple[str, int], list[int]] = {}
    for sheet, row, place in sorted(table.formulas):
        if place < len(table.header) and (sheet, row, table.column(place)) not in told:
            found.setdefault((sheet, place), []).append(row)
    for (sheet, place), rows in found.items():
        seen = ", ".join(map(str, rows[:5])) + (", ..." if rows[5:] else "")
        problems.tell(
            rows[0], table.column(place), f"{len(rows)} computed cell(s), in row {seen}: the stored result was taken.",
            expected="values, not formulas", code="computed", sheet=sheet,
        )  # fmt: skip
