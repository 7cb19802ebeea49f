"""One row of the LGA layout: its fields become the members of a contract, part by part."""

from __future__ import annotations

from typing import Any

from exchange.drafts import Draft, RowReader
from exchange.extras import Extras
from exchange.lga_parties import buyer, contact, supplier
from exchange.lga_terms import classified, dated, valued
from exchange.lga_words import official, url_of

_LINES = {
    "OpenContractingID": "ocid",
    "OrganisationalUnit": "department",
    "ContractType": "contractType",
    "ProcessType": "procurementProcess",
}
DOCUMENTS = {
    "TenderDocumentURL": "biddingDocuments",
    "ContractDocumentURL": "contractSigned",
    "PerformanceInformationURL": "performanceReport",
}


def read_row(reader: RowReader, extras: Extras) -> Draft:
    """Read a row whole. Each part reads fields of its own; the members stand in the order of the parts."""
    data = reader.draft.data
    reader.draft.reference = reader.line("ContractReference", "/reference")
    title = reader.title("/title", "ContractTitle")
    if title:
        data["title"] = title
    labels(reader, data)
    description = reader.text("Description", "/description")
    if description:
        data["description"] = description
    for part in (buyer, services, classified, dated, valued, contact, documents, area, supplier, category, extras.keep):
        part(reader, data)
    return reader.draft


def labels(reader: RowReader, data: dict[str, Any]) -> None:
    """Read the texts that are members by themselves."""
    for name, member in _LINES.items():
        text = reader.line(name, f"/{member}")
        if text:
            data[member] = official(text) if name in {"ContractType", "ProcessType"} else text


def services(reader: RowReader, data: dict[str, Any]) -> None:
    """Read the service that it is for."""
    uri = url_of(reader, "ServiceCategoryURI", "/services/0")
    if uri:
        data["services"] = [uri]


def category(reader: RowReader, data: dict[str, Any]) -> None:
    """Keep the name of the service, for which a contract has no member."""
    label = reader.line("ServiceCategoryLabel", "/local/ServiceCategoryLabel")
    if label:
        data.setdefault("local", {})["ServiceCategoryLabel"] = label


def documents(reader: RowReader, data: dict[str, Any]) -> None:
    """Read where its documents stand."""
    for name, kind in DOCUMENTS.items():
        url = url_of(reader, name, f"/documents/{len(data.get('documents', ()))}/url")
        if url:
            data.setdefault("documents", []).append({"documentType": kind, "url": url})


def area(reader: RowReader, data: dict[str, Any]) -> None:
    """Read the area that it is for."""
    area = {
        "label": reader.line("AreaServedLabel", "/areaServed/label"),
        "uri": url_of(reader, "AreaServedURI", "/areaServed/uri"),
    }
    if any(area.values()):
        data["areaServed"] = {name: text for name, text in area.items() if text}
