"""A record in a line: facts a person wants before opening it, and no record that breaks it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.cpv import DIVISIONS, division
from exchange.summaries import day, label, money, summary
from tests.strategies import unknown_values


def test_facts_come_first() -> None:
    """Supplier, value, stage and dates, then the beginning of the text."""
    data = {
        "title": "Parking",
        "description": "Permits and signs",
        "suppliers": [{"name": "Acme Ltd"}, {"name": "B"}, {"name": "C"}, {"name": "D"}],
        "value": {"amount": 120000, "currency": "GBP"},
        "stage": "active",
        "endDate": "2029-10-31",
    }
    assert summary(data) == (
        "Supplier: Acme Ltd, B, C and others. Value: £120,000. Stage: active. Ends 31 October 2029. Permits and signs"
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"minimum": 5, "maximum": 7.5, "currency": "EUR"}, "€5 to €7.50"),
        ({"min": 5, "max": 5}, "5"),
        ({"amount": -1234.5, "currency": "GBP"}, "£-1,234.50"),
        ({"amount": True}, ""),
        (None, ""),
    ],
)
def test_money(value: object, told: str) -> None:
    """Amounts and ranges as people write them; nothing where nothing is said."""
    assert money(value) == told


def test_labels_and_days() -> None:
    """Title, else name, else reference; dates in words."""
    assert [label(d) for d in ({"title": "T", "name": "N"}, {"name": "N"}, {"reference": "R"}, {})] == [
        "T", "N", "R", "Untitled",
    ]  # fmt: skip
    assert (day("2027-06-01"), day("soon"), day(5)) == ("1 June 2027", "", "")


@given(
    st.dictionaries(
        st.sampled_from(
            ["title", "summary", "description", "suppliers", "value", "budget", "stage", "endDate", "start"]
        ),
        unknown_values(),
    )
)
def test_any_record_has_a_summary(data: dict[str, object]) -> None:
    """Whatever a record holds, it has a label and a summary."""
    assert label(data)
    assert isinstance(summary(data), str)


def test_every_division_has_a_name() -> None:
    """The 45 divisions of CPV 2008, each of two digits; a code is called by its division."""
    assert len(DIVISIONS) == 45
    assert all(len(code) == 2 and code.isdecimal() and name for code, name in DIVISIONS.items())
    assert division("48211000") == "Software package and information systems"
    assert division("00") == "00"
