"""The quick way through the LGA layout and the slow one, held together; rows read one by one; bodies put away."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.checking import Ready
from exchange.lga_columns import HEADER
from exchange.lga_swift import Swift
from exchange.reading import Reading
from exchange.spool import Spool
from exchange.tabular import CsvRows, Row
from schema.identifiers import encode_reference
from tests.unit.exchange.making import csv_of, read, row

DAYS = ("01/04/2025", "31/03/2027", "03/25/2015", "13/02/16", "2015-06-30T23:00:00Z", "TBC", "42091", "1 May 2026")
SUMS = (
    "12,000.00", "£1,234.50", "1567 ", "(1,250.00)", "est. 5000", "1,234,567,890.10", "0012", "0.10", "1e3", "nil",
    "5 to 10", "£12k p.a.", "999999999999.99", "9999999999999999", "n/a", "-5", "EUR 20", "7.",
)  # fmt: skip
LINKS = ("https://www.exampleshire.example/a?b=1#c", "http://a b", "ftp://a.example", "https://é.example/", "https://x")
WORDS = (
    "Grounds maintenance", " Grounds  maintenance ", "Café \u2013 1", "'=1+1", "#N/A", "a\nb", "a\r\n\r\nb", "a\tb",
    "ask jo.bloggs@exampleshire.example", "contracts@exampleshire.example", "e\u0301", "\x7f", "x" * 501, '"', "\\",
    ".", "..", "EXA/1", "Exampleshire County Council", "framework AGREEMENT", "\u00a0", "01234 567890",
)  # fmt: skip
FLAGS = ("Yes", "no", "1", "perhaps", "Fixed", "Estimated cost")
NUMBERS = ("01234567", "gb/1234", "SC123456", "unknown", "1089464", "GB-CHC-1089464", "45000000-1; 71000000", "4500000")
POOL = {
    **dict.fromkeys(("StartDate", "EndDate", "ReviewDate", "LastExtensionDate", "Effective"), (*DAYS, "12 months")),
    **dict.fromkeys(("ContractValue", "IrrecoverableVAT"), SUMS),
    **dict.fromkeys([name for name in HEADER if name.endswith(("URL", "URI"))], LINKS),
    **dict.fromkeys(("FixedCost", "SMESupplier", "VCSESupplier"), FLAGS),
    **dict.fromkeys(("CompaniesHouseRegistrationNumber", "CharityCommissionNumber", "CPVCode"), NUMBERS),
}
EXTRA = ("Notes", "Effective", "local.Old", "Phone", "StartDate", "ContractTitle", "SupplierName", "")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


def _cell(name: str) -> st.SearchStrategy[str]:
    known = st.sampled_from((*POOL.get(name, ()), *WORDS)) if name not in POOL else st.sampled_from(POOL[name])
    return st.just("") | known | known | st.sampled_from(WORDS) | TEXTS


@st.composite
def registers(draw: st.DrawFn) -> str:
    """A register in the LGA layout with anything in its cells, many of them said again in another row."""
    names = ["ContractTitle", *draw(st.lists(st.sampled_from(HEADER), max_size=12, unique=True))]
    header = [*dict.fromkeys(names), *draw(st.lists(st.sampled_from(EXTRA), max_size=2))]
    cells = [draw(st.lists(_cell(name), min_size=1, max_size=3)) for name in header]
    rows = [[draw(st.sampled_from(some)) for some in cells] for _ in range(draw(st.integers(1, 6)))]
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue()


def _said(reading: Reading) -> dict[str, Any]:
    """All that a reading comes to."""
    return {
        "records": [(one.id, one.reference, one.rows, one.buyers, one.body) for one in reading.records],
        "refused": reading.refused,
        "report": reading.report.as_json(),
        "keeps": reading.prefix,
    }


@settings(max_examples=300)
@given(text=registers())
def test_the_quick_way_is_the_slow_way(text: str) -> None:
    """Whatever stands in the cells, the same records come of it to the byte, and the same faults are told."""
    quick = read(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Swift, "ready", lambda *_: None)
        slow = read(text)
    assert _said(quick) == _said(slow)


def test_a_plain_register_goes_the_quick_way() -> None:
    """No row of a register without anything odd is read twice, so the law above is not true of nothing."""
    made: list[Ready | None] = []
    rows = [
        row(
            ContractReference=f"EXA-{n}", ContractTitle=f"Café \u2013 {n}", Description="a\nb", ContractValue=value,
            TenderDocumentURL="https://www.exampleshire.example/1", SMESupplier="Yes", Notes="kept", CPVCode="45000000",
            OrganisationLabel="Exampleshire County Council", ContactEmail="contracts@exampleshire.example",
        )
        for n, value in enumerate(("1,250.50", "12000", "£0.10", "5 to 10"))
    ]  # fmt: skip
    quick = Swift.ready

    def ready(swift: Swift, one: Row) -> Ready | None:
        made.append(quick(swift, one))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Swift, "ready", ready)
        reading = read(csv_of(rows))
    assert all(made)
    assert len(made) == len(reading.records) == 4
    assert reading.records[0].data["value"] == {"amount": 1250.5, "currency": "GBP"}


@pytest.mark.parametrize(("last", "first"), [("03/25/2025", "2025-02-01"), ("42091", "2025-01-02"), ("", "2025-01-02")])
def test_the_last_row_may_decide_how_dates_are_read(last: str, first: str) -> None:
    """A date that proves the month to stand first is heeded in the rows above it too, however far above."""
    rows = [row(ContractReference=f"EXA-{n}", StartDate="02/01/2025") for n in range(20)]
    reading = read(csv_of([*rows, row(ContractReference="EXA-X", StartDate=last)]))
    if first == "2025-01-02":
        assert reading.records[0].data["startDate"] == "2025-01-02"
    else:
        assert {one.data["startDate"] for one in reading.records} == {"2025-02-01", "2025-03-25"}


@pytest.mark.parametrize(
    ("days", "read_as"),
    [
        (("", "02/01/2025", "", "03/25/2025"), [None, "2025-02-01", None, "2025-03-25"]),
        (("", "", "", "42091", "02/01/2025"), [None, None, None, "2015-03-28", "2025-01-02"]),
    ],
)
def test_empty_cells_do_not_decide_how_dates_are_read(days: Sequence[str], read_as: Sequence[str | None]) -> None:
    """Rows without a date stay without one, and count neither against an order of dates nor against serials."""
    reading = read(csv_of([row(ContractReference=f"EXA-{n}", StartDate=day) for n, day in enumerate(days)]))
    assert [record.data.get("startDate") for record in reading.records] == read_as
    assert reading.report.problems == []


def test_memory_of_cells_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More suppliers than are remembered are read all the same."""
    monkeypatch.setattr("exchange.pieces.MOST_KEPT", 3)
    reading = read(csv_of([row(ContractReference=f"EXA-{n}", SupplierName=f"Acme {n % 7}") for n in range(40)]))
    assert [one.data["suppliers"][0]["name"] for one in reading.records] == [f"Acme {n % 7}" for n in range(40)]


@given(
    rows=st.lists(st.lists(TEXTS, max_size=4), max_size=12),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
    open_=st.booleans(),
)
def test_rows_can_be_gone_through_again(rows: Sequence[Sequence[str]], end: str, *, open_: bool) -> None:
    """Each time they are the rows of the csv module with their numbers; blank lines at the end are none."""
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows(rows)
    text = out.getvalue().removesuffix(end) if open_ else out.getvalue()
    expected = list(enumerate(csv.reader(io.StringIO(text, newline="")), 1))
    while expected and not expected[-1][1]:
        expected.pop()
    sheet = CsvRows(text.encode(), "utf-8", ",")
    for _ in range(2):
        assert [(found.number, list(found.cells)) for found in sheet] == expected


@given(bodies=st.lists(st.binary(max_size=60)), most=st.integers(0, 100), order=st.randoms(use_true_random=False))
def test_what_is_put_away_is_had_back(bodies: Sequence[bytes], most: int, order: Any) -> None:
    """In any order, more than once, whether it is still in memory or in the file; and putting away goes on."""
    spool = Spool(most)
    numbers = [(spool.put(body), body) for body in bodies]
    shuffled = [*numbers, *numbers]
    order.shuffle(shuffled)
    assert all(spool.get(number) == body for number, body in [*numbers, *shuffled])
    last = spool.put(b"more")
    assert spool.get(last) == b"more"
    assert [spool.get(number) for number, _ in numbers] == list(bodies)


def test_what_is_put_away_again_and_again_is_in_one_file() -> None:
    """Bodies that outgrow memory several times are each had back, backwards too, and what is still in memory."""
    spool = Spool(in_memory=10)
    bodies = [bytes([97 + number]) * (number % 7 + 3) for number in range(20)]
    numbers = [spool.put(body) for body in bodies]
    assert numbers == list(range(1, 21))
    assert [spool.get(number) for number in numbers] == bodies
    assert [spool.get(number) for number in reversed(numbers)] == bodies[::-1]


@given(reference=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40) | st.just("A-1.~_"))
def test_plain_references_are_encoded_as_all_are(reference: str) -> None:
    """The quick answer is the one that RFC 3986 asks for."""
    if reference not in {".", ".."} and reference.isascii():
        assert encode_reference(reference) == quote(reference, safe="")
