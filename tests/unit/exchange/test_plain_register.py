"""Registers with the schema's own names: tables with dotted columns, JSON and NDJSON, for every kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from exchange import sources
from exchange.checking import _closed_up
from schema.errors import Malformed, UnknownFormat
from tests.unit.exchange.making import EXA, csv_of, live, one, problem, read, read_rows, xlsx_of

RECORDS: dict[str, dict[str, Any]] = {
    "roadmap-item": {
        "reference": "R1", "title": "Forms", "phase": "private-beta", "start": "2026-09-01", "topics": ["forms", "web"],
        "budget": {"min": 50000, "max": 100000.5}, "datesEstimated": True,
        "partners": [{"name": "A"}, {"name": "B", "role": "lead"}],
    },
    "contract": {
        "reference": "C1", "title": "Lawns", "value": {"amount": 1234.5, "currency": "GBP"}, "stage": "active",
        "suppliers": [{"name": "Acme", "sme": False, "identifiers": [{"scheme": "GB-COH", "id": "01234567"}]}],
    },
    "tool": {"reference": "T1", "name": "PlanRight", "users": 120, "satisfaction": {"score": 4, "wouldBuyAgain": True}},
    "asset": {"reference": "A1", "name": "Form", "type": "pattern", "usedBy": [{"name": "A"}]},
    "skill": {
        "reference": "S1", "name": "Design", "offers": ["training", "advice"],
        "contact": {"email": "digital@exa.example"},
    },
    "organisation": {
        "name": EXA.name, "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}], "location": {"lat": 51.5, "lon": -1.25},
    },
}  # fmt: skip


def flat(value: Any, path: str = "") -> dict[str, str]:
    """Write a record as dotted columns."""
    if isinstance(value, dict):
        return {k: v for name, member in value.items() for k, v in flat(member, f"{path}.{name}".strip(".")).items()}
    if isinstance(value, list):
        return {k: v for place, member in enumerate(value) for k, v in flat(member, f"{path}.{place}").items()}
    return {path: str(value)}


@pytest.mark.parametrize("kind", RECORDS)
def test_every_kind_is_read_alike_from_every_format(kind: str) -> None:
    """A record as dotted columns, in a workbook, as JSON, as list items and as NDJSON is the same candidate."""
    data = RECORDS[kind]
    cells = flat(data)
    item = {"id": "https://x.example/1", "kind": kind, "data": data}
    bodies = [
        (csv_of([cells]).encode(), "a.csv"),
        (xlsx_of({"A": [list(cells), list(cells.values())]}), "a.xlsx"),
        (json.dumps([data]).encode(), "a.json"),
        (json.dumps({"items": [item]}).encode(), "a.json"),
        (json.dumps(data).encode() + b"\n", "a.ndjson"),
    ]
    readings = [read(body, kind=kind, filename=name) for body, name in bodies]
    assert [one(reading) for reading in readings] == [data] * 5
    assert len({reading.records[0].id for reading in readings}) == 1
    assert {reading.layout for reading in readings} == {"plain"}


def test_an_organisation_is_named_by_its_register() -> None:
    """The publisher's own record has the publisher's id."""
    reading = read(json.dumps([RECORDS["organisation"]]), kind="organisation")
    assert reading.records[0].id == f"{EXA.id_prefix}organisation/GB-LAE-EXA"


def test_cells_are_read_as_the_schema_wants_them() -> None:
    """Dates, flags, sums and codes are read as people write them; lists may stand in one cell."""
    cells = {
        "Reference": "R1", "TITLE": "Forms", "Start": "1 Sept 2026", "dates estimated": "Yes", "budget.min": "£50k",
        "collaboration": "Seeking partners", "topics": "forms; web", "services": '["http://id.esd.org.uk/service/1"]',
        "partners.0.name": "", "partners.2.name": "B",
    }  # fmt: skip
    reading = read_rows([cells], kind="roadmap-item")
    assert reading.report.problems == []
    assert one(reading) == {
        "reference": "R1", "title": "Forms", "start": "2026-09-01", "datesEstimated": True, "budget": {"min": 50000},
        "collaboration": "seeking-partners", "topics": ["forms", "web"], "services": ["http://id.esd.org.uk/service/1"],
        "partners": [{"name": "B"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "column", "value"),
    [
        ("roadmap-item", "phase", "disco"),
        ("roadmap-item", "start", "soon"),
        ("roadmap-item", "datesEstimated", "perhaps"),
        ("roadmap-item", "budget.min", "lots"),
        ("roadmap-item", "partners", "A and B"),
        ("roadmap-item", "services", "[1"),
        ("roadmap-item", "links.0.url", "www"),
        ("tool", "users", "12.5"),
        ("tool", "satisfaction.score", "9"),
        ("tool", "contract", "x" * 300),
        ("skill", "contact.email", "jo.bloggs@exa.example"),
        ("contract", "value.amount", "-5"),
    ],
)
def test_a_cell_that_the_schema_does_not_take_is_told(kind: str, column: str, value: str) -> None:
    """In a table, a cell that cannot stand in the record is one warning with its column, and the row lands."""
    required = (
        {"reference": "1", "title": "x"} if kind in {"roadmap-item", "contract"} else {"reference": "1", "name": "x"}
    )
    reading = read_rows([required | {column: value}], kind=kind)
    assert (problem(reading, column).severity, problem(reading, column).row) == ("warning", 2)
    assert (one(reading) == required) == (kind != "contract")


@pytest.mark.parametrize(
    ("column", "columns"),
    [("Value", "value.amount, value.minimum"), ("suppliers", "suppliers.0.name, suppliers.0.identifiers")],
)
def test_a_cell_for_what_has_parts_names_their_columns(column: str, columns: str) -> None:
    """A sum in a column `Value`, or a name under `suppliers`, is told which columns it should stand in."""
    told = problem(read_rows([{"reference": "1", "title": "x", column: "100"}], kind="contract"), column)
    assert columns in str(told.expected)


@pytest.mark.parametrize("bad", [40, 41])
def test_a_row_of_which_too_much_cannot_be_read_is_refused(bad: int) -> None:
    """Forty bad cells are left out one by one; where there is one more, the row is refused and told so."""
    cells = {"reference": "R1", "title": "x"}
    for place in range(bad):
        cells |= {f"partners.{place}.name": f"Council {place}", f"partners.{place}.url": "www"}
    reading = read_rows([cells, {"reference": "R2", "title": "y"}], kind="roadmap-item")
    told = [(f.row, f.column, f.message) for f in reading.report.problems if f.severity == "error"]
    if bad == 40:
        assert [record.reference for record in reading.records] == ["R1", "R2"]
        assert reading.records[0].data["partners"] == [{"name": f"Council {place}"} for place in range(bad)]
        assert told == []
        assert [f.column for f in reading.report.problems] == [f"partners.{place}.url" for place in range(bad)]
    else:
        assert [record.reference for record in reading.records] == ["R2"]
        assert told == [(2, "", "Too much of the row cannot be read.")]


def test_a_part_without_what_it_must_have_is_left_out_whole() -> None:
    """A link without an address is told at the member that is missing, and goes; the other links stay."""
    cells = {"links.0.url": "https://exa.example/a", "links.0.title": "A", "links.1.title": "B"}
    reading = read_rows([{"reference": "R1", "title": "x"} | cells], kind="roadmap-item")
    assert one(reading)["links"] == [{"url": "https://exa.example/a", "title": "A"}]
    assert [(f.row, f.column, f.field, f.code, f.message) for f in reading.report.problems] == [
        (2, "links.1.title", "/links/1/url", "schema", "It is missing. The part that lacks it is left out.")
    ]


def test_what_is_left_out_of_a_list_moves_no_columns() -> None:
    """Each bad cell of a list is told at its own column, though entries before it went out of the list."""
    good = "https://exa.example/a"
    cells = {"links.0.url": "www", "links.1.url": good, "links.1.title": "A", "links.2.url": "ftp://b"}
    cells |= {"links.3.title": "C", "links.4.url": good, "links.4.title": "x" * 5_000}
    reading = read_rows([{"reference": "R1", "title": "x"} | cells], kind="roadmap-item")
    assert one(reading)["links"] == [{"url": good, "title": "A"}, {"url": good}]
    assert [(f.column, f.value[:7]) for f in reading.report.problems] == [
        ("links.0.url", "www"),
        ("links.2.url", "ftp://b"),
        ("links.3.title", ""),
        ("links.4.title", "xxxxxxx"),
    ]


def test_a_part_called_by_a_number_is_no_entry_of_a_list() -> None:
    """Only the columns of lists move up where something is left out."""
    fed = {"/links/0/url": "a", "/links/1/url": "b", "/links/10/url": "c", "/links2/5": "d", "/local/2024": "e"}
    assert _closed_up(fed, "/links", 0) == {
        "/links/0/url": "b",
        "/links/9/url": "c",
        "/links2/5": "d",
        "/local/2024": "e",
    }


def test_an_empty_cell_says_nothing() -> None:
    """An empty cell under a flag, a number or a list is no member of its record, and nothing to tell."""
    required = {"reference": "T1", "name": "x"}
    cells = {"users": "", "satisfaction.wouldBuyAgain": "", "replaces": ""}
    reading = read_rows([required | cells, required | {"reference": "T2", "users": "5"}], kind="tool")
    assert [record.data for record in reading.records] == [required, required | {"reference": "T2", "users": 5}]
    assert reading.report.problems == []


def test_an_organisation_that_is_told_twice_is_published_once() -> None:
    """Two objects of one organisation are one record, which has no reference, and the second is told."""
    data = RECORDS["organisation"]
    reading = read(json.dumps([data, data]), kind="organisation")
    assert one(reading) == data
    assert [(f.row, f.code) for f in reading.report.problems] == [(2, "repeated-row")]


@pytest.mark.parametrize(("filename", "between"), [("a.json", ","), ("a.ndjson", "\n")])
def test_the_number_of_records_is_bounded(monkeypatch: pytest.MonkeyPatch, filename: str, between: str) -> None:
    """A file with more records than may be is refused with how many those are, and one with just as many is read."""
    monkeypatch.setattr(sources, "MOST_ROWS", 3)
    records = [json.dumps(RECORDS["tool"] | {"reference": f"T{n}"}) for n in range(4)]

    def body(count: int) -> str:
        told = between.join(records[:count])
        return f"[{told}]" if filename == "a.json" else told

    assert len(read(body(3), kind="tool", filename=filename).records) == 3
    with pytest.raises(Malformed, match=r"^The file has more than 3 records\.$"):
        read(body(4), kind="tool", filename=filename)


class _Untouched(list[object]):
    """A list that nobody may go through."""

    def __iter__(self) -> Iterator[object]:
        pytest.fail("it is copied")


def test_records_are_counted_before_anything_is_made_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is too long is refused by its length; of lines that are too many, none is read beyond the bound."""
    monkeypatch.setattr(sources, "MOST_ROWS", 3)
    with monkeypatch.context() as patch:
        patch.setattr("orjson.loads", lambda _: _Untouched([{}] * 4))
        with pytest.raises(Malformed, match="more than 3 records"):
            sources.opened(b"[...]", "a.json", None)
    with pytest.raises(Malformed, match="more than 3 records"):
        sources.opened(b"{}\n" * 3 + b"this is no JSON\n", "a.ndjson", None)


def test_a_range_in_the_amount_is_a_range() -> None:
    """`10k - 20k` in the amount's column gives the ends of a range."""
    data = one(read_rows([{"reference": "1", "title": "x", "value.amount": "10k - 20k", "stage": "tender"}]))
    assert data["value"] == {"minimum": 10_000, "maximum": 20_000}


def test_references_of_the_same_publisher_become_ids() -> None:
    """A link may be a reference, with its kind where several are possible; an id stays what it is."""
    tool = one(
        read_rows(
            [{"reference": "T1", "name": "x", "contract": "C 1", "replaces.0": "https://o.example/id/x/tool/1"}],
            kind="tool",
        )
    )
    assert tool["contract"] == f"{EXA.id_prefix}contract/C%201"
    assert tool["replaces"] == ["https://o.example/id/x/tool/1"]
    reading = read_rows([{"reference": "R1", "title": "x", "replaces": "tool/T1; C1"}], kind="roadmap-item")
    assert one(reading)["replaces"] == [f"{EXA.id_prefix}tool/T1", f"{EXA.id_prefix}contract/C1"]
    assert problem(reading, "replaces").code == "link"
    item = {"reference": "R1", "title": "x", "produces": ["A1", "https://o.example/a"], "replaces": ["tool/T1"]}
    data = one(read(json.dumps([item]), kind="roadmap-item"))
    assert data["produces"] == [f"{EXA.id_prefix}asset/A1", "https://o.example/a"]


def test_json_holds_to_the_letter() -> None:
    """What the schema does not take refuses a JSON record, with the pointer to the place."""
    body = json.dumps(
        [RECORDS["tool"], {"reference": "T2", "name": "x", "users": "5"}, {"reference": 3, "name": "x"}, 7]
    )
    reading = read(body, kind="tool")
    errors = [(f.row, f.field) for f in reading.report.problems]
    assert errors == [(3, "/reference"), (4, ""), (2, "/users")]
    assert (reading.report.accepted, reading.report.refused) == (1, 3)
    assert reading.keeps(f"{EXA.id_prefix}tool/T2")


def test_unknown_members_are_kept() -> None:
    """A member of a later schema passes through JSON as it is."""
    data = RECORDS["tool"] | {"later": {"x": [1]}}
    assert one(read(json.dumps([data]), kind="tool")) == data


def test_a_person_in_a_json_contact_is_left_out() -> None:
    """Names and mailboxes of persons do not enter by JSON either; the organisation's own name is no person's."""
    data = RECORDS["skill"] | {"contact": {"name": "Jo Bloggs", "email": "exampleshire.digital@exa.example"}}
    assert one(read(json.dumps([data]), kind="skill"))["contact"] == {"email": "exampleshire.digital@exa.example"}
    data["contact"] = {"name": "Jo Bloggs"}
    assert "contact" not in one(read(json.dumps([data]), kind="skill"))


@pytest.mark.parametrize(
    ("body", "name", "sentence"),
    [
        ('[{"reference": "1"', "a.json", "breaks off"),
        ('{"reference": "1"}\n{"refer', "a.ndjson", "cut off"),
        ('{"reference": "1"}\nx\n{"reference": "2"}\n', "a.ndjson", "Line 2"),
        ('{"releases": []}', "a.json", "OCDS"),
        ('{"a": 1}', "a.json", "not a list"),
    ],
)
def test_refuses_json_that_is_no_register(body: str, name: str, sentence: str) -> None:
    """Broken, cut-off and foreign JSON is refused with a sentence."""
    with pytest.raises(Malformed, match=sentence):
        read(body, kind="tool", filename=name)


def test_json_lines_are_known_without_their_name() -> None:
    """Several objects one after another are NDJSON whatever the file is called."""
    body = "\n".join(json.dumps(RECORDS["tool"] | {"reference": f"T{n}"}) for n in range(3))
    reading = read(body, kind="tool", filename="export.txt")
    assert (reading.format, len(reading.records)) == ("ndjson", 3)


def test_an_empty_register_has_no_records() -> None:
    """A header alone, and an empty list, are registers without records: the guard decides, not the reader."""
    assert read("reference,title\r\n").records == [] == read("[]", kind="tool").records


def test_the_format_can_be_said() -> None:
    """A layout or file format that is asked for is taken; one that is unknown is refused, and so is an unknown kind."""
    text = csv_of([{"reference": "1", "title": "x", "description": "y"}])
    assert [read(text, format=layout).layout for layout in ("lga", "plain")] == ["lga", "plain"]
    assert live(read(text, format="lga")) == live(read(text, format="plain"))
    with pytest.raises(UnknownFormat):
        read(text, format="word")
    with pytest.raises(Malformed):
        read(text, format="json")
    with pytest.raises(Malformed, match="kind"):
        read(text, kind="planet")


@pytest.mark.parametrize("shape", [5, "text", ["text"], {"name": "A"}, [5, {"name": 5}], [{"identifiers": 5}]])
@pytest.mark.parametrize("member", ["suppliers", "buyers"])
def test_a_member_that_a_kind_does_not_know_may_have_any_shape(member: str, shape: Any) -> None:
    """A tool knows neither suppliers nor buyers: what stands there is kept, and an import again is no change."""
    records = [{"reference": "T1", "name": "PlanRight", member: shape}, {"name": "Without one", member: shape}]
    found = read(json.dumps(records), kind="tool", filename="a.json")
    assert [fault.message for fault in found.report.problems if fault.severity == "error"] == []
    assert [record.data[member] for record in found.records] == [shape, shape]
    again = read(json.dumps(records), kind="tool", filename="a.json", published=live(found))
    assert live(again) == live(found)


@pytest.mark.parametrize("shape", [5, [5], [{"identifiers": 5}]])
def test_suppliers_of_a_contract_that_are_none_are_told_at_their_place(shape: Any) -> None:
    """Where a kind knows the member, a wrong shape is the file's fault, in a sentence of its own."""
    found = read(json.dumps([{"title": "Lawns", "suppliers": shape}]), filename="a.json")
    assert [fault.code for fault in found.report.problems] == ["schema"]
