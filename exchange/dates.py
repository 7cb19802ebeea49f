"""Dates as councils write them, read by the evidence of the whole column (protocol section 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

Order = Literal["day", "month", "mixed"]

MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"), 1)
    for name in names.split()
}  # fmt: skip
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
_SERIAL_ZERO = date(1899, 12, 30)
LONGEST = 60
_SURE = 0.95
_OUT = "it is left out."
_NO_DATE = f"This is not a date; {_OUT}"

_TIME = (
    r"(?:[T ,]+(?P<h>\d{1,2}):(?P<min>\d{2})(?::(?P<s>\d{2})(?:[.,]\d+)?)?"
    r" ?(?:am|pm)?(?P<z>Z|[+-]00:?00)?(?:[+-]\d{2}:?\d{2})?)?"
)
_DAY_NAME = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[, ]+)?"
_ISO = re.compile(rf"(?P<y>\d{{4}})([-/.])(?P<m>\d{{1,2}})\2(?P<d>\d{{1,2}}){_TIME}", re.IGNORECASE)
_NUMERIC = re.compile(
    rf"{_DAY_NAME}(?P<a>\d{{1,2}})([-/. ])(?P<b>\d{{1,2}})\2(?P<y>\d{{4}}|\d{{2}}){_TIME}", re.IGNORECASE
)
_NAMED = re.compile(
    rf"{_DAY_NAME}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)?[-/., ]*(?P<m>[a-z]{{3,9}})\.?[-/,' ]*"
    rf"(?P<y>\d{{4}}|\d{{2}}){_TIME}",
    re.IGNORECASE,
)
_AMERICAN = re.compile(
    rf"{_DAY_NAME}(?P<m>[a-z]{{3,9}})\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}}){_TIME}", re.IGNORECASE
)
_COMPACT = re.compile(r"(?P<y>19\d{2}|20\d{2})(?P<m>\d{2})(?P<d>\d{2})")
_SERIAL = re.compile(r"(\d{5,6})(?:\.\d+)?")


def _made(year: str, month: int, day: int) -> date | None:
    number = int(year)
    if len(year) == 2:
        number += 2000 if number <= 69 else 1900
    try:
        made = date(number, month, day)
    except ValueError:
        return None
    return made if EARLIEST <= made <= LATEST else None


def _summer(day: date) -> bool:
    """Tell whether London's clocks are an hour ahead on the night that follows this day."""
    last = [date(day.year, month, 31) for month in (3, 10)]
    begin, end = (d - timedelta(days=(d.weekday() + 1) % 7) for d in last)
    return begin <= day < end


def _local(day: date | None, match: re.Match[str]) -> date | None:
    """Give the day in London: exactly 23:00 UTC in summer is midnight, the start of the next day."""
    if day and match["z"] and match["h"] == "23" and int(match["min"]) == 0 == int(match["s"] or 0) and _summer(day):
        return day + timedelta(days=1)
    return day


def _worded(text: str) -> date | None:
    """Read what no order of day and month can change: ISO, named months, eight digits."""
    match = _ISO.fullmatch(text)
    if match:
        return _local(_made(match["y"], int(match["m"]), int(match["d"])), match)
    match = _NAMED.fullmatch(text) or _AMERICAN.fullmatch(text)
    if match:
        month = MONTHS.get(match["m"].lower())
        return _local(_made(match["y"], month, int(match["d"])), match) if month else None
    match = _COMPACT.fullmatch(text)
    return _made(match["y"], int(match["m"]), int(match["d"])) if match else None


def _serial(text: str) -> date | None:
    match = _SERIAL.fullmatch(text)
    if not match or not 18_000 <= int(match[1]) <= 109_000:
        return None
    return _SERIAL_ZERO + timedelta(days=int(match[1]))


@dataclass(frozen=True, slots=True)
class Dated:
    """One cell read: `day` or None, and `note` when a person should look at it."""

    day: date | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class DateColumn:
    """How one column writes its dates: whether day or month stands first, and whether numbers are Excel serials."""

    order: Order = "day"
    serials: bool = False
    both: tuple[str, str] = field(default=("", ""), compare=False)
    """Where it writes both orders: a cell that proves the one, and a cell that proves the other."""

    def doubted(self, text: str) -> bool:
        """Whether a cell speaks against a column that writes the day first."""
        _, month, serial = _proof(text[:LONGEST])
        return month or (serial and not self.serials)

    def read(self, text: str) -> Dated:
        """Read one cell, trimmed and not empty."""
        if len(text) > LONGEST:
            return Dated(None, _NO_DATE)
        match = _NUMERIC.fullmatch(text)
        if match:
            return self._numeric(match)
        day = _worded(text)
        if day:
            return Dated(day)
        day = _serial(text) if self.serials else None
        return Dated(day) if day else Dated(None, _NO_DATE)

    def _numeric(self, match: re.Match[str]) -> Dated:
        first, second = int(match["a"]), int(match["b"])
        as_day, as_month = _made(match["y"], second, first), _made(match["y"], first, second)
        if self.order == "mixed" and as_day and as_month and as_day != as_month:
            shown = " and ".join(f"'{cell}'" for cell in self.both)
            return Dated(None, f"Day and month cannot be told apart: this column writes both orders, {shown}; {_OUT}")
        chosen = (as_month or as_day) if self.order == "month" else (as_day or as_month)
        if not chosen:
            return Dated(None, f"There is no such day between 1900 and 2199; {_OUT}")
        odd = self.order != "mixed" and chosen != (as_month if self.order == "month" else as_day)
        return Dated(
            _local(chosen, match), f"Read as {chosen.isoformat()}, against the order of its column." if odd else ""
        )


@lru_cache(maxsize=32_768)
def _proof(text: str) -> tuple[bool, bool, bool]:
    """Tell of one cell whether it proves that the day stands first, that the month does, and whether it is a serial."""
    match = _NUMERIC.fullmatch(text)
    if match:
        first, second = int(match["a"]), int(match["b"])
        return 31 >= first > 12 >= second > 0, 31 >= second > 12 >= first > 0, False
    return False, False, _serial(text) is not None


class DateJudge:
    """Hears the non-empty cells of a column, and judges: day first unless the column proves otherwise.

    A proof is a date that can be read in one order only. Where 95 % of the proofs agree, the rest are slips.
    Numbers are Excel serials in a workbook, or where at least half of the column's cells are such numbers.
    """

    def __init__(self, *, workbook: bool = False) -> None:
        self._workbook = workbook
        self._day = self._month = self._serial = self._total = 0
        self._last = {"day": "", "month": ""}

    def hear(self, text: str) -> None:
        """Take one cell into account."""
        day, month, serial = _proof(text[:LONGEST])
        self._day += day
        self._month += month
        self._serial += serial
        self._total += 1
        if day or month:
            self._last["day" if day else "month"] = text[:LONGEST]

    def verdict(self) -> DateColumn:
        """Say how the column writes its dates."""
        order: Order = "day"
        if self._month and self._month >= _SURE * (self._day + self._month):
            order = "month"
        elif self._day < _SURE * (self._day + self._month):
            order = "mixed"
        serials = self._workbook or (self._serial > 0 and self._serial * 2 >= self._total)
        return DateColumn(order, serials=serials, both=(self._last["day"], self._last["month"]))


def judge_dates(cells: Iterable[str], *, workbook: bool = False) -> DateColumn:
    """Judge a column by its non-empty cells, as `DateJudge` does."""
    judge = DateJudge(workbook=workbook)
    for text in cells:
        judge.hear(text)
    return judge.verdict()
