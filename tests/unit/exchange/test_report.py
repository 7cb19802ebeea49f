"""The report of an import: as JSON, as a table and as CSV beside the file."""

from __future__ import annotations

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.cells import bare, guarded, tidy, unguarded
from exchange.privacy import names_role, role_mailbox
from exchange.report import COLUMNS, Report, RowFault, one_a_cell
from tests.unit.exchange.making import read_rows, row


def fault(row_: int | None = 2, column: str = "EndDate", **more: str) -> RowFault:
    """Make a problem."""
    members = {"field": "/endDate", "value": "TBC", "expected": "a date", "message": "No.", "code": "date"} | more
    return RowFault(row_, column, severity="warning", **members)


def test_the_json_has_the_members_of_the_protocol() -> None:
    """Counts and problems stand under the protocol's names, in its order."""
    report = read_rows([row(EndDate="TBC"), row(ContractTitle="")]).report.as_json()
    assert list(report) == [
        "accepted",
        "refused",
        "empty",
        "merged",
        "warned",
        "created",
        "updated",
        "deleted",
        "unchanged",
        "problems",
    ]
    assert [report[name] for name in ("accepted", "refused", "empty", "merged", "warned")] == [1, 1, 0, 0, 1]
    assert [list(problem) for problem in report["problems"]] == [list(COLUMNS)] * 2
    assert report["problems"][0] == {
        "row": 2, "column": "EndDate", "field": "/endDate", "value": "TBC",
        "expected": "a date such as 31/03/2027 or 2027-03-31", "message": "This is not a date; it is left out.",
        "severity": "warning", "code": "date",
    }  # fmt: skip


def test_the_table_shows_errors_first() -> None:
    """A person reads first what keeps rows from landing."""
    report = read_rows([row(EndDate="TBC"), row(ContractTitle="")]).report
    assert [cells[:3] for cells in report.table_rows()] == [
        ("3", "error", "ContractTitle"),
        ("2", "warning", "EndDate"),
    ]
    assert len(report.table_rows(1)) == 1 == report.errors


def test_the_csv_opens_without_running_anything() -> None:
    """Problems stand in row order; a cell that would be a formula is kept from being one."""
    report = Report(problems=[fault(9), fault(None, ""), fault(3, value="=1+1", message='a, "b"')])
    found = list(csv.reader(io.StringIO(report.as_csv(), newline="")))
    assert found[0] == list(COLUMNS)
    assert [cells[0] for cells in found[1:]] == ["", "3", "9"]
    assert (found[2][3], found[2][5]) == ("'=1+1", 'a, "b"')


def test_a_cell_has_one_problem() -> None:
    """Of several problems of a cell the first stays, an error before a warning; other cells keep theirs."""
    error = RowFault(2, "EndDate", "", "", "", "Bad.", "error", "schema")
    assert one_a_cell([fault(), fault(message="Again."), error, fault(3), fault(2, "")]) == [
        error,
        fault(3),
        fault(2, ""),
    ]


@given(st.text(max_size=30))
def test_guarded_text_is_never_a_formula_and_comes_back(text: str) -> None:
    """No text that we write begins as a formula does, and each is read back as it was."""
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguarded(guarded(text)) == text


@given(st.text(max_size=30))
def test_tidying_is_done_once(text: str) -> None:
    """A tidied text is tidy, unless a guard stood under blanks; what is compared depends on no blanks at the ends."""
    assert tidy(tidy(text)) == tidy(text) or "'" in text
    assert bare(f" {text.upper()} ") == bare(text.upper())


@pytest.mark.parametrize(
    "name",
    ["Procurement", "ICT Helpdesk", "Head of Digital", "Adult Social Care Commissioning", "corporateprocurement"],
)
def test_roles_are_known(name: str) -> None:
    """Names of teams and roles may be published."""
    assert names_role(name)
    assert role_mailbox(f"{name.replace(' ', '.')}@exa.example")


@pytest.mark.parametrize(
    "text", ["a" * 190_000 + " @", "contactus" * 19_000 + "@x", "1 " * 50_000, "0" * 100_000 + " x"]
)
def test_no_long_cell_takes_long(text: str) -> None:
    """Cells made to be slow are read, as whatever they are, in the time of an honest one."""
    began = time.process_time()
    row_ = row(Description=text, ContactName=text, LastExtensionDate=text, ContractValue=text, StartDate=text)
    assert read_rows([row_ | {"More": text}]).report.rows == 1
    assert time.process_time() - began < 2


@pytest.mark.parametrize("name", ["Jo Bloggs", "jo", "J. Procurement-Smith", "", "and", "12", "Bob from contracts"])
def test_persons_are_not(name: str) -> None:
    """A name with any word that is not of a role may be a person's."""
    assert not names_role(name)
    assert not role_mailbox(f"{name.replace(' ', '.')}@exa.example")
