"""The look of the pages, and what they share with the search."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages import advice, asking, svg, view
from federation.documents import Source
from federation.making import document
from insight.pipeline import Ending, Quarter, quarters
from schema.errors import BadParameter, UnknownParameter

DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))
PAIRS = [
    ("ink", "ground"),
    ("ink", "soft"),
    ("muted", "ground"),
    ("muted", "soft"),
    ("accent", "ground"),
    ("accent", "soft"),
    ("on-accent", "accent"),
    ("visited", "ground"),
    ("warn", "warn-soft"),
    ("bad", "bad-soft"),
    ("good", "good-soft"),
    ("ink", "warn-soft"),
    ("ink", "accent-soft"),
    ("muted", "accent-soft"),
]


def palettes() -> list[dict[str, str]]:
    """Return the colours of the stylesheet, light and dark."""
    blocks = re.findall(r":root \{(.*?)\}", view.static("style.css").decode(), re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 has it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_stands_out_from_its_ground(scheme: int) -> None:
    """All pairs of colours that carry text keep 4.5:1, edges and focus 3:1, in light and in dark."""
    colours = palettes()[scheme]
    for ink, ground in PAIRS:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for edge in ("edge", "focus", "accent"):
        assert contrast(colours[edge], colours["ground"]) >= 3, edge


def test_the_stylesheet_asks_for_nothing_else() -> None:
    """No import, no font, no picture from anywhere."""
    css = view.static("style.css").decode()
    assert not re.search(r"@import|@font-face|url\(|https?:", css)


@given(DAYS, st.integers(1, 20))
def test_quarters_follow_one_another_from_today(today: date, count: int) -> None:
    """The first quarter holds today, and each begins on the day after the one before ended."""
    found = quarters(today, count)
    assert len(found) == count
    assert found[0].first <= today <= found[0].last
    assert all((after.first - before.last).days == 1 for before, after in pairwise(found))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), DAYS)
def test_bars_are_as_long_as_their_counts(counts: list[int], today: date) -> None:
    """The longest bar belongs to the greatest count, and no bar or number leaves the picture."""
    endings = [Ending(quarter, n) for quarter, n in zip(quarters(today, len(counts)), counts, strict=True)]
    chart = svg.chart(endings, today)
    assert chart.total == sum(counts)
    assert [bar.current for bar in chart.bars] == [True] + [False] * (len(counts) - 1)
    for bar in chart.bars:
        assert 0 <= bar.width <= svg.LONGEST
        assert bar.width == pytest.approx(svg.LONGEST * bar.count / max(counts) if any(counts) else 0, abs=0.01)
        assert 0 <= bar.y < chart.height
        assert bar.count_x <= 82


def test_a_quarter_has_its_own_days() -> None:
    """A quarter's last day is right in leap years and at the end of a year."""
    assert (Quarter(2028, 1).first, Quarter(2028, 1).last) == (date(2028, 1, 1), date(2028, 3, 31))
    assert Quarter(2026, 4).last == date(2026, 12, 31)


@pytest.mark.parametrize(
    "supplier",
    [
        {"name": "Acme Digital Ltd", "identifiers": [{"scheme": "GB-COH", "id": "1234567"}]},
        {"name": "Acme & Sons, LTD.", "identifiers": [{"scheme": "GB-COH", "id": "no number"}]},
        {"name": "Büro für Alles"},
        {"name": "Two", "identifiers": [{"scheme": "X Y", "id": "?"}, {"scheme": "GB-CHC", "id": "1089464"}]},
        {"name": "Ltd"},
    ],
)
def test_a_suppliers_page_is_where_the_search_keeps_it(supplier: dict[str, Any]) -> None:
    """The key in a link to a supplier is the value under which the index holds its contracts."""
    data = orjson.dumps({"reference": "1", "title": "x", "suppliers": [supplier]})
    made = document(Source(1, "https://a.example/id/X/contract/1", "contract", "X", 1, data, datetime.now(UTC)), None)
    assert made is not None
    assert made.members["supplier"] == [view.supplier_key(supplier)]


def test_every_problem_has_its_advice() -> None:
    """Errors stand before warnings, each with what to do, rules that nobody foresaw included."""
    common = {"recordId": None, "pointer": "", "firstSeen": "2026-11-02T09:00:00Z"}
    rules = {"latest": "warning", "unforeseen": "error"}
    found = advice.advised([{"rule": rule, "severity": severity, **common} for rule, severity in rules.items()])
    assert [one["rule"] for one in found] == ["unforeseen", "latest"]
    assert all(one["advice"] for one in found)


def test_an_address_is_read_as_the_api_reads_it() -> None:
    """Names are those of the API, repeats gather, and what is empty or foreign asks for nothing."""
    given_ = [("publisher", "A"), ("publisher", "B"), ("endsAfter", "2026-01-01"), ("q", " "), ("utm_source", "x")]
    address, asked, kinds = asking.read("/search", [*given_, ("kind", "contract")])
    assert asked.publisher == ["A", "B"]
    assert asked.ends_after == "2026-01-01"
    assert kinds == ["contract"]
    assert str(address) == "/search?publisher=A&publisher=B&endsAfter=2026-01-01&kind=contract"
    assert str(address.less("publisher", "A")) == "/search?publisher=B&endsAfter=2026-01-01&kind=contract"
    assert str(address.but("publisher", "kind", "endsAfter")) == "/search"


def test_an_address_that_asks_what_nobody_reads_is_refused() -> None:
    """An unknown name is refused with the near match, a repeat of a single one too."""
    with pytest.raises(UnknownParameter) as unknown:
        asking.read("/search", [("suplier", "x")])
    assert unknown.value.near == "supplier"
    with pytest.raises(BadParameter):
        asking.read("/search", [("q", "a"), ("q", "b")])
