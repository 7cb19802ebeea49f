"""Contracts as the LGA register: its 38 columns verbatim, a row for each contract and supplier (RFC 4180, UTF-8).

What the layout has no column for is left out: the value's basis, several services, notices, lots. What it has is
read back unchanged by exchange/lga.py.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exchange.cells import guarded
from exchange.lga_columns import HEADER
from exchange.suppliers import written

_TEXTS = {
    "ContractReference": "reference",
    "OpenContractingID": "ocid",
    "ContractTitle": "title",
    "ContractType": "contractType",
    "OrganisationalUnit": "department",
    "Description": "description",
    "ProcessType": "procurementProcess",
}
_DATES = {"StartDate": "startDate", "EndDate": "endDate", "ReviewDate": "reviewDate"}
_DOCUMENTS = {
    "biddingDocuments": "TenderDocumentURL",
    "contractSigned": "ContractDocumentURL",
    "performanceReport": "PerformanceInformationURL",
}


def write(contracts: Iterable[Mapping[str, Any]]) -> str:
    """Write contracts (the `data` of records) as one CSV text with its header."""
    return "".join(lines(contracts))


def lines(contracts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Write contracts a row at a time, the header first; each with its line end."""
    yield _line(HEADER)
    for data in contracts:
        for row in rows(data):
            yield _line(row)


def rows(data: Mapping[str, Any]) -> list[list[str]]:
    """Give the rows of one contract, cells in the order of `HEADER`: one for each supplier, at least one."""
    shared = _texts(data) | _money(data) | _classified(data) | _places(data)
    suppliers = [one for one in data.get("suppliers", ()) if isinstance(one, Mapping)]
    return [_row(shared | _supplier(supplier)) for supplier in suppliers or [{}]]


def _row(cells: Mapping[str, str]) -> list[str]:
    return [cells.get(name, "") for name in HEADER]


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()


def _text(value: Any) -> str:
    return guarded(value) if isinstance(value, str) else ""


def _flag(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, "") if isinstance(value, bool) else ""


def _day(value: Any) -> str:
    """Write a date as the Transparency Code does: day, month, year."""
    year, month, day = value.split("-") if isinstance(value, str) and value.count("-") == 2 else ("", "", "")
    return f"{day}/{month}/{year}" if day else ""


def _first(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found[0] if isinstance(found, list) and found and isinstance(found[0], Mapping) else {}


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    cells = {name: _text(data.get(member)) for name, member in _TEXTS.items()}
    cells |= {name: _day(data.get(member)) for name, member in _DATES.items()}
    latest = _day(data.get("maxExtensionDate"))
    cells["LastExtensionDate"] = latest or _text(data.get("extensionPeriod"))
    buyer, contact, area = _first(data, "buyers"), data.get("contact", {}), data.get("areaServed", {})
    cells |= {"OrganisationLabel": _text(buyer.get("name")), "OrganisationURI": _text(buyer.get("url"))}
    cells |= {f"Contact{member}": _text(contact.get(member.lower())) for member in ("Name", "Email", "URL")}
    cells |= {"AreaServedLabel": _text(area.get("label")), "AreaServedURI": _text(area.get("uri"))}
    return cells


def _money(data: Mapping[str, Any]) -> dict[str, str]:
    value = data.get("value", {})
    low, high, currency = _number(value.get("minimum")), _number(value.get("maximum")), value.get("currency", "GBP")
    text = _number(value.get("amount"))
    if not text and low and high:
        text = f"{low} to {high}"
    elif not text:
        text = f"from {low}" if low else f"up to {high}" if high else ""
    return {
        "ContractValue": f"{text} {currency}" if text and currency != "GBP" else text,
        "FixedCost": _flag(data.get("fixedCost")),
        "IrrecoverableVAT": _number(data.get("irrecoverableVat")),
    }


def _number(value: Any) -> str:
    """Write a number without an exponent; numbers are never guarded."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.10f}".rstrip("0").rstrip(".")


def _classified(data: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in data.get("classifications", ()):
        found.setdefault(str(one.get("scheme")), []).append(one)
    own = found.get("local", [{}])[0]
    cells = {"ProcurementCategory": _text(own.get("description") or own.get("id"))}
    for scheme in ("CPV", "Proclass"):
        codes = [str(one["id"]) for one in found.get(scheme, ()) if "id" in one]
        labels = [str(one["description"]) for one in found.get(scheme, ()) if "description" in one]
        cells |= {f"{scheme}Code": guarded("; ".join(codes)), f"{scheme}Label": guarded("; ".join(labels))}
    return cells


def _places(data: Mapping[str, Any]) -> dict[str, str]:
    services = data.get("services", ())
    cells = {"ServiceCategoryURI": _text(services[0]) if services else ""}
    cells["ServiceCategoryLabel"] = _text(data.get("local", {}).get("ServiceCategoryLabel"))
    for document in data.get("documents", ()):
        name = _DOCUMENTS.get(str(document.get("documentType")))
        if name:
            cells.setdefault(name, _text(document.get("url")))
    return cells


def _supplier(supplier: Mapping[str, Any]) -> dict[str, str]:
    company, charity, other = written(supplier.get("identifiers", []))
    return {
        "SupplierName": _text(supplier.get("name")),
        "CompaniesHouseRegistrationNumber": guarded(company),
        "CharityCommissionNumber": guarded(charity),
        "OtherSupplierID": guarded(other),
        "SMESupplier": _flag(supplier.get("sme")),
        "VCSESupplier": _flag(supplier.get("vcse")),
        "VCSESupplierType": _text(supplier.get("vcseType")),
    }
