"""Dates by the evidence of their column."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.dates import DateColumn, judge_dates

DAYS = st.dates(date(1970, 1, 1), date(2069, 12, 31))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("28/03/2015", "2015-03-28"),
        ("28/03/2015 00:00:00", "2015-03-28"),
        ("03/02/2014", "2014-02-03"),
        ("01-Apr-2013", "2013-04-01"),
        ("01-Apr-15", "2015-04-01"),
        ("1 April 2015", "2015-04-01"),
        ("1st April 2015", "2015-04-01"),
        ("Wed 1 April 2015", "2015-04-01"),
        ("April 1, 2015", "2015-04-01"),
        ("2015-03-28", "2015-03-28"),
        ("2015-03-28T10:15:00Z", "2015-03-28"),
        ("2015-05-31T23:00:00Z", "2015-06-01"),
        ("2015-12-31T23:00:00Z", "2015-12-31"),
        ("2015-06-30T23:59:59Z", "2015-06-30"),
        ("31.12.69", "2069-12-31"),
        ("31.12.70", "1970-12-31"),
        ("20150328", "2015-03-28"),
    ],
)
def test_reads_the_styles_that_councils_write(text: str, day: str) -> None:
    """Each style of date is read, day first; two-digit years to 69 are 20xx; midnight in London is its own day."""
    assert DateColumn().read(text).day == date.fromisoformat(day)


@pytest.mark.parametrize(
    "text", ["TBC", "31/02/2015", "Apr-15", "32/01/2015", "01/13/15x", "42091", "31/12/9999", "ongoing"]
)
def test_leaves_out_what_is_no_date(text: str) -> None:
    """What is not a date between 1900 and 2199 is left out with a note."""
    read = DateColumn().read(text)
    assert read.day is None
    assert "left out" in read.note


def test_reads_month_first_only_where_the_column_proves_it() -> None:
    """A date that can only be month first turns its column; without such proof the day stands first."""
    assert judge_dates(["01/02/2015", "03/04/2015"]).read("01/02/2015").day == date(2015, 2, 1)
    assert judge_dates(["01/02/2015", "03/31/2015"]).read("01/02/2015").day == date(2015, 1, 2)


def test_a_single_slip_does_not_turn_a_column() -> None:
    """One month-first date among many day-first ones is read as the only day it can be, with a note."""
    judged = judge_dates(["31/01/2015"] * 40 + ["01/31/2015"])
    assert judged.read("02/03/2015").day == date(2015, 3, 2)
    slip = judged.read("01/31/2015")
    assert (slip.day, bool(slip.note)) == (date(2015, 1, 31), True)


def test_a_column_that_writes_both_orders_is_not_guessed_at() -> None:
    """Where the proofs contradict each other, a date that could be either is left out."""
    judged = judge_dates(["31/01/2015", "01/31/2015"])
    read = judged.read("02/03/2015")
    assert (read.day, "'31/01/2015' and '01/31/2015'" in read.note) == (None, True)
    assert judged.read("03/03/2015").day == date(2015, 3, 3)
    assert judged.read("25/12/2015").day == date(2015, 12, 25)


@pytest.mark.parametrize("slip", ["00/13/2025", "13/00/2025", "04/32/2025", "45/04/2025"])
def test_what_is_no_date_proves_no_order(slip: str) -> None:
    """A mistyped cell that is a date in neither order leaves the others as they are."""
    judged = judge_dates(["31/01/2015", "01/02/2015", slip])
    assert judged.read("01/02/2015").day == date(2015, 2, 1)
    assert judged.read(slip).day is None


def test_numbers_are_serials_where_the_column_or_the_sheet_says_so() -> None:
    """42091 is 28 March 2015 in a workbook or among its like, and no date beside written dates in CSV."""
    assert judge_dates(["42091", "42092"]).read("42091").day == date(2015, 3, 28)
    assert judge_dates(["31/01/2015"], workbook=True).read("42091").day == date(2015, 3, 28)
    assert judge_dates(["31/01/2015", "01/02/2015", "42091"]).read("42091").day is None


@given(
    DAYS,
    st.sampled_from(
        ["%d/%m/%Y", "%d-%b-%Y", "%d %B %Y", "%Y-%m-%d", "%d.%m.%y", "%Y-%m-%dT00:00:00Z", "%d/%m/%Y 00:00"]
    ),
)
def test_any_day_survives_any_style(day: date, style: str) -> None:
    """A day written in a style that a council uses is read as that day."""
    text = day.strftime(style)
    assert judge_dates([text, "31/12/2014"]).read(text).day == day


@given(st.lists(DAYS, min_size=1, max_size=30))
def test_a_month_first_column_is_read_right_or_not_at_all(days: list[date]) -> None:
    """A column written month first with one proof in it is read as it was meant."""
    texts = [f"{day:%m/%d/%Y}" for day in [*days, date(2015, 3, 31)]]
    judged = judge_dates(texts)
    assert [judged.read(text).day for text in texts[:-1]] == days


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_dates(text: str) -> None:
    """Any text is a date or a note, never an exception."""
    read = judge_dates([text]).read(text)
    assert read.day or read.note
