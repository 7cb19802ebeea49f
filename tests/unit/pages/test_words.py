"""How the pages say dates, money and addresses."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages import words

TODAY = date(2026, 11, 2)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("2026-11-01", "1 November 2026"),
        (date(2027, 4, 1), "1 April 2027"),
        ("TBC", "TBC"),
        ("2026-13-40", "2026-13-40"),
    ],
)
def test_a_date_is_written_as_people_write_it(found: object, said: str) -> None:
    """A date reads as day, month, year; what is no date is given back."""
    assert words.day(found) == said


def test_a_time_says_its_zone() -> None:
    """A time is told short, on the 24-hour clock and in UTC."""
    assert words.moment("2026-11-02T09:05:00Z") == "2 Nov 2026, 09:05 UTC"
    assert words.moment("2026-11-02T23:05:00+02:00") == "2 Nov 2026, 21:05 UTC"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("2026-11-02", "today"),
        ("2026-11-03", "tomorrow"),
        ("2026-11-01", "yesterday"),
        ("2026-11-12", "in 10 days"),
        ("2026-10-12", "3 weeks ago"),
        ("2027-02-02", "in 3 months"),
        ("2030-11-02", "in 4 years"),
        ("2029-07-15", "in 2 years 8 months"),
        ("2025-10-02", "1 year 1 month ago"),
        ("2024-02-29", "2 years 8 months ago"),
        ("never", ""),
    ],
)
def test_how_far_a_day_lies(found: str, said: str) -> None:
    """A day is told by its distance from today, in the unit that people would use."""
    assert words.distance(found, TODAY) == said


@pytest.mark.parametrize(
    ("found", "length", "often"),
    [
        ("P1D", "1 day", "every day"),
        ("PT6H", "6 hours", "every 6 hours"),
        ("P1M", "1 month", "every month"),
        ("PT1M", "1 minute", "every minute"),
        ("P1Y6M", "1 year and 6 months", "every 1 year and 6 months"),
        ("P1Y2M3D", "1 year, 2 months and 3 days", "every 1 year, 2 months and 3 days"),
        ("P0D", "P0D", "P0D"),
        ("P0.5D", "P0.5D", "P0.5D"),
        ("12 + 12 months", "12 + 12 months", "12 + 12 months"),
        ("", "", ""),
    ],
)
def test_a_duration_is_said_in_words(found: str, length: str, often: str) -> None:
    """An ISO 8601 duration is told in words, as a length and as how often; what is none is given back."""
    assert (words.duration(found), words.every(found)) == (length, often)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"amount": 1234.5, "currency": "GBP"}, "£1,234.50"),
        ({"amount": 120000, "currency": "GBP", "basis": "total"}, "£120,000 in total"),
        ({"amount": 0}, "£0"),
        ({"amount": -3728, "gross": False}, "-£3,728, without VAT"),
        (
            {"minimum": 1000, "maximum": 2500.25, "basis": "annual", "gross": True},
            "£1,000 to £2,500.25 a year, including VAT",
        ),
        ({"max": 5000, "currency": "SEK"}, "up to 5,000 SEK"),
        ({"min": 5000}, "from £5,000"),
        ({}, ""),
        ("a lot", ""),
    ],
)
def test_money_is_written_as_people_write_it(found: object, said: str) -> None:
    """A sum has its sign, its thousands and its pence where there are any."""
    assert words.value(found) == said


@pytest.mark.parametrize(
    "found",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "//elsewhere.example/",
        "/v1/records",
        "http:",
        "https:///path",
        "http://[bad/",
        "https://moot.example\\@elsewhere.example/",
        "https://moot.example/" + "a" * 5_000,
        None,
        7,
    ],
)
def test_only_an_address_of_the_web_is_made_a_link(found: Any) -> None:
    """Nothing but http and https with a host becomes an href."""
    assert words.href(found) is None


def test_an_address_of_the_web_stays_as_it_is() -> None:
    """A good address is not altered."""
    assert words.href("https://moot.example/a?b=c#d") == "https://moot.example/a?b=c#d"


@pytest.mark.parametrize("found", ["a@b?cc=x@y.example", "a b@c.example", "<x@y>", "no mailbox", "", None])
def test_only_a_mailbox_is_made_a_mail_link(found: Any) -> None:
    """What is no mailbox makes no mail link, so that none can carry headers of its own."""
    assert words.mailto(found) in (None, "mailto:a@b%3Fcc%3Dx@y.example")


def test_a_mail_link_has_its_subject_escaped() -> None:
    """A subject cannot add headers to a mail."""
    assert words.mailto("a@b.example", "x&cc=y") == "mailto:a@b.example?subject=x%26cc%3Dy"


@pytest.mark.parametrize(
    ("found", "said"),
    [({"basis": "annual"}, "A year"), ({"basis": "total"}, "Over the whole contract"),
     ({"amount": 5}, "Not said whether total or yearly"), ("a lot", "")],
)  # fmt: skip
def test_what_a_value_is_for_is_always_said(found: object, said: str) -> None:
    """A person must not take a yearly sum for the whole, so that nobody said is said too."""
    assert words.basis(found) == said


def test_our_own_texts_have_their_code_told_apart_and_their_lines_folded() -> None:
    """Backticks are never shown, and a line break of the source is no line break of the page."""
    assert words.marked("Take `next`\n  and go on.") == [(False, "Take "), (True, "next"), (False, " and go on.")]
    assert words.paragraphs("One.\nStill one.\n\nTwo.") == ["One.\nStill one.", "Two."]


@given(ANY)
def test_no_filter_fails_on_what_a_record_holds(found: Any) -> None:
    """Whatever stands in a record, every filter gives text, or nothing."""
    assert isinstance(words.day(found), str)
    assert isinstance(words.moment(found), str)
    assert isinstance(words.distance(found, TODAY), str)
    assert isinstance(words.money(found, found), str)
    assert isinstance(words.value(found), str)
    assert isinstance(words.value({"amount": found, "currency": found, "basis": found, "gross": found}), str)
    assert isinstance(words.code(found), str)
    assert isinstance(words.meaning("phase", found), str)
    assert isinstance(words.shorten(found), str)
    assert isinstance(words.host(found), str)
    assert words.href(found) is None or isinstance(found, str)


@given(st.text(max_size=400), st.integers(min_value=1, max_value=80))
def test_a_shortened_text_is_no_longer_than_asked(found: str, limit: int) -> None:
    """A cut text is at most its limit and the sign that it was cut."""
    assert len(words.shorten(found, limit)) <= limit + 1
