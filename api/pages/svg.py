"""The geometry of the one picture: contracts that end by quarter. Pure numbers; the template draws and escapes them.

Bars lie and their lengths are percentages of the picture's width, so that the text keeps its size on any screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from insight.pipeline import Ending

ROW = 30
BAR = 18
LABEL_X, BAR_X, LONGEST = 37.0, 39.5, 42.0
"""In percent of the width: where labels end, where bars begin, how long the longest is."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One quarter: its words, its dates, and where its bar lies."""

    label: str
    short: str
    first: date
    last: date
    count: int
    current: bool
    y: int
    text_y: int
    width: float
    count_x: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The picture: bars from top to bottom, `height` in pixels, all x and widths in percent."""

    bars: Sequence[Bar]
    total: int
    most: int
    height: int
    publisher: str | None = None
    label_x: float = LABEL_X
    bar_x: float = BAR_X
    bar_height: int = BAR


def chart(endings: Sequence[Ending], today: date, publisher: str | None = None) -> Chart:
    """Lay the quarters out. An empty quarter has a bar of no length and its nought beside it."""
    most = max((one.count for one in endings), default=0)
    bars = [_bar(one, row, most, today) for row, one in enumerate(endings)]
    return Chart(bars, sum(one.count for one in endings), most, ROW * len(bars), publisher)


def _bar(one: Ending, row: int, most: int, today: date) -> Bar:
    quarter = one.quarter
    width = round(LONGEST * one.count / most, 2) if most else 0.0
    return Bar(
        label=f"{quarter.first:%b} to {quarter.last:%b %Y}",
        short=f"{quarter.first:%b}\N{EN DASH}{quarter.last:%b %Y}",
        first=quarter.first,
        last=quarter.last,
        count=one.count,
        current=quarter.first <= today <= quarter.last,
        y=row * ROW + (ROW - BAR) // 2,
        text_y=row * ROW + ROW // 2 + 5,
        width=width,
        count_x=BAR_X + width,
    )
