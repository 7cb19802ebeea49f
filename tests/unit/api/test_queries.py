"""Parameters as text, to a query: what is read, in which forms, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from api.params import Asked
from api.queries import limit_of, query
from federation.index import Span, Terms
from schema.errors import BadParameter, Repeated


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"publisher": ["GB-LAE-EXA", "GB-LAE-MID"]}, Terms("publisher", ("GB-LAE-EXA", "GB-LAE-MID"))),
        ({"region": ["South  West"]}, Terms("region", ("south-west",))),
        (
            {"supplier": ["gb-coh-1234567"]},
            Terms("supplier", ("GB-COH-01234567", "gb-coh-1234567")),
        ),
        ({"supplier": ["Acme & Sons Ltd"]}, Terms("supplier", ("Acme & Sons Ltd", "acme-and-sons"))),
        ({"cpv": ["48000000-8", "72"]}, Terms("cpv", ("48000000", "72"))),
        ({"signed": ["true"]}, Terms("signature", ("valid",))),
        ({"signed": ["invalid", "valid"]}, Terms("signature", ("invalid", "valid"))),
        ({"signed": ["false"]}, Terms("signature", ("absent", "invalid", "unknown-key"))),
        ({"ends_after": "0001-01-01", "ends_before": "0001-01-02"}, Span("end", 1, 2)),
        ({"value_min": "-5.5"}, Span("high", least=-5.5)),
        ({"value_max": "1e3"}, Span("low", most=1000.0)),
        ({"updated_since": "1970-01-01T01:00:00+01:00"}, Span("changed", least=0)),
        ({"updated_since": "1970-01-01T00:00:00.5Z"}, Span("changed", least=500_000)),
        ({"updated_since": "1970-01-02"}, Span("changed", least=86_400_000_000)),
    ],
)
def test_a_parameter_makes_its_filter(asked: dict[str, Any], wanted: object) -> None:
    """Each parameter is one filter, its value in the form in which the index knows it."""
    assert query(Asked(**asked)).filters == (wanted,)


@pytest.mark.parametrize(
    "asked",
    [
        {"q": "x" * 301},
        {"publisher": [""]},
        {"publisher": ["x" * 4001]},
        {"publisher": ["x"] * 101},
        {"stage": ["activ"]},
        {"phase": ["Alpha"]},
        {"cpv": ["4"]},
        {"cpv": ["48"] * 101},
        {"cpv": ["48000000x"]},
        {"cpv": ["\u0664\u0668"]},
        {"signed": ["yes"]},
        {"ends_after": "1 June 2027"},
        {"ends_after": "2027-02-30"},
        {"ends_after": "20270601"},
        {"starts_before": ""},
        {"value_min": "nan"},
        {"value_min": "1e16"},
        {"value_max": "£5"},
        {"updated_since": "2026-11-02T09:00:00"},
        {"updated_since": "0001-01-01T00:00:00+14:00"},
        {"updated_since": "yesterday"},
        {"sort": "title"},
        {"sort": "-relevance"},
        {"facets": ["publisher,colour"]},
        {"facets": [""]},
        {"facets": ["publisher"] * 101},
        {"publisher": ["Exampleshire"]},
        {"publisher": ["gb-lae-exa"]},
        {"ends_after": "2027-01-02", "ends_before": "2027-01-01"},
        {"starts_after": "2027-01-02", "starts_before": "2027-01-01"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "\u0665"},
        {"limit": "5.0"},
    ],
)
def test_a_value_that_cannot_be_read_is_refused(asked: dict[str, Any]) -> None:
    """No value is guessed at or passed over; the refusal says what was expected."""
    with pytest.raises(BadParameter) as refused:
        query(Asked(**asked))
    assert refused.value.expected


@pytest.mark.parametrize(
    ("name", "asked", "kinds"),
    [
        ("stage", {"stage": ["active"] * 101}, []),
        ("signed", {"signed": ["true"] * 101}, []),
        ("publisher", {"publisher": ["GB-LAE-EXA"] * 101}, []),
        ("cpv", {"cpv": ["48"] * 101}, []),
        ("facets", {"facets": ["publisher"] * 101}, []),
        ("kind", {}, ["tool"] * 101),
    ],
)
def test_a_filter_may_be_repeated_a_hundred_times(name: str, asked: dict[str, Any], kinds: list[str]) -> None:
    """The hundred and first time is refused by how often it was given, though every value of it is known."""
    fewer = {name: values[:-1] for name, values in asked.items()}
    assert query(Asked(**fewer), kinds[:-1])
    with pytest.raises(Repeated) as refused:
        query(Asked(**asked), kinds)
    assert refused.value.parameter == name
    assert str(refused.value) == f"Parameter '{name}' is given 101 times; expected it at most 100 times."


def test_a_span_that_runs_backwards_names_both_its_ends() -> None:
    """Both filters are named, so that a person knows which two disagree; one day alone is a span."""
    with pytest.raises(BadParameter, match=r"endsAfter.*endsBefore, which is 2027-01-01"):
        query(Asked(ends_after="2027-01-02", ends_before="2027-01-01"))
    assert query(Asked(ends_after="2027-01-01", ends_before="2027-01-01")).filters


def test_sorts() -> None:
    """Words rank by relevance unless a sort is asked or the format is a feed; else the latest change is first."""
    assert (query(Asked(q="x")).sort, query(Asked()).sort) == ("relevance", "updated")
    assert query(Asked()).descending
    assert query(Asked(q="x"), ranked=False).sort == "updated"
    assert query(Asked(sort="relevance")).sort == "updated"
    assert (query(Asked(sort="end")).descending, query(Asked(sort="-end")).descending) == (False, True)


def test_limit() -> None:
    """A page has 20 records unless it is told otherwise, and 100 at most."""
    assert (limit_of(None), limit_of("1"), limit_of("100")) == (20, 1, 100)


def test_facets_are_joined_by_commas_or_repeated() -> None:
    """`facets=a,b` and `facets=a&facets=b` are one."""
    assert query(Asked(facets=["publisher,cpv", "cpv", "stage"])).facets == ("publisher", "cpv", "stage")


def test_kinds() -> None:
    """Kinds are a filter; an unknown one is refused."""
    assert query(Asked(), ["tool", "contract"]).filters == (Terms("kind", ("contract", "tool")),)
    with pytest.raises(BadParameter):
        query(Asked(), ["bridge"])
