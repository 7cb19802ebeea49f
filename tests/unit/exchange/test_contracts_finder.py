"""The layouts of Contracts Finder: flattened releases, and notices in words."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from exchange.reading import PublisherFacts, Reading, read_register
from tests.unit.exchange.making import EXA, one, problem, read_rows

RELEASE = {
    "uri": "https://finder.example/1.json", "publishedDate": "2026-07-01T19:50:05Z",
    "releases/0/ocid": "ocds-b5fd17-1", "releases/0/tag": "award", "releases/0/tender/id": "T-1",
    "releases/0/tender/title": "Lawns", "releases/0/tender/description": "Mowing",
    "releases/0/tender/items/0/classification/scheme": "CPV", "releases/0/tender/items/0/classification/id": "77310000",
    "releases/0/tender/value/amount": "0.0", "releases/0/tender/tenderPeriod/endDate": "2026-06-08T00:00:00Z",
    "releases/0/buyer/name": EXA.name, "releases/0/buyer/contactPoint/email": "jo.bloggs@exa.example",
    "releases/0/awards/0/description": "See description of related tender",
    "releases/0/awards/0/date": "2026-06-15T00:00:00Z",
    "releases/0/awards/0/value/amount": "231265.0", "releases/0/awards/0/value/currency": "GBP",
    "releases/0/awards/0/suppliers/0/id": "0.0", "releases/0/awards/0/suppliers/0/name": "Acme Ltd",
    "releases/0/awards/0/suppliers/0/identifier/scheme": "GB-COH",
    "releases/0/awards/0/suppliers/0/identifier/id": "1234567",
    "releases/0/awards/0/suppliers/1/name": "Bloom Ltd",
}  # fmt: skip


def _real(folder: Path, name: str) -> tuple[Reading, list[dict[str, str]]]:
    body = (folder / "registers" / name).read_bytes()
    raw = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    facts = PublisherFacts("GB-LAE-LND", "City of London Corporation", "https://city.example/id/GB-LAE-LND/")
    return read_register(body, filename=name, kind="contract", publisher=facts), raw


def test_an_award_is_a_contract() -> None:
    """Supplier, value, classification and notice come from the award; what it overrules is told once a column."""
    reading = read_rows([RELEASE])
    assert reading.layout == "contracts-finder"
    assert one(reading) == {
        "reference": "T-1", "ocid": "ocds-b5fd17-1", "title": "Lawns", "description": "Mowing",
        "buyers": [{"name": EXA.name}], "dateAwarded": "2026-06-15", "value": {"amount": 231265, "currency": "GBP"},
        "classifications": [{"scheme": "CPV", "id": "77310000"}],
        "notices": [{"ocid": "ocds-b5fd17-1", "url": "https://finder.example/1.json", "date": "2026-07-01"}],
        "suppliers": [
            {"name": "Acme Ltd", "identifiers": [{"scheme": "GB-COH", "id": "01234567"}]}, {"name": "Bloom Ltd"},
        ],
    }  # fmt: skip
    assert problem(reading, "releases/0/tender/value/amount").code == "overruled"
    assert problem(reading, "releases/0/tender/tenderPeriod/endDate").code == "unused-column"
    assert problem(reading, "releases/0/buyer/contactPoint/email").code == "personal-data"


def test_each_award_of_a_release_is_a_record() -> None:
    """Two awards of one process are two contracts of one reference."""
    more = {
        "releases/0/awards/1/suppliers/0/name": "Cart Ltd",
        "releases/0/awards/1/value/amount": "5",
        "releases/0/awards/1/contractPeriod/startDate": "2026-07-01",
    }
    reading = read_rows([RELEASE | more])
    assert [[s["name"] for s in r.data["suppliers"]] for r in reading.records] == [
        ["Acme Ltd", "Bloom Ltd"],
        ["Cart Ltd"],
    ]
    assert (reading.report.accepted, reading.report.rows) == (1, 1)
    assert reading.records[1].data["startDate"] == "2026-07-01"


def test_a_tender_period_is_not_the_contracts_period() -> None:
    """A tender without an award has its stage and no dates; one that came to nothing has no stage."""
    tender = {name: cell for name, cell in RELEASE.items() if "/awards/" not in name}
    data = one(read_rows([tender | {"releases/0/tender/status": "active"}]))
    assert (data["stage"], data["value"], data.keys() & {"startDate", "endDate"}) == (
        "tender",
        {"amount": 0, "currency": "GBP"},
        set(),
    )
    assert one(read_rows([tender | {"releases/0/tender/status": "planned"}]))["stage"] == "pipeline"
    failed = one(read_rows([tender | {"releases/0/tender/status": "unsuccessful"}]))
    assert (failed["tenderStatus"], "stage" in failed) == ("unsuccessful", False)


def test_odd_cells_of_a_notice_are_told() -> None:
    """A value that is none, an identifier without its scheme and an unknown code are told, not dropped."""
    cells = {
        "Notice ID": "N1",
        "Award Title": "Lawns",
        "Award Value": "TBC",
        "Supplier ID": "123",
        "Supplier Name": "Acme",
        "Classification Code": "grass",
        "Award Documents URL": "https://exa.example/d",
    }
    reading = read_rows([cells])
    assert reading.layout == "notices"
    assert (problem(reading, "Award Value").code, problem(reading, "Supplier ID").code) == ("money", "identifier")
    data = one(reading)
    assert data["classifications"] == [{"scheme": "local", "id": "grass"}]
    assert data["documents"] == [{"documentType": "awardNotice", "url": "https://exa.example/d"}]
    assert one(read_rows([cells | {"Award Value": "-5"}]))["value"]["amount"] == -5


SUPPLIERS = "releases/0/awards/0/suppliers"
UNSUPPLIED = {name: cell for name, cell in RELEASE.items() if "/suppliers/" not in name}


@pytest.mark.parametrize(
    ("cells", "suppliers", "told"),
    [
        (
            {"0/identifier/scheme": "GB-COH", "0/identifier/id": "1234567", "1/name": "Bloom Ltd"},
            [{"identifiers": [{"scheme": "GB-COH", "id": "01234567"}]}, {"name": "Bloom Ltd"}],
            None,
        ),
        (
            {"0/identifier/scheme": "GB-COH", "1/name": "Bloom Ltd"},
            [{"name": "Bloom Ltd"}],
            ("0/identifier/scheme", "GB-COH", "/suppliers/0/identifiers/0"),
        ),
        ({"0/identifier/id": "1234567"}, None, ("0/identifier/id", "1234567", "/suppliers/0/identifiers/0")),
        (
            {"0/name": "Acme Ltd", "1/identifier/scheme": "GB-COH", "1/identifier/id": "none"},
            [{"name": "Acme Ltd"}],
            ("1/identifier/id", "GB-COH none", "/suppliers/1/identifiers/0"),
        ),
    ],
)
def test_a_supplier_is_what_can_be_read_of_it(
    cells: dict[str, str], suppliers: list[dict[str, Any]] | None, told: tuple[str, str, str] | None
) -> None:
    """A number without a name is a supplier; one of which nothing can be read is told, and leaves no gap."""
    reading = read_rows([UNSUPPLIED | {f"{SUPPLIERS}/{name}": cell for name, cell in cells.items()}])
    assert one(reading).get("suppliers") == suppliers
    assert [
        (fault.column.removeprefix(f"{SUPPLIERS}/"), fault.value, fault.field)
        for fault in reading.report.problems
        if "/suppliers" in fault.field
    ] == ([told] if told else [])


def test_a_classification_says_more_than_its_scheme() -> None:
    """An item with a scheme alone is none; one with a label alone is a category of the buyer's own."""
    items = "releases/0/tender/items"
    more = {f"{items}/1/classification/scheme": "CPV", f"{items}/2/classification/description": "Hedges"}
    data = one(read_rows([RELEASE | more]))
    assert data["classifications"] == [
        {"scheme": "CPV", "id": "77310000"},
        {"scheme": "local", "description": "Hedges"},
    ]
    bare = {name: cell for name, cell in RELEASE.items() if "/items/" not in name}
    data = one(read_rows([bare | {f"{items}/0/classification/scheme": "CPV"}]))
    assert "classifications" not in data


def test_the_real_awards(real_data: Path) -> None:
    """Ten awards with line breaks in their cells: each a record, total value as in the file."""
    reading, raw = _real(real_data, "contracts-finder-awards-2020-07-01.csv")
    assert (reading.layout, len(raw), len(reading.records), reading.report.refused) == ("contracts-finder", 10, 10, 0)
    total = sum(float(cells["releases/0/awards/0/value/amount"]) for cells in raw)
    assert sum(record.data["value"]["amount"] for record in reading.records) == total
    assert [r.data["suppliers"][0]["name"] for r in reading.records] == [
        c["releases/0/awards/0/suppliers/0/name"].strip() for c in raw
    ]


def test_the_real_tenders(real_data: Path) -> None:
    """Two tenders that came to nothing: records without supplier, period and stage."""
    reading, raw = _real(real_data, "contracts-finder-tenders-2020-08-01.csv")
    assert [r.reference for r in reading.records] == [cells["releases/0/tender/id"] for cells in raw]
    assert not any(record.data.keys() & {"suppliers", "startDate", "stage"} for record in reading.records)


def test_the_real_notices_in_words(real_data: Path) -> None:
    """The 24 columns: dates, value and supplier of each award; no warning but for the columns that are left out."""
    reading, raw = _real(real_data, "city-of-london-awards-2020-06.csv")
    assert (reading.layout, len(reading.records), reading.report.warned) == ("notices", len(raw), 0)
    data = reading.records[1].data
    assert (data["startDate"], data["endDate"], data["value"]) == (
        "2020-06-02",
        "2021-03-31",
        {"amount": 250542, "currency": "GBP"},
    )
    assert {fault.code for fault in reading.report.problems} == {"unused-column"}


def test_the_real_file_with_errors(real_data: Path) -> None:
    """A tender without number and title is refused by row and column; its doubled columns agree and are no fault."""
    reading, _ = _real(real_data, "tender-with-errors.csv")
    assert (reading.records, reading.report.refused) == ([], 1)
    errors = [(f.row, f.column, f.code) for f in reading.report.problems if f.severity == "error"]
    assert errors == [(2, "Tender Title", "no-title")]
    assert {f.code for f in reading.report.problems} == {"no-title", "unused-column"}
