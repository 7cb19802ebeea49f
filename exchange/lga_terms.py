"""What a contract of the LGA layout is about: classifications, dates, value."""

from __future__ import annotations

import re
from typing import Any

from exchange.cells import bare
from exchange.drafts import RowReader
from exchange.money import read_money
from exchange.suppliers import read_flag

DATES = {
    "StartDate": "startDate",
    "EndDate": "endDate",
    "ReviewDate": "reviewDate",
    "LastExtensionDate": "maxExtensionDate",
}
_LAST = "LastExtensionDate"
LONGEST_PERIOD = 200
_PERIOD = re.compile(
    r"(?=.*(?:\d|one|two|three|four|five|six|twelve)).*\b(?:\d+ ?)?(?:years?|yrs?|y|months?|mths?|m|weeks?|days?)\b.*"
    r"|\d{1,2}(?: ?[+x] ?\d{1,2})+|P\d+[YMWD].*",
    re.IGNORECASE,
)
_PARTED = re.compile(r";(?: |$)")
_CPV = re.compile(r"(\d{7,8})(?:-\d)?")


def classified(reader: RowReader, data: dict[str, Any]) -> None:
    """Read the council's own category, CPV and ProClass."""
    found: list[dict[str, str]] = []
    own = reader.line("ProcurementCategory", "/classifications/0/description")
    if own:
        found.append({"scheme": "local", "description": own})
    for scheme, code_field, label_field in (
        ("CPV", "CPVCode", "CPVLabel"),
        ("Proclass", "ProclassCode", "ProclassLabel"),
    ):
        at = f"/classifications/{len(found)}"
        codes = _codes(reader, code_field, scheme, f"{at}/id")
        label = reader.line(label_field, f"{at}/description")
        labels = _PARTED.split(label)
        labels = labels if len(labels) == len(codes) else [label]
        for place in range(max(len(codes), 1 if label else 0)):
            one = {"scheme": scheme}
            if place:
                reader.feed(f"/classifications/{len(found)}/id", code_field)
                reader.feed(f"/classifications/{len(found)}/description", label_field)
            if place < len(codes):
                one["id"] = codes[place]
            if place < len(labels) and labels[place]:
                one["description"] = labels[place]
            found.append(one)
    if found:
        data["classifications"] = found


def _codes(reader: RowReader, name: str, scheme: str, pointer: str) -> list[str]:
    text = reader.line(name, pointer)
    if not text or scheme != "CPV":
        return [text] if text else []
    matches = [_CPV.fullmatch(part) for part in re.split(r"[;,|/\s]+", text) if part]
    if not matches or not all(matches):
        reader.warn(name, "This is not a CPV code; it is left out.", value=text, expected="8 digits", pointer=pointer)
        return []
    return [match[1].zfill(8) for match in matches if match]


def dated(reader: RowReader, data: dict[str, Any]) -> None:
    """Read the dates, and the last extension as a date or a period."""
    for name, member in DATES.items():
        day = reader.date(name, f"/{member}") if name != _LAST else ""
        if day:
            data[member] = day
    if "startDate" in data and data.get("endDate", "9999") < data["startDate"]:
        reader.warn(
            "EndDate", "The end is before the start; both are kept as told.",
            value=data["endDate"], expected=f"a date after {data['startDate']}", pointer="/endDate",
            code="end-before-start",
        )  # fmt: skip
    text = reader.cell(_LAST)
    if text and not reader.columns.day(_LAST, text).day and len(text) <= LONGEST_PERIOD and _PERIOD.fullmatch(text):
        data["extensionPeriod"] = reader.line(_LAST, "/extensionPeriod")
    elif text:
        day = reader.date(_LAST, "/maxExtensionDate")
        data |= {"maxExtensionDate": day} if day else {}


def valued(reader: RowReader, data: dict[str, Any]) -> None:
    """Read the value, whether it is fixed, and the irrecoverable VAT."""
    text = reader.cell("ContractValue")
    money = read_money(text) if text else None
    if money:
        reader.feed("/value", "ContractValue")
        data["value"] = money.as_value()
        if money.estimated:
            data["fixedCost"] = False
        if money.negative:
            reader.warn("ContractValue", "The value is negative; it is kept as told.", value=text, expected="0 or more",
                        pointer="/value/amount", code="negative")  # fmt: skip
    elif text:
        reader.warn("ContractValue", "This is not a sum of money; it is left out.", value=text, pointer="/value",
                    expected="a sum such as 1234.50", code="money")  # fmt: skip
    _fixed(reader, data)
    vat = reader.cell("IrrecoverableVAT")
    sum_ = read_money(vat) if vat else None
    if sum_ and sum_.amount is not None and sum_.currency == "GBP":
        reader.feed("/irrecoverableVat", "IrrecoverableVAT")
        data["irrecoverableVat"] = sum_.amount
    elif vat:
        reader.warn("IrrecoverableVAT", "This is not a sum of money; it is left out.", value=vat,
                    expected="a sum such as 0.00", pointer="/irrecoverableVat", code="money")  # fmt: skip


def _fixed(reader: RowReader, data: dict[str, Any]) -> None:
    text = reader.cell("FixedCost")
    if not text:
        return
    word = bare(text)
    fixed = False if word.startswith("estimat") else True if word.startswith("fixed") else read_flag(text)
    if fixed is None:
        reader.warn("FixedCost", "This says neither fixed nor estimated; it is left out.", value=text,
                    expected="Fixed or Estimated", pointer="/fixedCost", code="flag")  # fmt: skip
    else:
        reader.feed("/fixedCost", "FixedCost")
        data["fixedCost"] = fixed
