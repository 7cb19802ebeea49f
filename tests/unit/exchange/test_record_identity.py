"""Which rows are one record, and that ids stay."""

from __future__ import annotations

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from exchange.identity import DERIVED, key_of
from schema.identifiers import matches_reference
from tests.unit.exchange.making import CONTRACT, live, one, read_rows, row

TITLES = st.sampled_from(["Lawns", "King's Lynn", "Kings  lynn", "NR3, NR30", "Hedges"])
CELLS = st.fixed_dictionaries(
    {
        "ContractReference": st.sampled_from(["", "E1", "E2"]),
        "ContractTitle": TITLES,
        "SupplierName": st.sampled_from(["Acme Ltd", "ACME LTD.", "Barnardo's", ""]),
        "StartDate": st.sampled_from(["01/04/2025", "", "02/04/2025"]),
        "ContractValue": st.sampled_from(["1", "2", ""]),
    }
)


def test_a_reference_names_its_record() -> None:
    """A reference that stands on one row is the last part of the id."""
    reading = read_rows([row(ContractReference="EXA 1/2")])
    assert [r.id for r in reading.records] == [f"{CONTRACT}EXA%201%2F2"]


def test_rows_that_differ_only_in_suppliers_are_one_contract() -> None:
    """Several suppliers of one contract are one record; both rows count as accepted."""
    reading = read_rows([row(), row(SupplierName="Bloom Ltd", VCSESupplier="Yes")])
    assert [s["name"] for s in one(reading)["suppliers"]] == ["Acme Lawns Ltd", "Bloom Ltd"]
    assert (reading.report.accepted, reading.report.merged, reading.records[0].rows) == (2, 0, (2, 3))
    again = read_rows([row(SupplierName="Bloom Ltd", VCSESupplier="Yes"), row()], published=live(reading))
    assert live(again) == live(reading)


def test_rows_that_share_a_reference_and_differ_are_told_once() -> None:
    """One warning names the reference, its rows and what they are published as; all of them are published."""
    rows = [row(ContractReference="R-1", ContractTitle=title) for title in ("Roads", "Bins", "Trees")]
    report = (reading := read_rows(rows)).report
    (told,) = [fault for fault in report.problems if fault.code == "same-reference"]
    assert (told.value, told.severity, report.accepted, report.warned) == ("R-1", "warning", 3, 1)
    assert told.message.startswith("Rows 2, 3, 4 share the reference and differ")
    assert all(record.id.rsplit("/", 1)[-1] in told.message for record in reading.records)


def test_a_row_that_repeats_another_is_published_once_and_told() -> None:
    """A repeated row is counted as merged and explained by the row that it repeats."""
    reading = read_rows([row(), row(), row(ContractTitle="GROUNDS  maintenance.")])
    assert (reading.report.accepted, reading.report.merged, len(reading.records)) == (1, 2, 1)
    told = [(f.row, f.message) for f in reading.report.problems]
    assert told[0] == (3, "The row repeats row 2: it is published once.")
    assert told[1] == (4, "The row repeats row 2 but for case, spacing or punctuation: it is published once.")


def test_different_things_of_one_reference_have_suffixes() -> None:
    """Lots of one reference are records of their own; each keeps the register's reference."""
    reading = read_rows([row(), row(ContractTitle="Lot 2"), row(ContractTitle="Lot 2", ContractValue="7")])
    ids = [r.id.removeprefix(CONTRACT) for r in reading.records]
    assert len(set(ids)) == 3
    assert all(id_ != "EXA-1" and matches_reference(id_, "EXA-1") for id_ in ids)
    assert {r.data["reference"] for r in reading.records} == {"EXA-1"}


def test_the_row_of_the_published_bare_record_keeps_the_bare_id() -> None:
    """When a second lot appears, the first keeps the id under which it was published."""
    first = read_rows([row()])
    both = read_rows([row(ContractTitle="Lot 2"), row()], published=live(first))
    assert live(both)[f"{CONTRACT}EXA-1"]["title"] == "Grounds maintenance"
    assert len(both.records) == 2


def test_the_lot_that_is_left_keeps_its_suffix() -> None:
    """When only one lot stays, it keeps the id that it had, however what is published is given."""
    both = read_rows([row(), row(ContractTitle="Lot 2")])
    published = live(both)
    stored = {id_: json.dumps(data).encode() for id_, data in published.items()}
    for known in (published, stored, published.get):
        left = read_rows([row(ContractTitle="Lot 2")], published=known)
        assert live(left).items() <= published.items()


def test_a_corrected_cell_among_look_alikes_is_an_update() -> None:
    """Of two rows alike in supplier, title and start, the one that is changed keeps its id, and so does the other."""
    two = [row(ContractValue="1", EndDate="31/03/2026"), row(ContractValue="2")]
    before = live(read_rows(two))
    after = live(read_rows([two[0] | {"ContractValue": "9"}, two[1]], published=before))
    assert after.keys() == before.keys()
    assert sum(after[id_] != before[id_] for id_ in after) == 1


def test_a_new_title_of_the_only_row_is_an_update() -> None:
    """A contract that is renamed keeps the id of its reference."""
    before = live(read_rows([row()]))
    assert live(read_rows([row(ContractTitle="Parks")], published=before)).keys() == before.keys()


def test_without_a_reference_one_is_derived() -> None:
    """Case, spacing and punctuation of title and supplier do not change the identity of a row without a reference."""
    one_ = read_rows([row(ContractReference="", ContractTitle="King's Lynn (care)")])
    other = read_rows([row(ContractReference="", ContractTitle="KINGS LYNN  care", SupplierName="Acme Lawns, Ltd.")])
    assert [r.id for r in one_.records] == [r.id for r in other.records]
    assert DERIVED.fullmatch(one_.records[0].reference)


def test_a_supplier_without_a_name_is_known_by_its_number() -> None:
    """Without names, rows of one supplier's number are one record, and those of another's number another."""
    numbers = ("01234567", "gb/1234567", "07654321")
    rows = [row(ContractReference="", SupplierName="", CompaniesHouseRegistrationNumber=one_) for one_ in numbers]
    reading = read_rows(rows)
    assert [record.rows for record in reading.records] == [(2, 3), (4,)]
    assert len({record.reference for record in reading.records}) == 2
    assert all(DERIVED.fullmatch(record.reference) for record in reading.records)


def test_titles_of_signs_alone_stay_apart() -> None:
    """Titles without a letter are not all the same title."""
    assert key_of({"title": "???"}) != key_of({"title": "!!!"})


@given(st.lists(CELLS, min_size=1, max_size=8), st.integers())
def test_the_order_of_rows_changes_no_id(rows: list[dict[str, str]], seed: int) -> None:
    """Any order of the same rows gives the same ids, and every row is accounted for."""
    shuffled = random.Random(seed).sample(rows, len(rows))
    one_, other = read_rows(rows), read_rows(shuffled)
    assert {r.id for r in one_.records} == {r.id for r in other.records}
    assert one_.report.rows == len(rows)
    assert len({r.id for r in one_.records}) == len(one_.records)
    assert all(matches_reference(r.id.removeprefix(CONTRACT), r.reference) for r in one_.records)


@given(st.lists(CELLS, min_size=1, max_size=6), st.lists(CELLS, max_size=3), st.integers())
def test_importing_again_changes_nothing(rows: list[dict[str, str]], gone: list[dict[str, str]], seed: int) -> None:
    """The same rows over what they published give the same ids and data, whatever was published before them."""
    earlier = live(read_rows(rows[:1] + gone))
    first = live(read_rows(rows, published=earlier))
    again = live(read_rows(random.Random(seed).sample(rows, len(rows)), published=first))
    assert again.keys() == first.keys()
    assert live(read_rows(rows, published=first)) == first
