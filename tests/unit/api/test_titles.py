"""Titles that a person would choose."""

from __future__ import annotations

from typing import Any

import pytest

from api.params import Asked
from api.titles import title


@pytest.mark.parametrize(
    ("asked", "kinds", "wanted"),
    [
        ({}, [], "Everything"),
        (
            {"q": "parking", "ends_before": "2027-06-01"},
            ["contract"],
            "Contracts about parking that end by 1 June 2027",
        ),
        (
            {"publisher": ["GB-LAE-EXA", "GB-LAE-MID"], "stage": ["active"]},
            ["contract", "tool"],
            "Contracts and tools of Exampleshire or GB-LAE-MID with stage active",
        ),
        (
            {"cpv": ["48", "482"], "ends_after": "2026-12-01"},
            ["contract"],
            "Contracts in Software package and information systems or CPV 482 that end on or after 1 December 2026",
        ),
        (
            {"collaboration": ["seeking-partners"], "region": ["Wessex"], "value_min": "10000", "value_max": "99.5"},
            ["roadmap-item"],
            "Roadmap items in Wessex with collaboration seeking partners worth 10,000 or more and 99.50 or less",
        ),
        (
            {"starts_after": "2026-11-01", "ends_before": "2027-01-01", "updated_since": "2026-11-02T09:00:00Z"},
            ["asset"],
            "Assets that start on or after 1 November 2026 and end by 1 January 2027 changed since 2 November 2026",
        ),
        (
            {"ends_after": "2026-10-01", "ends_before": "2026-12-31"},
            ["contract"],
            "Contracts that end from 1 October 2026 to 31 December 2026",
        ),
        ({"ends_after": "2026-10-01"}, [], "Everything that ends on or after 1 October 2026"),
        (
            {"tool": ["PlanRight"], "service": ["485"], "supplier": ["Acme"], "signed": ["true"]},
            [],
            "Everything for 485 using PlanRight from Acme that is signed",
        ),
        ({"q": "a\n\x00b", "region": ["x\r\ny\u2028z\u200d"]}, [], "Everything about a b in x y z\u200d"),
    ],
)
def test_a_title_says_what_was_asked(asked: dict[str, Any], kinds: list[str], wanted: str) -> None:
    """Each filter is a phrase, publishers go by name, dates are written out, and the site comes last."""
    assert title(Asked(**asked), kinds, {"GB-LAE-EXA": "Exampleshire"}, "Wessex Moot") == f"{wanted} — Wessex Moot"
