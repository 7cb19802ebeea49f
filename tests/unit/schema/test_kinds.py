from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from schema.errors import Fault, Invalid
from schema.kinds import KINDS, PLURALS, SINGULARS, parse
from tests.strategies import any_record

CONTRACT: dict[str, Any] = {"reference": "EXA-C-1", "title": "Planning system"}
ITEM = {"reference": "EXA-R-1", "title": "Planning online"}
ORGANISATION = {"name": "Exampleshire County Council", "identifiers": [{"scheme": "GB-LAE", "id": "EXA"}]}
TOOL = {"reference": "EXA-T-1", "name": "PlanRight"}


def faults(kind: str, data: dict[str, Any] | bytes) -> tuple[Fault, ...]:
    with pytest.raises(Invalid) as refused:
        parse(kind, data if isinstance(data, bytes) else orjson.dumps(data))
    return refused.value.faults


def only(kind: str, data: dict[str, Any] | bytes) -> Fault:
    (fault,) = faults(kind, data)
    return fault


@settings(max_examples=150)
@given(any_record())
def test_a_valid_record_survives(record: tuple[str, dict[str, Any]]) -> None:
    """Any valid record parses, and written again it is the same, unknown members included."""
    kind, data = record
    parsed = parse(kind, orjson.dumps(data))
    assert parsed.wire() == data
    assert parse(kind, orjson.dumps(parsed.wire())) == parsed


def test_the_six_kinds_have_their_plurals() -> None:
    """The kinds are those of the design, and singular and plural are each other's way back."""
    assert list(KINDS) == ["organisation", "roadmap-item", "contract", "tool", "asset", "skill"]
    assert PLURALS["roadmap-item"] == "roadmap-items"
    assert {SINGULARS[plural] for plural in PLURALS.values()} == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("organisation", {"name", "identifiers"}),
        ("roadmap-item", {"reference", "title"}),
        ("contract", {"reference", "title"}),
        ("tool", {"reference", "name"}),
        ("asset", {"reference", "name"}),
        ("skill", {"reference", "name"}),
    ],
)
def test_little_is_required(kind: str, needed: set[str]) -> None:
    """Only what names a record is required; each missing member is told at its own place."""
    assert {fault.pointer for fault in faults(kind, {})} == {f"/{name}" for name in needed}


@pytest.mark.parametrize(
    ("kind", "data", "pointer"),
    [
        ("contract", CONTRACT | {"value": {"amount": "5"}}, "/value/amount"),
        ("contract", CONTRACT | {"value": {"amount": True}}, "/value/amount"),
        ("contract", CONTRACT | {"value": {"amount": 1e16}}, "/value/amount"),
        ("contract", CONTRACT | {"value": {"currency": "gbp"}}, "/value/currency"),
        ("contract", CONTRACT | {"value": []}, "/value"),
        ("contract", CONTRACT | {"fixedCost": 0}, "/fixedCost"),
        ("contract", CONTRACT | {"fixedCost": "yes"}, "/fixedCost"),
        ("contract", CONTRACT | {"endDate": "31/12/2026"}, "/endDate"),
        ("contract", CONTRACT | {"endDate": "2026-02-30"}, "/endDate"),
        ("contract", CONTRACT | {"endDate": "2026-12-31T00:00:00Z"}, "/endDate"),
        ("contract", CONTRACT | {"endDate": 20261231}, "/endDate"),
        ("contract", CONTRACT | {"title": ""}, "/title"),
        ("contract", CONTRACT | {"title": "  "}, "/title"),
        ("contract", CONTRACT | {"title": "x" * 501}, "/title"),
        ("contract", CONTRACT | {"title": "a\nb"}, "/title"),
        ("contract", CONTRACT | {"description": "x" * 20_001}, "/description"),
        ("contract", CONTRACT | {"description": ""}, "/description"),
        ("contract", CONTRACT | {"reference": 7}, "/reference"),
        ("contract", CONTRACT | {"reference": ".."}, "/reference"),
        ("contract", CONTRACT | {"stage": "Active"}, "/stage"),
        ("contract", CONTRACT | {"buyers": None}, "/buyers"),
        ("contract", CONTRACT | {"buyers": {}}, "/buyers"),
        ("contract", CONTRACT | {"services": ["javascript:alert(1)"]}, "/services/0"),
        ("contract", CONTRACT | {"services": ["https://"]}, "/services/0"),
        ("contract", CONTRACT | {"services": ["https://a@b.example/"]}, "/services/0"),
        ("contract", CONTRACT | {"services": ["https://a.example/" + "x" * 2000]}, "/services/0"),
        ("contract", CONTRACT | {"tools": ["https://a.example/x"] * 1001}, "/tools"),
        ("contract", CONTRACT | {"contact": {"email": "no"}}, "/contact/email"),
        ("contract", CONTRACT | {"notices": [{"noticeType": "UK18"}]}, "/notices/0/noticeType"),
        ("contract", CONTRACT | {"withheld": [{"field": "value"}]}, "/withheld/0/reason"),
        (
            "contract",
            CONTRACT | {"suppliers": [{"identifiers": [{"scheme": "GB-COH", "id": "VAT"}]}]},
            "/suppliers/0/identifiers/0/id",
        ),
        ("organisation", ORGANISATION | {"identifiers": []}, "/identifiers"),
        ("organisation", ORGANISATION | {"gss": "exa"}, "/gss"),
        ("organisation", ORGANISATION | {"location": {"lat": 91, "lon": 0}}, "/location/lat"),
        (
            "organisation",
            ORGANISATION | {"identifiers": [{"scheme": "GSS", "id": "E10000020"}]},
            "/identifiers/0/scheme",
        ),
        (
            "organisation",
            ORGANISATION | {"successors": [{"id": "GB-LAE-NEX", "vestingDate": "soon"}]},
            "/successors/0/vestingDate",
        ),
        ("roadmap-item", ITEM | {"phase": "gamma"}, "/phase"),
        ("roadmap-item", ITEM | {"language": "English language"}, "/language"),
        ("tool", TOOL | {"users": 5.5}, "/users"),
        ("tool", TOOL | {"users": -1}, "/users"),
        ("tool", TOOL | {"users": False}, "/users"),
        ("tool", TOOL | {"satisfaction": {"score": 6}}, "/satisfaction/score"),
        ("skill", {"reference": "1", "name": "x", "offers": ["money"]}, "/offers/0"),
        ("asset", {"reference": "1", "name": "x", "type": "thing"}, "/type"),
        ("contract", b"[]", ""),
    ],
)  # fmt: skip
def test_a_fault_is_told_at_its_place(kind: str, data: dict[str, Any] | bytes, pointer: str) -> None:
    """Types are strict and bounds hold; the one fault has its pointer, a sentence and what was expected."""
    fault = only(kind, data)
    assert fault.pointer == pointer
    assert fault.message.endswith((".", "?"))
    assert fault.expected


def test_an_integer_may_be_written_with_a_point() -> None:
    """1451.0 is an integer in JSON Schema, and so it is here."""
    tool = parse("tool", b'{"reference":"1","name":"x","users":1451.0,"satisfaction":{"score":4.0}}')
    assert tool.wire()["users"] == 1451
    assert isinstance(tool.wire()["users"], int)


def test_null_is_told_to_be_left_out() -> None:
    """Absence has one spelling: an explicit null is refused with advice."""
    fault = only("contract", CONTRACT | {"endDate": None})
    assert (fault.pointer, fault.found) == ("/endDate", None)
    assert "left out" in fault.message


@pytest.mark.parametrize(
    ("stage", "near"), [("Active", "active"), ("Terminatd", "terminated"), ("xyz", None), (3, None)]
)
def test_a_near_miss_of_a_code_is_named(stage: Any, near: str | None) -> None:
    """A value outside its list is told with the list, and with the value that was probably meant."""
    fault = only("contract", CONTRACT | {"stage": stage})
    assert fault.expected == "one of pipeline, tender, active, ended, terminated"
    assert (f"Did you mean '{near}'?" in fault.message) is (near is not None)


def test_a_near_miss_may_differ_in_spaces_and_case() -> None:
    """Codes are compared as a person would."""
    assert "'private-beta'" in only("roadmap-item", ITEM | {"phase": "Private Beta"}).message


def test_faults_are_told_all_at_once() -> None:
    """One reading tells every fault, each at its own place, up to a hundred."""
    pointers = [f.pointer for f in faults("contract", {"title": 5, "stage": "x", "value": {"basis": None}})]
    assert sorted(pointers) == ["/reference", "/stage", "/title", "/value/basis"]
    assert len(faults("contract", CONTRACT | {"services": [1] * 500})) == 100


def test_a_pointer_is_escaped() -> None:
    """A member's name with a slash or a tilde is written as RFC 6901 asks."""
    assert only("contract", b'{"reference":"1","title":"x","a/b~c":{"d":"\\u0001"}}').pointer == "/a~1b~0c/d"


def test_what_was_found_is_shown_short() -> None:
    """A long value is cut and an object is named, so that a report stays readable."""
    assert len(only("contract", CONTRACT | {"title": "x" * 900}).found) == 200
    assert only("contract", CONTRACT | {"title": {"a": 1}}).found == "an object"
    assert only("contract", CONTRACT | {"title": [1, 2]}).found == "a list of 2"


def test_an_unknown_kind_is_kept() -> None:
    """A well-formed kind that nobody knows yet keeps any object within the limits."""
    data = {"reference": "1", "anything": [1, {"x": None}]}
    assert parse("event", orjson.dumps(data)).wire() == data
    assert only("event", b"[]").pointer == ""
    assert only("event", b'{"a":"\\u0000"}').pointer == "/a"


@pytest.mark.parametrize("kind", ["", "Contract", "contract/", "a" * 41, "9", "é"])
def test_a_malformed_kind_is_refused(kind: str) -> None:
    """A kind is lower-case letters and hyphens."""
    assert only(kind, b"{}").rule == "kind"


def test_text_and_bytes_are_read_alike() -> None:
    """A record may come as text; half a character in it is refused as a fault, not as a crash."""
    assert parse("tool", '{"reference":"1","name":"é"}') == parse("tool", '{"reference":"1","name":"é"}'.encode())
    with pytest.raises(Invalid):
        parse("tool", '{"reference":"1","name":"\ud800"}')


def test_a_record_has_a_label() -> None:
    """A record is called by its title, else its name, else its reference."""
    assert parse("contract", orjson.dumps(CONTRACT)).label == "Planning system"
    assert parse("tool", orjson.dumps(TOOL)).label == "PlanRight"
    assert parse("event", b'{"reference":"E1"}').label == "E1"
    assert parse("event", b"{}").label == ""


def test_an_identifier_tells_its_key() -> None:
    """The bytes stay as they came; the key is the one form."""
    data = CONTRACT | {"suppliers": [{"identifiers": [{"scheme": "GB-COH", "id": "1234567"}]}]}
    contract: Any = parse("contract", orjson.dumps(data))
    assert contract.suppliers[0].identifiers[0].key == "GB-COH-01234567"
    assert contract.wire() == data
