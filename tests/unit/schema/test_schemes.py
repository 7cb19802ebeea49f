from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given

from schema.errors import Invalid
from schema.schemes import COMPANY_PREFIXES, identifier_key, normalise_identifier
from tests.strategies import identifiers


@pytest.mark.parametrize(
    ("found", "number"),
    [
        ("01234567", "01234567"),
        ("1234567", "01234567"),
        ("32", "00000032"),
        (" 0123 4567 ", "01234567"),
        ("sc123456", "SC123456"),
        ("SC 1234", "SC001234"),
        ("oc301", "OC000301"),
        ("R0000123", "R0000123"),
        ("RO000123", "R0000123"),
        ("IP28983R", "IP28983R"),
        ("IP983R", "IP00983R"),
        ("SP2545RS", "SP2545RS"),
        ("gb/07445476", "07445476"),
        ("GB-COH-01234567", "01234567"),
    ],
)
def test_a_company_number_has_one_form(found: str, number: str) -> None:
    """A Companies House number is upper-cased and filled with zeros to eight characters."""
    assert normalise_identifier("GB-COH", found) == ("GB-COH", number)
    assert len(number) == 8


@pytest.mark.parametrize(
    "found", ["GB123456789", "123456789", "N/A", "0", "00000000", "XX123456", "SC1234567", "SC", "12-34", "", "tbc"]
)
def test_what_is_no_company_number_is_refused(found: str) -> None:
    """A VAT number, an unknown prefix or a filler word is no company number, and the fault stands at the id."""
    with pytest.raises(Invalid) as refused:
        normalise_identifier("GB-COH", found)
    assert refused.value.faults[0].pointer == "/id"
    assert refused.value.faults[0].expected


def test_the_known_prefixes_are_pairs() -> None:
    """Each prefix of Companies House is two characters, and the common ones are among them."""
    assert {"SC", "NI", "OC", "SO", "NC", "R0", "LP", "FC", "IP", "SP", "RS", "CE", "CS", "OE"} <= COMPANY_PREFIXES
    assert all(len(prefix) == 2 for prefix in COMPANY_PREFIXES)


@pytest.mark.parametrize(
    ("scheme", "found", "key"),
    [
        ("GB-CHC", "1089464", "GB-CHC-1089464"),
        ("GB-CHC", "0200027", "GB-CHC-200027"),
        ("gb-chc", "1089464-1", "GB-CHC-1089464-1"),
        ("GB-SC", "sc012345", "GB-SC-SC012345"),
        ("GB-SC", "12345", "GB-SC-SC012345"),
        ("GB-NIC", "NIC101234", "GB-NIC-101234"),
        ("GB-LAE", "exa", "GB-LAE-EXA"),
        ("GB-LAE", "GLN-E", "GB-LAE-GLN-E"),
        ("GB-LAS", "ABE", "GB-LAS-ABE"),
        ("GB-PLA", "AGY", "GB-PLA-AGY"),
        ("GB-LANI", "ABCD", "GB-LANI-ABCD"),
        ("GB-GOR", "D2", "GB-GOR-D2"),
        ("DUNS", " 12 34 ", "DUNS-12 34"),
    ],
)
def test_each_register_has_its_rule(scheme: str, found: str, key: str) -> None:
    """A known register's ids take its own form; an unknown scheme's id stands as it is, trimmed."""
    assert identifier_key(scheme, found) == key


@pytest.mark.parametrize(
    ("scheme", "found", "word"),
    [
        ("GSS", "E10000020", "gss"),
        ("GB-GSS", "E10000020", "gss"),
        ("ons", "E10000020", "gss"),
        ("GB-LAE", "E10000020", "gss"),
        ("GB-LAE", "Exampleshire", "code"),
        ("GB-CHC", "SC012345", "GB-SC"),
        ("GB-CHC", "12", "charity"),
        ("GB-SC", "1089464", "Scottish"),
        ("GB-NIC", "12", "Northern Ireland"),
        ("2much", "1", "scheme"),
        ("A" * 41, "1", "scheme"),
        ("DUNS", " ", "identifier"),
        ("DUNS", "a\nb", "identifier"),
        ("DUNS", "x" * 201, "identifier"),
    ],
)
def test_what_is_no_identifier_is_told_why(scheme: str, found: str, word: str) -> None:
    """A GSS code is a place and never a key, and whatever else is refused is told in words."""
    with pytest.raises(Invalid) as refused:
        normalise_identifier(scheme, found)
    assert word in refused.value.faults[0].message


@given(identifiers())
def test_normalising_twice_changes_nothing(identifier: dict[str, str]) -> None:
    """The one form of an identifier is its own form."""
    once = normalise_identifier(identifier["scheme"], identifier["id"])
    assert normalise_identifier(*once) == once


def test_every_real_council_code_is_its_own_form(real_data: Path) -> None:
    """Each of the United Kingdom's authorities, past and coming, has a code that its register's rule keeps."""
    schemes = {"England": "GB-LAE", "Scotland": "GB-LAS", "Wales": "GB-PLA", "Northern Ireland": "GB-LANI"}
    with (real_data / "reference/uk-local-authorities.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [(schemes[row["nation"]], row["local-authority-code"]) for row in csv.DictReader(file)]
    assert len(rows) > 400
    assert [normalise_identifier(*row) for row in rows] == rows


def test_every_company_number_of_a_real_register_has_a_form(real_data: Path) -> None:
    """A real council's column of company numbers, lost zeros and `gb/` included, normalises without a refusal."""
    with (real_data / "registers/norfolk-2015-march.csv").open(encoding="cp1252", newline="") as file:
        found = [row["Supplier registered company number"].strip() for row in csv.DictReader(file)]
    numbers = {normalise_identifier("GB-COH", number)[1] for number in found if number}
    assert len(numbers) > 300
    assert {len(number) for number in numbers} == {8}
