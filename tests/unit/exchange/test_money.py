"""Sums of money."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.money import Money, read_money

SUMS = st.decimals(0, 10**12, places=2, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("£ 1,234.50", Money(1234.5)),
        ("(3728)", Money(-3728)),
        ("£(3,728.00)", Money(-3728)),
        ("-500", Money(-500)),
        ("1.2m", Money(1_200_000)),
        ("£2 million", Money(2_000_000)),
        ("15k", Money(15_000)),
        ("0", Money(0)),
        ("0.00", Money(0)),
        ("nil", Money(0)),
        ("1 234 567", Money(1_234_567)),
        ("1.2E+07", Money(12_000_000)),
        ("Estimated 5,000", Money(5000, estimated=True)),
        ("5,000 (est)", Money(5000, estimated=True)),
        ("c. £5000", Money(5000, estimated=True)),
        ("£5,000 per annum", Money(5000, basis="annual")),
        ("£5,000 in total", Money(5000, basis="total")),
        ("10,000 - 20,000", Money(minimum=10_000, maximum=20_000)),
        ("£1.2m to £3m", Money(minimum=1_200_000, maximum=3_000_000)),
        ("between £5k and £10k", Money(minimum=5000, maximum=10_000)),
        ("5-10k", Money(minimum=5000, maximum=10_000)),
        ("up to £50,000", Money(maximum=50_000)),
        ("£50,000+", Money(minimum=50_000)),
        ("€500", Money(500, currency="EUR")),
        ("500 EUR", Money(500, currency="EUR")),
    ],
)
def test_reads_sums_as_councils_write_them(text: str, money: Money) -> None:
    """Each way to write a sum is that sum; a whole number stays whole, nothing stays nothing."""
    assert read_money(text) == money


@pytest.mark.parametrize(
    "text", ["TBC", "n/a", "-", "12,34", "1.234.567,00", "5 per week", "1,00", "20-10", "£", "see note 4", "1/2"]
)
def test_reads_nothing_else(text: str) -> None:
    """What is not plainly a sum is no sum: a wrong figure is worse than none."""
    assert read_money(text) is None


def test_a_value_has_no_members_that_the_cell_does_not_say() -> None:
    """The basis is left out where the cell does not say; the currency is pounds."""
    money = read_money("0")
    assert money is not None
    assert money.as_value() == {"amount": 0, "currency": "GBP"}


@given(SUMS, st.sampled_from(["{}", "{:,}", "£{:,}", "£ {}", "({:,})", "-{}", "GBP {}", "{} GBP"]))
def test_any_sum_survives_any_style(amount: Decimal, style: str) -> None:
    """A sum written in a style that a council uses is read to the penny."""
    money = read_money(style.format(amount))
    assert money is not None
    sign = -1 if style[0] in "(-" else 1
    assert money.amount == pytest.approx(sign * float(amount), abs=0.001)
    assert isinstance(money.amount, int) == (amount == amount.to_integral_value())


@given(SUMS, SUMS)
def test_any_range_is_read_in_its_order(one: Decimal, other: Decimal) -> None:
    """A range gives its two ends, and none at all where it runs backwards."""
    money = read_money(f"£{one:,} to £{other:,}")
    if one > other:
        assert money is None
    else:
        assert money is not None
        assert money.minimum == pytest.approx(float(one))
        assert money.maximum == pytest.approx(float(other))


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_sums(text: str) -> None:
    """Any text is a sum or none, never an exception."""
    assert read_money(text) is None or any(c.isdigit() for c in text) or "nil" in text.lower() or "zero" in text.lower()
