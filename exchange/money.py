"""Sums of money as councils write them (protocol section 7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schema.base import MAX_NUMBER

_SCALE = {
    "": 1,
    "k": 10**3,
    "thousand": 10**3,
    "m": 10**6,
    "mn": 10**6,
    "million": 10**6,
    "bn": 10**9,
    "billion": 10**9,
}
_CURRENCY = {"£": "GBP", "gbp": "GBP", "€": "EUR", "eur": "EUR", "$": "USD", "usd": "USD"}
_SIGN = r"(?P<cur{n}>£|€|\$|gbp|eur|usd)?"
_NUMBER = r"(?P<num{n}>\d{{1,3}}(?:,\d{{3}})+(?:\.\d*)?|\d{{1,3}}(?: \d{{3}})+(?:\.\d*)?|\d+\.?\d*|\.\d+)"
_UNIT = r" ?(?P<unit{n}>k|thousand|mn|million|m|bn|billion)?(?: ?(?P<end{n}>gbp|eur|usd))?"
_PLAIN = _SIGN + r" ?" + _NUMBER + _UNIT
_AMOUNT = re.compile(_PLAIN.format(n=""))
_DASH = r"[-\u2212\u2013]"
_NEGATIVE = re.compile(
    rf"(?P<out>£|€|\$)?\((?P<in>[^()]+)\)|{_DASH} ?(?P<lead>.+)|(?P<cur>£|€|\$) ?{_DASH} ?(?P<signed>.+)"
    rf"|(?P<trail>.+?) ?{_DASH}"
)
_RANGE = re.compile(rf"(?:between |from )?{_PLAIN.format(n=1)} ?(?:[-\u2212\u2013\u2014]|to|and) ?{_PLAIN.format(n=2)}")
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?e\+?\d{1,2}")
_ESTIMATE = re.compile(
    r"^(?:estimated?|est\.?|approx(?:imately|\.)?|circa|c\.?|about|~)(?: (?:cost|value|at|of))?:? *(?=[£€$\d.(])"
    r"|[ (]+(?:estimated?|est\.?|approx\.?)\)?$"
)
_ANNUAL = re.compile(r"[ (]*(?:per (?:annum|year)|p\.?a\.?|annual(?:ly)?|a year|/ ?(?:year|yr|annum))\)?$")
_TOTAL = re.compile(r"[ (]*(?:in total|total)\)?$|^total:? ")
_MOST = re.compile(r"^(?:up to|max(?:imum|\.)?|less than|under|<=?)(?: of)? *")
_LEAST = re.compile(r"^(?:from|min(?:imum|\.)?|more than|over|at least|>=?)(?: of)? *|\+$")
LONGEST = 120
_NIL = frozenset({"nil", "£nil", "zero", "£0", "nil value"})


@dataclass(frozen=True, slots=True)
class Money:
    """A sum, or a range of which one end may be open; `estimated` and `basis` only where the cell says so."""

    amount: int | float | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    currency: str = "GBP"
    estimated: bool = False
    basis: str = ""

    @property
    def negative(self) -> bool:
        """Tell a sum below nothing."""
        return self.amount is not None and self.amount < 0

    def as_value(self) -> dict[str, Any]:
        """Give the schema's `value` object."""
        members = {"amount": self.amount, "minimum": self.minimum, "maximum": self.maximum, "basis": self.basis or None}
        return {k: v for k, v in members.items() if v is not None} | {"currency": self.currency}


def number_of(value: Decimal) -> int | float:
    """Write a decimal as JSON does: whole numbers without a point, save those too large to be read so."""
    return int(value) if value == value.to_integral_value() and abs(value) <= MAX_NUMBER else float(value)


def read_money(text: str) -> Money | None:
    """Read one cell; None where it is no sum of money."""
    rest = " ".join(text.lower().split())
    if len(rest) > LONGEST:
        return None
    if rest in _NIL:
        return Money(amount=0)
    rest, estimated = _without(_ESTIMATE, rest)
    rest, annual = _without(_ANNUAL, rest)
    rest, total = _without(_TOTAL, rest)
    rest, late = _without(_ESTIMATE, rest)
    sum_ = _sum(rest)
    if not sum_:
        return None
    basis = "annual" if annual else "total" if total else ""
    return Money(sum_.amount, sum_.minimum, sum_.maximum, sum_.currency, estimated or late, basis)


def _without(pattern: re.Pattern[str], text: str) -> tuple[str, bool]:
    cut, times = pattern.subn("", text, count=1)
    return cut.strip(), bool(times)


def _sum(text: str) -> Money | None:
    if _SCIENTIFIC.fullmatch(text):
        return Money(amount=number_of(Decimal(text)))
    plain = _plain(text)
    if plain:
        return Money(amount=number_of(plain[0]), currency=plain[1])
    return _span(text) or _open(text) or _below(text)


def _plain(text: str) -> tuple[Decimal, str] | None:
    match = _AMOUNT.fullmatch(text)
    if not match:
        return None
    return _worth(match["num"], match["unit"]), _CURRENCY[match["cur"] or match["end"] or "gbp"]


def _worth(digits: str, unit: str | None) -> Decimal:
    return Decimal(digits.replace(",", "").replace(" ", "")) * _SCALE[unit or ""]


def _below(text: str) -> Money | None:
    match = _NEGATIVE.fullmatch(text)
    if not match:
        return None
    currency = match["out"] or match["cur"] or ""
    inner = currency + (match["in"] or match["lead"] or match["signed"] or match["trail"])
    plain = _plain(inner.strip())
    return Money(amount=number_of(-plain[0]), currency=plain[1]) if plain else None


def _span(text: str) -> Money | None:
    match = _RANGE.fullmatch(text)
    if not match:
        return None
    low, high = _worth(match["num1"], match["unit1"] or match["unit2"]), _worth(match["num2"], match["unit2"])
    currency = _CURRENCY[match["cur1"] or match["cur2"] or match["end1"] or match["end2"] or "gbp"]
    return Money(minimum=number_of(low), maximum=number_of(high), currency=currency) if low <= high else None


def _open(text: str) -> Money | None:
    for pattern, end in ((_MOST, "maximum"), (_LEAST, "minimum")):
        rest, found = _without(pattern, text)
        plain = _plain(rest) if found else None
        if plain:
            return Money(**{end: number_of(plain[0])}, currency=plain[1])  # type: ignore[arg-type]
    return None
