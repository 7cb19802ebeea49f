"""Contracts as the LGA register: its 38 columns verbatim, a row for each contract and supplier (RFC 4180, UTF-8).

What the layout has no column for is left out: the value's basis, several services, notices, lots. What it has is
read back unchanged by exchange/lga.py, but that several codes of ProClass come back as one, and so does a label of a
classification that has no code beside those that have. A contract that would be `_TOGETHER` long says all of itself in
its first row alone, and is not read back as one: its other rows have its reference, its title and their supplier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exchange.cells import guarded
from exchange.columns import encoded
from exchange.lga_columns import HEADER
from exchange.suppliers import written

Cells = list[str]
_AT = {name: place for place, name in enumerate(HEADER)}
_TEXTS = [
    (_AT[name], member)
    for name, member in (
        ("ContractReference", "reference"),
        ("OpenContractingID", "ocid"),
        ("ContractTitle", "title"),
        ("ContractType", "contractType"),
        ("OrganisationalUnit", "department"),
        ("Description", "description"),
        ("ProcessType", "procurementProcess"),
    )
]
_DATES = [
    (_AT[name], member)
    for name, member in (("StartDate", "startDate"), ("EndDate", "endDate"), ("ReviewDate", "reviewDate"))
]
_TOGETHER = 1_000_000
"""Characters. A record of 256 KB with 1,000 suppliers would be 250 MB of rows that say the same."""
_DOCUMENTS = {
    "biddingDocuments": "TenderDocumentURL",
    "contractSigned": "ContractDocumentURL",
    "performanceReport": "PerformanceInformationURL",
}


def write(contracts: Iterable[Mapping[str, Any]]) -> str:
    """Write contracts (the `data` of records) as one CSV text with its header."""
    return b"".join(lines(contracts)).decode()


def lines(contracts: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Write contracts as UTF-8, the header first, many rows at a time."""
    return encoded(HEADER, (row for data in contracts for row in rows(data)))


def rows(data: Mapping[str, Any]) -> list[Cells]:
    """Give the rows of one contract, cells in the order of `HEADER`: one for each supplier, at least one."""
    shared = [""] * len(HEADER)
    for write_part in (_texts, _parties, _money, _classified, _places):
        write_part(shared, data)
    suppliers = [one for one in data.get("suppliers", ()) if isinstance(one, Mapping)]
    again = shared if len(suppliers) * sum(map(len, shared)) <= _TOGETHER else _named(shared)
    written_rows = [shared, *(again.copy() for _ in suppliers[1:])]
    for cells, supplier in zip(written_rows, suppliers, strict=False):
        _supplier(cells, supplier)
    return written_rows


def _named(cells: Cells) -> Cells:
    """Keep only what says which contract it is."""
    kept = {_AT["ContractReference"], _AT["ContractTitle"]}
    return [cell if place in kept else "" for place, cell in enumerate(cells)]


def _put(cells: Cells, name: str, value: Any) -> None:
    """Write a text into its column; anything else is no text, and nothing is written."""
    if isinstance(value, str):
        cells[_AT[name]] = guarded(value)


def _flag(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, "") if isinstance(value, bool) else ""


def _day(value: Any) -> str:
    """Write a date as the Transparency Code does: day, month, year."""
    year, month, day = value.split("-") if isinstance(value, str) and value.count("-") == 2 else ("", "", "")
    return f"{day}/{month}/{year}" if day else ""


def _first(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found[0] if isinstance(found, list) and found and isinstance(found[0], Mapping) else {}


def _texts(cells: Cells, data: Mapping[str, Any]) -> None:
    for place, member in _TEXTS:
        value = data.get(member)
        if isinstance(value, str):
            cells[place] = guarded(value)
    for place, member in _DATES:
        cells[place] = _day(data.get(member))
    latest = _day(data.get("maxExtensionDate"))
    if latest:
        cells[_AT["LastExtensionDate"]] = latest
    else:
        _put(cells, "LastExtensionDate", data.get("extensionPeriod"))


def _parties(cells: Cells, data: Mapping[str, Any]) -> None:
    buyer, contact, area = _first(data, "buyers"), data.get("contact", {}), data.get("areaServed", {})
    _put(cells, "OrganisationLabel", buyer.get("name"))
    _put(cells, "OrganisationURI", buyer.get("url"))
    for member in ("Name", "Email", "URL") if contact else ():
        _put(cells, f"Contact{member}", contact.get(member.lower()))
    _put(cells, "AreaServedLabel", area.get("label"))
    _put(cells, "AreaServedURI", area.get("uri"))


def _money(cells: Cells, data: Mapping[str, Any]) -> None:
    value = data.get("value", {})
    text, currency = _number(value.get("amount")), value.get("currency", "GBP")
    if not text:
        low, high = _number(value.get("minimum")), _number(value.get("maximum"))
        text = f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}" if high else ""
    cells[_AT["ContractValue"]] = f"{text} {currency}" if text and currency != "GBP" else text
    cells[_AT["FixedCost"]] = _flag(data.get("fixedCost"))
    cells[_AT["IrrecoverableVAT"]] = _number(data.get("irrecoverableVat"))


def _number(value: Any) -> str:
    """Write a number without an exponent; numbers are never guarded."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.10f}".rstrip("0").rstrip(".")


def _classified(cells: Cells, data: Mapping[str, Any]) -> None:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in data.get("classifications", ()):
        found.setdefault(str(one.get("scheme")), []).append(one)
    if "local" in found:
        own = found["local"][0]
        _put(cells, "ProcurementCategory", own.get("description") or own.get("id"))
    for scheme in ("CPV", "Proclass"):
        if scheme in found:
            codes = [str(one["id"]) for one in found[scheme] if "id" in one]
            labels = [str(one.get("description", "")) for one in found[scheme]]
            each = any(labels) and len(codes) == len(labels)  # an empty label keeps the others at their codes
            _put(cells, f"{scheme}Code", "; ".join(codes))
            _put(cells, f"{scheme}Label", "; ".join(labels if each else filter(None, labels)))


def _places(cells: Cells, data: Mapping[str, Any]) -> None:
    services = data.get("services", ())
    if services:
        _put(cells, "ServiceCategoryURI", services[0])
    local = data.get("local")  # no member of the schema: it may be anything
    _put(cells, "ServiceCategoryLabel", local.get("ServiceCategoryLabel") if isinstance(local, Mapping) else None)
    named: set[str] = set()
    for document in data.get("documents", ()):
        name = _DOCUMENTS.get(str(document.get("documentType")))
        if name and name not in named:
            named.add(name)
            _put(cells, name, document.get("url"))


def _supplier(cells: Cells, supplier: Mapping[str, Any]) -> None:
    company, charity, other = written(supplier.get("identifiers", []))
    _put(cells, "SupplierName", supplier.get("name"))
    _put(cells, "CompaniesHouseRegistrationNumber", company)
    _put(cells, "CharityCommissionNumber", charity)
    _put(cells, "OtherSupplierID", other)
    cells[_AT["SMESupplier"]] = _flag(supplier.get("sme"))
    cells[_AT["VCSESupplier"]] = _flag(supplier.get("vcse"))
    _put(cells, "VCSESupplierType", supplier.get("vcseType"))
