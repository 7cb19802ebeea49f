"""The LGA contracts register: columns, cells, and the same register written and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.cells import bare
from exchange.lga import COLUMNS, HEADER
from exchange.lga_export import rows, write
from schema.kinds import parse
from tests.strategies import records
from tests.unit.exchange.making import CONTRACT, EXA, csv_of, live, one, problem, read, read_rows, row


def test_the_columns_are_those_of_the_official_schema(real_data: Path) -> None:
    """Names, titles and order of the 38 columns equal the LGA's own schema file."""
    fields = json.loads((real_data / "registers/lga-contracts-schema-utf16.json").read_bytes().decode("utf-16-le"))
    assert [(f["name"], f["title"]) for f in fields["fields"]] == [tuple(column) for column in COLUMNS]


@pytest.mark.parametrize(
    "change",
    [
        str,
        str.upper,
        lambda t: t.replace(" ", "  "),
        lambda t: t.replace("'", "\u2019"),
        lambda t: t.replace("'", "").replace(":", " -"),
    ],
)
def test_headers_are_forgiven_their_spelling(change: Any) -> None:
    """Names and titles are known whatever their case, spacing, apostrophes and punctuation."""
    cells = dict.fromkeys((column.title for column in COLUMNS), "") | {
        "Contract Reference number / ID": "R1",
        "Title of the Agreement": "Lawns",
    }
    cells["Procurement classification: Council's procurement category label"] = "Parks"
    data = one(read_rows([{change(title): cell for title, cell in cells.items()}]))
    assert (data["reference"], data["title"]) == ("R1", "Lawns")
    assert data["classifications"] == [{"scheme": "local", "description": "Parks"}]


def test_a_full_row_becomes_a_full_contract() -> None:
    """Every column of the layout has its place in the record."""
    cells = row(
        OrganisationLabel="Exampleshire County Council", OrganisationURI="https://exa.example/id",
        OpenContractingID="ocds-abcdef-1", ContractType="framework Agreement", OrganisationalUnit="Place",
        ServiceCategoryLabel="Parks", ServiceCategoryURI="http://id.esd.org.uk/service/461",
        Description="Mowing\nand more",
        ProcurementCategory="Grounds", CPVLabel="Gardening", CPVCode="77310000-6", ProclassLabel="Works",
        ProclassCode="23",
        ReviewDate="1 Jan 2027", LastExtensionDate="2 years", ContractValue="Estimated 12,000", IrrecoverableVAT="0",
        CompaniesHouseRegistrationNumber="gb/07445476", CharityCommissionNumber="1089464", OtherSupplierID="70063 ",
        SMESupplier="Y", VCSESupplier="No", VCSESupplierType="community sector", ContactName="Procurement team",
        ContactEmail="contracts@exampleshire.example", ContactURL="https://exa.example/contact",
        ProcessType="invitation to quote", TenderDocumentURL="https://exa.example/t",
        ContractDocumentURL="https://exa.example/c", PerformanceInformationURL="https://exa.example/p",
        AreaServedLabel="Exampleshire", AreaServedURI="https://exa.example/area",
    )  # fmt: skip
    reading = read_rows([cells])
    assert reading.report.problems == []
    assert reading.layout == "lga"
    assert one(reading) == {
        "reference": "EXA-1", "title": "Grounds maintenance", "ocid": "ocds-abcdef-1", "department": "Place",
        "contractType": "Framework agreement", "procurementProcess": "Invitation to quote",
        "description": "Mowing\nand more",
        "buyers": [{"name": "Exampleshire County Council", "url": "https://exa.example/id"}],
        "services": ["http://id.esd.org.uk/service/461"], "local": {"ServiceCategoryLabel": "Parks"},
        "classifications": [
            {"scheme": "local", "description": "Grounds"},
            {"scheme": "CPV", "id": "77310000", "description": "Gardening"},
            {"scheme": "Proclass", "id": "23", "description": "Works"},
        ],
        "startDate": "2025-04-01", "endDate": "2027-03-31", "reviewDate": "2027-01-01", "extensionPeriod": "2 years",
        "value": {"amount": 12000, "currency": "GBP"}, "fixedCost": False, "irrecoverableVat": 0,
        "contact": {
            "name": "Procurement team", "email": "contracts@exampleshire.example", "url": "https://exa.example/contact",
        },
        "documents": [
            {"documentType": "biddingDocuments", "url": "https://exa.example/t"},
            {"documentType": "contractSigned", "url": "https://exa.example/c"},
            {"documentType": "performanceReport", "url": "https://exa.example/p"},
        ],
        "areaServed": {"label": "Exampleshire", "uri": "https://exa.example/area"},
        "suppliers": [{
            "name": "Acme Lawns Ltd", "sme": True, "vcse": False, "vcseType": "Community sector",
            "identifiers": [
                {"scheme": "GB-COH", "id": "07445476"}, {"scheme": "GB-CHC", "id": "1089464"},
                {"scheme": "LOCAL-GB-LAE-EXA", "id": "70063"},
            ],
        }],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value", "code", "member"),
    [
        ("EndDate", "TBC", "date", "endDate"),
        ("ReviewDate", "annually", "date", "reviewDate"),
        ("LastExtensionDate", "none", "date", "maxExtensionDate"),
        ("ContractValue", "TBC", "money", "value"),
        ("IrrecoverableVAT", "n/a", "money", "irrecoverableVat"),
        ("FixedCost", "maybe", "flag", "fixedCost"),
        ("SMESupplier", "perhaps", "flag", None),
        ("CompaniesHouseRegistrationNumber", "GB123456789", "identifier", None),
        ("CharityCommissionNumber", "pending", "identifier", None),
        ("CPVCode", "gardening", "unreadable", "classifications"),
        ("OrganisationURI", "norfolk", "url", "buyers"),
        ("TenderDocumentURL", "see portal", "url", "documents"),
        ("ContactEmail", "jo.bloggs@exampleshire.example", "personal-data", "contact"),
        ("ContactName", "Jo Bloggs", "personal-data", "contact"),
        ("Description", "#N/A", "error-cell", "description"),
        ("OrganisationalUnit", "x" * 600, "schema", "department"),
        ("OpenContractingID", "a\x07b", "schema", "ocid"),
    ],
)
def test_a_cell_that_cannot_be_read_is_told_and_left_out(
    column: str, value: str, code: str, member: str | None
) -> None:
    """A bad cell never refuses its row and never vanishes: one warning by row and column; the member is left out."""
    reading = read_rows([row(**{column: value})])
    fault = problem(reading, column)
    assert (fault.row, fault.severity, fault.code) == (2, "warning", code)
    assert (reading.report.accepted, reading.report.warned) == (1, 1)
    assert member is None or member not in one(reading)
    assert code != "personal-data" or "loggs" not in str(fault.as_dict()) + str(one(reading))


@pytest.mark.parametrize(
    ("cells", "code", "member", "kept"),
    [
        ({"EndDate": "31/03/2020"}, "end-before-start", "endDate", "2020-03-31"),
        ({"ContractValue": "(3728)"}, "negative", "value", {"amount": -3728, "currency": "GBP"}),
    ],
)
def test_what_is_odd_but_plain_is_kept_and_told(cells: dict[str, str], code: str, member: str, kept: Any) -> None:
    """An end before the start and a negative value are kept as told, with a warning."""
    reading = read_rows([row(**cells)])
    assert one(reading)[member] == kept
    assert [f.code for f in reading.report.problems] == [code]


@pytest.mark.parametrize(
    "cells",
    [
        {"ContractTitle": ""},
        {"ContractReference": ".."},
        {"ContractReference": "x" * 201},
        {"ContractTitle": "x" * 501},
    ],
)
def test_what_would_falsify_the_record_refuses_the_row(cells: dict[str, str]) -> None:
    """Without a title, or with an impossible identity, a row is refused and its column named; others land."""
    reading = read_rows([row(**cells), row(ContractReference="EXA-2")])
    column = next(iter(cells))
    assert (reading.report.accepted, reading.report.refused) == (1, 1)
    assert (problem(reading, column).row, problem(reading, column).severity) == (2, "error")


def test_a_refused_row_keeps_what_is_published_for_it() -> None:
    """Whatever was published under the reference of a refused row is no removal; other records are."""
    reading = read_rows([row(ContractTitle=""), row(ContractReference="EXA-2")])
    assert reading.keeps(f"{CONTRACT}EXA-1")
    assert reading.keeps(f"{CONTRACT}EXA-1~abcdefgh")
    assert not reading.keeps(f"{CONTRACT}EXA-11")
    assert not reading.keeps(f"{CONTRACT}derived-abcdefghabcdefgh")
    unnamed = read_rows([row(ContractTitle="", ContractReference="")])
    assert unnamed.keeps(f"{CONTRACT}derived-abcdefghabcdefgh")
    assert not unnamed.keeps(f"{CONTRACT}EXA-1")
    assert not read_rows([row()]).keeps(f"{CONTRACT}EXA-1")


def test_unknown_columns_are_kept_unless_they_may_be_personal() -> None:
    """A column outside the layout is told once and kept under `local`; contacts, mailboxes and telephones are not."""
    cells = {
        "Effective Date": "28/03/2015",
        "Risk": "low",
        "Contract manager": "Jo Bloggs",
        "Notes": "call 01234 567890",
        "Blank": "",
    }
    reading = read_rows([row(**cells)])
    assert one(reading)["local"] == {"Effective Date": "2015-03-28", "Risk": "low"}
    told = {(f.column, f.row, f.code) for f in reading.report.problems}
    assert told == {
        ("Effective Date", 1, "extra-column"), ("Risk", 1, "extra-column"), ("Contract manager", 1, "extra-column"),
        ("Notes", 1, "extra-column"), ("Notes", 2, "personal-data"),
    }  # fmt: skip


def test_mailboxes_of_persons_are_taken_out_of_texts() -> None:
    """A person's mailbox in a description is replaced and told; that of a role stays."""
    reading = read_rows([row(Description="Ask jo.bloggs@exa.example or procurement@exa.example")])
    assert one(reading)["description"] == "Ask [mailbox left out] or procurement@exa.example"
    assert problem(reading, "Description").code == "personal-data"


def test_another_bodys_register_is_told() -> None:
    """Contracts of another buyer may be published, but whoever imports them is told."""
    reading = read_rows(
        [
            row(OrganisationLabel="Samplefordshire Council"),
            row(ContractReference="2", OrganisationLabel="EXAMPLESHIRE county council"),
        ]
    )
    assert [(f.code, f.row) for f in reading.report.problems] == [("other-buyer", None)]


def test_the_publisher_by_its_own_record_is_no_buyer_of_its_own() -> None:
    """Our own export names the publisher where a contract names no buyer; read again, it names none, as it was."""
    record = f"{EXA.id_prefix}organisation/{EXA.id}"
    for label in (EXA.name, "EXAMPLESHIRE county council", ""):
        assert "buyers" not in one(read_rows([row(OrganisationLabel=label, OrganisationURI=record)]))
    found = one(read_rows([row(OrganisationLabel="Samplefordshire Council", OrganisationURI=record)]))
    assert found["buyers"] == [{"name": "Samplefordshire Council", "url": record}]


def test_fixed_cost_and_ranges_and_periods() -> None:
    """`Fixed` is true, `Estimated` false; a range has two ends; an extension date is a date."""
    data = one(
        read_rows([row(FixedCost="Fixed cost", ContractValue="Estimated 1k - 2k", LastExtensionDate="31/03/2029")])
    )
    assert (data["fixedCost"], data["maxExtensionDate"]) == (True, "2029-03-31")
    assert data["value"] == {"minimum": 1000, "maximum": 2000, "currency": "GBP"}


def test_every_candidate_is_a_valid_record() -> None:
    """What reading gives passes the schema as it stands."""
    for record in read_rows([row(), row(ContractReference="", ContractValue="5-10k")]).records:
        parse("contract", orjson.dumps(record.data))


WORDS = (
    st.text(st.sampled_from("abcdefgh XYZ=+-@'\"&,;|\u00e9\u00a39"), min_size=1, max_size=20)
    .map(lambda t: " ".join(t.replace("@", "=").split()))
    .filter(lambda t: t.strip("'") != "" and not t.startswith("#"))
)
DAYS = st.dates().map(str).filter(lambda d: "1900" < d < "2199")
NUMBERS = st.integers(-(10**9), 10**9) | st.integers(-(10**9), 10**9).map(lambda n: n / 100)
Strategy: TypeAlias = st.SearchStrategy[dict[str, Any]]


def name_of(supplier: dict[str, Any]) -> str:
    """Say what two spellings of a supplier's name have in common."""
    return bare(supplier["name"])


SUPPLIERS: Strategy = st.fixed_dictionaries(
    {"name": WORDS},
    optional={
        "identifiers": st.just([
            {"scheme": "GB-COH", "id": "01234567"}, {"scheme": "GB-NIC", "id": "101234"},
            {"scheme": "GB-PPON", "id": "PABC-1234"}, {"scheme": "LOCAL-GB-LAE-EXA", "id": "7"},
        ]),
        "sme": st.booleans(), "vcse": st.booleans(), "vcseType": st.just("Voluntary sector"),
    },
)  # fmt: skip
VALUES = st.one_of(
    NUMBERS.map(lambda n: {"amount": n, "currency": "GBP"}),
    st.integers(0, 10**9).map(lambda n: {"amount": n, "currency": "EUR"}),
    st.integers(0, 10**9).map(lambda n: {"minimum": n, "maximum": n + 5, "currency": "GBP"}),
    st.integers(0, 10**9).map(lambda n: {"minimum": n, "currency": "GBP"}),
    st.integers(0, 10**9).map(lambda n: {"maximum": n, "currency": "GBP"}),
)
CONTRACTS: Strategy = st.fixed_dictionaries(
    {"reference": WORDS, "title": WORDS},
    optional={
        "description": WORDS, "department": WORDS, "contractType": st.just("Grant agreement"), "value": VALUES,
        "startDate": DAYS, "endDate": DAYS, "reviewDate": DAYS, "maxExtensionDate": DAYS,
        "fixedCost": st.booleans(), "irrecoverableVat": st.integers(0, 1000),
        "suppliers": st.lists(SUPPLIERS, min_size=1, max_size=3, unique_by=name_of),
        "classifications": st.just([
            {"scheme": "local", "description": "Parks"},
            {"scheme": "CPV", "id": "77310000", "description": "Gardening"},
            {"scheme": "CPV", "id": "03000000", "description": "Farming"},
        ]),
        "buyers": st.just([{"name": EXA.name}]), "contact": st.just({"email": "ict@exa.example"}),
        "areaServed": st.just({"label": "Exampleshire"}), "services": st.just(["http://id.esd.org.uk/service/1"]),
        "documents": st.just([{"documentType": "contractSigned", "url": "https://exa.example/c"}]),
    },
)  # fmt: skip


@given(st.lists(CONTRACTS, min_size=1, max_size=4, unique_by=lambda c: c["reference"]))
def test_what_is_written_is_read_back(contracts: list[dict[str, Any]]) -> None:
    """The register that we write is the register that we read: no cell is lost, changed or run as a formula."""
    text = write(contracts)
    reading = read(text)
    assert [f for f in reading.report.problems if f.code not in {"negative", "end-before-start"}] == []
    assert {r.data["reference"]: r.data for r in reading.records} == {c["reference"]: c for c in contracts}
    assert all(not cell.startswith(("=", "+", "@")) for c in contracts for cells in rows(c) for cell in cells)


def test_the_register_has_a_row_for_each_contract_and_supplier() -> None:
    """38 columns verbatim, one row for each supplier, one for a contract without any."""
    text = write(
        [
            {"reference": "1", "title": "A", "suppliers": [{"name": "X"}, {"name": "Y"}]},
            {"reference": "2", "title": "B"},
        ]
    )
    lines = text.split("\r\n")
    assert lines[0] == ",".join(HEADER)
    assert (len(HEADER), len(lines)) == (38, 5)
    assert live(read(text)) == live(
        read(csv_of([dict(zip(HEADER, line.split(","), strict=True)) for line in lines[1:4]]))
    )


@pytest.mark.parametrize(
    ("member", "found", "cells"),
    [
        (
            "contact",
            {"name": "Procurement team", "email": "ict@exa.example", "url": "https://exa.example/ask"},
            {
                "ContactName": "Procurement team",
                "ContactEmail": "ict@exa.example",
                "ContactURL": "https://exa.example/ask",
            },
        ),
        ("contact", {"name": "=Team"}, {"ContactName": "'=Team"}),
        ("buyers", [{"name": EXA.name, "url": "https://exa.example/id"}, {"name": "Another"}],
         {"OrganisationLabel": EXA.name, "OrganisationURI": "https://exa.example/id"}),
        ("classifications", [{"scheme": "local", "id": "G7"}], {"ProcurementCategory": "G7"}),
        (
            "classifications",
            [
                {"scheme": "CPV", "id": "77310000", "description": "Gardening"}, {"scheme": "UNSPSC", "id": "70111700"},
                {"scheme": "CPV", "id": "45000000", "description": "Building"}, {"scheme": "Proclass", "id": "23"},
            ],
            {"CPVCode": "77310000; 45000000", "CPVLabel": "Gardening; Building", "ProclassCode": "23"},
        ),
        (
            "classifications",
            [{"scheme": "CPV", "id": "77310000"}, {"scheme": "CPV", "id": "45000000", "description": "Building"}],
            {"CPVCode": "77310000; 45000000", "CPVLabel": "; Building"},
        ),
        ("classifications", [{"scheme": "CPV", "id": "77310000"}], {"CPVCode": "77310000"}),
        (
            "classifications",
            [{"scheme": "CPV", "id": "77310000"}, {"scheme": "CPV", "description": "Hedges"}],
            {"CPVCode": "77310000", "CPVLabel": "Hedges"},
        ),
        (
            "classifications",
            [{"scheme": "CPV", "id": "77310000"}, {"scheme": "CPV", "id": "45000000"}],
            {"CPVCode": "77310000; 45000000"},
        ),
        ("services", ["http://id.esd.org.uk/service/461", "http://id.esd.org.uk/service/7"],
         {"ServiceCategoryURI": "http://id.esd.org.uk/service/461"}),
        ("services", [], {}),
        ("local", {"ServiceCategoryLabel": "Parks", "Risk": "low"}, {"ServiceCategoryLabel": "Parks"}),
        (
            "documents",
            [
                {"documentType": "riskProvisions", "url": "https://exa.example/r"}, {"url": "https://exa.example/x"},
                {"documentType": "contractSigned", "url": "https://exa.example/c"},
                {"documentType": "contractSigned", "url": "https://exa.example/later"},
                {"documentType": "biddingDocuments", "url": "https://exa.example/t"},
                {"documentType": "performanceReport", "url": "https://exa.example/p"},
            ],
            {
                "TenderDocumentURL": "https://exa.example/t", "ContractDocumentURL": "https://exa.example/c",
                "PerformanceInformationURL": "https://exa.example/p",
            },
        ),
        ("areaServed", {"label": "Exampleshire", "uri": "https://exa.example/area"},
         {"AreaServedLabel": "Exampleshire", "AreaServedURI": "https://exa.example/area"}),
        ("value", {"amount": 12000.5, "currency": "EUR"}, {"ContractValue": "12000.5 EUR"}),
        ("value", {"minimum": 1, "maximum": 5}, {"ContractValue": "1 to 5"}),
        ("maxExtensionDate", "2029-03-31", {"LastExtensionDate": "31/03/2029"}),
        ("extensionPeriod", "2 years", {"LastExtensionDate": "2 years"}),
        ("irrecoverableVat", 0, {"IrrecoverableVAT": "0"}),
        ("fixedCost", False, {"FixedCost": "false"}),
    ],
)  # fmt: skip
def test_each_member_is_written_into_its_columns(member: str, found: Any, cells: dict[str, str]) -> None:
    """A member fills the columns that the layout has for it, the first where it has one for several, and no other."""
    (written,) = rows({"reference": "1", "title": "A", member: found})
    assert {name: cell for name, cell in zip(HEADER, written, strict=True) if cell} == {
        "ContractReference": "1",
        "ContractTitle": "A",
        **cells,
    }


@pytest.mark.parametrize("local", ["East", None, [], ["ServiceCategoryLabel"], 5, {"ServiceCategoryLabel": [1]}])
def test_a_member_that_the_schema_does_not_know_may_be_anything(local: Any) -> None:
    """`local` is a member of ours and not of the schema: a valid contract is written whatever another has put there."""
    contract = {"reference": "1", "title": "A", "local": local}
    parse("contract", orjson.dumps(contract))
    (written,) = rows(contract)
    assert [cell for cell in written if cell] == ["1", "A"]


@given(records("contract"))
def test_any_valid_contract_is_written(contract: dict[str, Any]) -> None:
    """Each gets a row for each of its suppliers, with a cell for each column."""
    assert {len(cells) for cells in rows(contract)} == {38}
    assert len(rows(contract)) == max(1, len(contract.get("suppliers", ())))


def test_a_contract_with_very_many_suppliers_is_not_written_over_and_over() -> None:
    """A record of 50 KB is not 20 MB of rows: its first row says all, the others which contract it is, and for whom."""
    suppliers = [{"name": f"Supplier {number}"} for number in range(1_000)]
    contract = {"reference": "R", "title": "T", "description": "x" * 20_000, "department": "Place"}
    first, *others = rows(contract | {"suppliers": suppliers})
    assert sum(len(cell) for cells in (first, *others) for cell in cells) < 100_000
    told = [{name: cell for name, cell in zip(HEADER, cells, strict=True) if cell} for cells in (first, *others)]
    assert told[0].items() >= {"Description": "x" * 20_000, "OrganisationalUnit": "Place"}.items()
    assert told[1:] == [
        {"ContractReference": "R", "ContractTitle": "T", "SupplierName": supplier["name"]} for supplier in suppliers[1:]
    ]
    few = rows(contract | {"suppliers": suppliers[:40]})
    assert {cells[HEADER.index("Description")] for cells in few} == {"x" * 20_000}


def test_addresses_of_an_odd_row_are_read_one_by_one() -> None:
    """In a row with odd cells, each address that is one is kept, and the one that is none is told at its place."""
    reading = read_rows(
        [
            row(
                EndDate="TBC",
                TenderDocumentURL="https://exa.example/t",
                ContractDocumentURL="see portal",
                PerformanceInformationURL="https://exa.example/p",
            )
        ]
    )
    assert one(reading)["documents"] == [
        {"documentType": "biddingDocuments", "url": "https://exa.example/t"},
        {"documentType": "performanceReport", "url": "https://exa.example/p"},
    ]
    fault = problem(reading, "ContractDocumentURL")
    assert (fault.field, fault.code, fault.value) == ("/documents/1/url", "url", "see portal")


@pytest.mark.parametrize(
    ("codes", "labels", "found"),
    [
        ("", "Gardening", [{"description": "Gardening"}]),
        ("77310000", "", [{"id": "77310000"}]),
        (
            "77310000; 45000000",
            "Gardening; Building",
            [{"id": "77310000", "description": "Gardening"}, {"id": "45000000", "description": "Building"}],
        ),
        (
            "77310000, 45000000",
            "Gardening and building",
            [{"id": "77310000", "description": "Gardening and building"}, {"id": "45000000"}],
        ),
        ("77310000; 45000000", "; Building", [{"id": "77310000"}, {"id": "45000000", "description": "Building"}]),
        ("77310000; 45000000", "Gardening; ", [{"id": "77310000", "description": "Gardening"}, {"id": "45000000"}]),
    ],
)
@pytest.mark.parametrize("end", ["31/03/2027", "TBC"])
def test_codes_go_with_their_labels(codes: str, labels: str, found: list[dict[str, str]], end: str) -> None:
    """As many labels as codes are one each; else all is the first one's, and a label stands without a code too."""
    data = one(read_rows([row(CPVCode=codes, CPVLabel=labels, EndDate=end)]))
    assert data["classifications"] == [{"scheme": "CPV"} | each for each in found]


def test_a_number_that_is_given_twice_is_one() -> None:
    """The same number twice in a cell is one identifier of the supplier."""
    data = one(read_rows([row(OtherSupplierID="70063; 7; 70063")]))
    assert [found["id"] for found in data["suppliers"][0]["identifiers"]] == ["70063", "7"]


def test_what_our_own_export_calls_local_is_local_again() -> None:
    """A column `local.x` of our own export is kept under `local` as x without a word, unless it may be personal."""
    reading = read_rows([row(**{"local.Risk": "low", "local.Contact manager": "Jo Bloggs"})])
    assert one(reading)["local"] == {"Risk": "low"}
    assert [(fault.column, fault.code, fault.field) for fault in reading.report.problems] == [
        ("local.Contact manager", "extra-column", "")
    ]


def test_columns_of_one_name_that_disagree_are_told() -> None:
    """Of two columns of one name the first that is filled counts; the other is told by its value, where it differs."""
    header, *lines = csv_of([row(), row(ContractReference="EXA-2"), row(ContractReference="EXA-3")]).splitlines()
    more = ["ContractTitle", "Hedges", "Grounds maintenance", ""]
    reading = read("\r\n".join(f"{line},{cell}" for line, cell in zip([header, *lines], more, strict=True)))
    assert {record.data["title"] for record in reading.records} == {"Grounds maintenance"}
    fault = problem(reading, "ContractTitle")
    assert (fault.row, fault.code, fault.value, fault.expected) == (
        2,
        "doubled-column",
        "Hedges",
        "Grounds maintenance",
    )


def test_a_row_that_says_too_much_is_refused() -> None:
    """Cells that are no fault by themselves, together larger than a record, refuse their row and no other."""
    long = {"Minutes": "a " * 70_000, "Annex": "b " * 70_000}
    reading = read_rows([row(**long), row(ContractReference="EXA-2", Minutes=long["Minutes"])])
    assert [record.reference for record in reading.records] == ["EXA-2"]
    assert [(f.row, f.column, f.message) for f in reading.report.problems if f.severity == "error"] == [
        (2, "", "It is too large.")
    ]


def test_a_line_break_in_a_charity_number_is_told() -> None:
    """A number broken over two lines is a fault of its cell, and the rest of the row stands."""
    reading = read_rows([row(CharityCommissionNumber="10894\n64")])
    assert "identifiers" not in one(reading)["suppliers"][0]
    assert problem(reading, "CharityCommissionNumber").code == "identifier"


@pytest.mark.parametrize("own", ["", "Grounds"])
def test_the_label_of_a_later_code_is_told_at_its_column(own: str) -> None:
    """A label that is too long is told at the labels' column, whichever of several codes it belongs to."""
    reading = read_rows([row(ProcurementCategory=own, CPVCode="77310000; 45000000", CPVLabel="A; " + "x" * 30_000)])
    assert [fault.column for fault in reading.report.problems] == ["CPVLabel"]
