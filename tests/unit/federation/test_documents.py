"""A record as the index sees it: packed sort keys, names in one form, and no record that breaks it."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.documents import Place, Source
from federation.forms import MISSING, ROW_BITS, microseconds, money_bits, name_key, pack, spelling
from federation.making import document
from tests.strategies import unknown_values

CHANGED = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def source(kind: str, data: object, row: int = 5) -> Source:
    return Source(row, f"http://a.test/id/GB-LAE-EXA/{kind}/1", kind, "GB-LAE-EXA", 9, orjson.dumps(data), CHANGED)


AMOUNTS = st.floats(allow_nan=False, allow_infinity=False)


@given(one=AMOUNTS, other=AMOUNTS)
def test_money_sorts_as_its_32_bits_do(one: float, other: float) -> None:
    """The form keeps the order of amounts: a smaller one never gets a greater form."""
    if one < other:
        assert money_bits(one) <= money_bits(other)
    assert 0 <= money_bits(one) < 2**32 - 1


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_pounds_up_to_a_million_are_told_apart(one: int, other: int) -> None:
    """Within a million, amounts that differ by a pound differ in their form."""
    assert (money_bits(one) == money_bits(other)) == (one == other)


@given(value=st.integers(0, 2**32 - 2), row=st.integers(1, 2**31 - 1), other=st.integers(1, 2**31 - 1))
def test_a_packed_key_is_unique_and_below_what_is_missing(value: int, row: int, other: int) -> None:
    """Keys order by value, then by row; no two records share one; missing values come above all; 63 bits hold them."""
    assert (pack(value, row) == pack(value, other)) == (row == other)
    assert pack(value, row) < pack(value + 1, 0) <= MISSING < MISSING | row < 2**63
    assert pack(value, row) >> ROW_BITS == value


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Acme Digital Ltd", "acme-digital"),
        ("ACME  DIGITAL LIMITED.", "acme-digital"),
        ("Borough & Sons", "borough-and-sons"),
        ("O'Neill\u2019s Café plc", "oneills-cafe"),
        ("Cyngor Tŷ Ddewi", "cyngor-ty-ddewi"),
        ("Ltd", "ltd"),
        ("\u2013", "\u2013"),
        ("", ""),
    ],
)
def test_a_name_has_one_form(written: str, key: str) -> None:
    """Case, accents, punctuation, `&` and the legal form at the end do not tell names apart."""
    assert name_key(written) == key


@given(st.text())
def test_a_form_of_a_name_is_its_own_form(name: str) -> None:
    """What a facet gives as a value finds the same records when it is filtered by."""
    assert name_key(name_key(name)) == name_key(name)


@given(
    kind=st.sampled_from(["contract", "roadmap-item", "tool", "asset", "skill", "organisation"]),
    data=st.dictionaries(
        st.sampled_from(
            ["title", "name", "suppliers", "value", "budget", "services", "tools", "classifications", "endDate",
             "start", "stage", "serviceAreas", "vendor", "x"]
        ),
        unknown_values(),
    ),
)  # fmt: skip
def test_whatever_a_record_holds_there_is_a_document(kind: str, data: dict[str, object]) -> None:
    """Nothing that could stand in a record stops the index from following."""
    made = document(source(kind, data), None)
    assert made is not None
    assert made.members["kind"] == [kind]


@pytest.mark.parametrize("amount", [3.4028235677973366e38, -1e39, 1e308])
def test_an_amount_beyond_all_money_is_indexed(amount: float) -> None:
    """A number that JSON can hold and single precision cannot sorts with the largest, and stops nobody."""
    made = document(source("contract", {"value": {"amount": amount}}), None)
    assert made is not None
    assert made.members["low"] == amount
    assert made.keys["value"] == pack(money_bits(1e308 if amount > 0 else -1e308), 5)


def test_a_tombstone_and_an_unknown_kind_have_none() -> None:
    """What is gone, and what this version does not know, is not indexed."""
    gone = Source(1, "http://a.test/x", "contract", "GB-LAE-EXA", 2, None, CHANGED)
    assert document(gone, None) is None
    assert document(source("bridge", {"title": "B"}), None) is None


def test_a_contract_in_full() -> None:
    """Words, codes, identifiers, CPV prefixes, dates and money each go where filters and sorts look for them."""
    data = {
        "reference": "C-1",
        "title": "Parking",
        "description": "Permits",
        "stage": "active",
        "suppliers": [{"name": "Acme Ltd", "identifiers": [{"scheme": "gb-coh", "id": "1234567"}]}],
        "value": {"minimum": 10, "maximum": 20, "currency": "GBP"},
        "endDate": "2027-03-31",
        "classifications": [{"scheme": "CPV", "id": "48211000-0"}, {"scheme": "local", "id": "48000000"}],
        "services": ["http://id.esd.org.uk/service/485"],
        "extra": {"note": "Kerbside"},
    }
    made = document(source("contract", data), Place("Exampleshire", "South  West", "england"))
    assert made is not None
    assert made.members["title"] == "Parking"
    assert {"C-1", "Permits", "Acme Ltd", "Kerbside", "Exampleshire"} <= set(made.members["text"])
    assert not {"GBP", "active", "2027-03-31"} & set(made.members["text"])
    assert made.members["supplier"] == ["GB-COH-01234567"]
    assert made.members["any_supplier"] == ["GB-COH-01234567", "acme"]
    assert made.labels["supplier"] == {"GB-COH-01234567": "Acme Ltd"}
    assert made.members["cpv"] == ["48"]
    assert made.members["any_cpv"][0] == "48"
    assert made.members["any_cpv"][-1] == "48211000"
    assert made.members["region"] == ["south-west"]
    assert made.members["any_service"] == ["http://id.esd.org.uk/service/485", "485"]
    assert (made.members["low"], made.members["high"]) == (10.0, 20.0)
    assert made.members["endYear"] == ["2027"]
    assert made.members["changed"] == microseconds(CHANGED) == 1_793_610_000_000_000


def test_a_name_is_shown_in_its_commonest_plain_spelling() -> None:
    """Capitals are shown only where nobody writes the name otherwise."""
    assert spelling(["ACME LTD", "ACME LTD", "Acme Ltd", "Acme Limited", "Acme Limited"]) == "Acme Limited"
    assert spelling(["ACME LTD", "BT"]) == "ACME LTD"
    assert spelling([]) == ""


ODD: dict[str, tuple[str, dict[str, object], set[str]]] = {
    "a code that is no text": ("contract", {"stage": 5, "phase": ["x"], "status": None}, {"stage", "phase", "status"}),
    "a supplier without a name": ("contract", {"suppliers": [{"role": "x"}, "Acme", {}]}, {"supplier", "any_supplier"}),
    "a supplier that cannot be one": (
        "contract",
        {"suppliers": [{"name": " ", "identifiers": [{"scheme": "", "id": ""}, 5]}]},
        {"supplier", "any_supplier"},
    ),
    "an empty vendor": ("asset", {"vendor": " "}, {"supplier", "any_supplier"}),
    "a vendor that is no text": ("asset", {"vendor": {"name": "Acme"}}, {"supplier", "any_supplier"}),
    "empty services": ("asset", {"services": ["", 5]}, {"service", "any_service"}),
    "empty areas": ("asset", {"serviceAreas": ["", " ", None]}, {"service", "any_service"}),
    "empty links": ("asset", {"tools": ["", 5]}, {"tool", "any_tool"}),
    "a CPV that is none": (
        "contract",
        {"classifications": [{"scheme": "CPV", "id": "4821"}, {"scheme": "CPV"}, {"id": "48211000-0"}]},
        {"cpv", "any_cpv"},
    ),
    "a budget that is a number": ("roadmap-item", {"budget": 5}, {"low", "high"}),
    "a budget without bounds": ("roadmap-item", {"budget": {"min": "5", "currency": "GBP"}}, {"low", "high"}),
    "a value that is a number": ("contract", {"value": 5}, {"low", "high"}),
    "an amount that is true": ("contract", {"value": {"amount": True}}, {"low", "high"}),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "data", "absent"), ODD.values(), ids=ODD.keys())
def test_what_says_nothing_is_filtered_by_nothing(kind: str, data: dict[str, object], absent: set[str]) -> None:
    """A member of another type, or empty, gives the record no value to be found, counted or sorted by."""
    made = document(source(kind, {"title": "T"} | data), None)
    assert made is not None
    assert absent.isdisjoint(made.members)
    assert made.labels == {}
    assert made.keys == {}
    assert made.members["title"] == "T"


def test_what_is_odd_hides_nothing_beside_it() -> None:
    """Of a list in which some say nothing, the others are found."""
    data = {
        "title": "Parking",
        "suppliers": [{"name": ""}, 5, {"name": "Acme Ltd", "identifiers": [{"scheme": "GB-COH", "id": ""}]}],
        "services": ["", "http://id.example/bins"],
        "tools": ["", "http://b.test/id/tool/1"],
        "classifications": [{"scheme": "cpv", "id": "x"}, {"scheme": "cpv", "id": "48211000-0"}],
    }
    made = document(source("contract", data), None)
    assert made is not None
    assert (made.members["supplier"], made.members["any_supplier"]) == (["acme"], ["acme"])
    assert (made.members["service"], made.members["any_service"]) == (["http://id.example/bins"],) * 2
    assert made.members["any_tool"] == ["http://b.test/id/tool/1"]
    assert (made.members["cpv"], made.members["any_cpv"][-1]) == (["48"], "48211000")


@pytest.mark.parametrize(
    ("data", "bounds"),
    [
        ({"budget": {"min": 10}}, (10.0, 10.0)),
        ({"budget": {"max": 20}}, (20.0, 20.0)),
        ({"budget": {"min": 20, "max": 10}}, (10.0, 20.0)),
        ({"budget": {"min": 1}, "value": {"amount": 7}}, (7.0, 7.0)),
        ({"value": {"minimum": "much", "maximum": 9}}, (9.0, 9.0)),
    ],
)
def test_half_of_a_span_of_money_is_both_of_its_ends(data: dict[str, object], bounds: tuple[float, float]) -> None:
    """One end of a sum that is known is both, ends the wrong way round are turned, and a value goes before a budget."""
    made = document(source("roadmap-item", data), None)
    assert made is not None
    assert (made.members["low"], made.members["high"]) == bounds


def test_a_tool_without_a_name_is_found_by_its_id() -> None:
    """A tool whose name is empty has no name to be counted by, and its id finds it all the same."""
    made = document(source("tool", {"title": " "}), None)
    assert made is not None
    assert "tool" not in made.members
    assert made.members["any_tool"] == ["http://a.test/id/GB-LAE-EXA/tool/1"]


def test_words_are_found_however_deep_they_lie() -> None:
    """Texts in lists of lists and of objects are said; numbers, codes, dates and addresses among them are not."""
    deep = [
        ["Kerbside", [["Permit", 5, None]]],
        {"note": [["Verge"]], "status": "open"},
        "2027-03-31",
        "http://b.test/x",
    ]
    made = document(source("contract", {"title": "T", "extra": deep, "count": 5}), None)
    assert made is not None
    assert {"Kerbside", "Permit", "Verge"} <= set(made.members["text"])
    assert {"open", "2027-03-31", "http://b.test/x", 5, None}.isdisjoint(made.members["text"])
