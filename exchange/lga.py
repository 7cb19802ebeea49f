"""The contracts register in the LGA layout, read row by row; `exchange/lga_export.py` writes it.

The columns: exchange/lga_columns.py; the members they become: below. A column that is not one of the 38 is
told of once and its cells are kept under `local`, unless they look personal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exchange.drafts import Columns, Draft, Problems, PublisherFacts, RowReader, Table, placed
from exchange.extras import Extras
from exchange.lga_columns import COLUMNS, HEADER, NAMES
from exchange.lga_parties import buyer, contact, supplier
from exchange.lga_terms import classified, dated, valued
from exchange.lga_words import official, url_of

__all__ = ["COLUMNS", "HEADER", "read", "score"]

_LINES = {
    "OpenContractingID": "ocid",
    "OrganisationalUnit": "department",
    "ContractType": "contractType",
    "ProcessType": "procurementProcess",
}
_DOCUMENTS = {
    "TenderDocumentURL": "biddingDocuments",
    "ContractDocumentURL": "contractSigned",
    "PerformanceInformationURL": "performanceReport",
}


def score(header: Sequence[str]) -> int:
    """Count the columns of the layout in a header; 0 where a title is not among them."""
    places = placed(header, NAMES)
    return len(places) if "ContractTitle" in places else 0


def read(table: Table, publisher: PublisherFacts, problems: Problems) -> list[Draft]:
    """Read every row of a register."""
    columns = Columns(table, placed(table.header, NAMES))
    extras = Extras(table, {place for places in columns.places.values() for place in places}, problems)
    return [_row(RowReader(columns, row, problems, publisher), extras) for row in table.rows]


def _row(reader: RowReader, extras: Extras) -> Draft:
    data = reader.draft.data
    reader.draft.reference = reader.line("ContractReference", "/reference")
    title = reader.title("/title", "ContractTitle")
    if title:
        data["title"] = title
    for name, member in _LINES.items():
        text = reader.line(name, f"/{member}")
        if text:
            data[member] = official(text) if name in {"ContractType", "ProcessType"} else text
    description = reader.text("Description", "/description")
    if description:
        data["description"] = description
    for part in (buyer, _services, classified, dated, valued, contact, _documents, _area, supplier, extras.keep):
        part(reader, data)
    return reader.draft


def _services(reader: RowReader, data: dict[str, Any]) -> None:
    uri = url_of(reader, "ServiceCategoryURI", "/services/0")
    if uri:
        data["services"] = [uri]
    label = reader.line("ServiceCategoryLabel", "/local/ServiceCategoryLabel")
    if label:
        data.setdefault("local", {})["ServiceCategoryLabel"] = label


def _documents(reader: RowReader, data: dict[str, Any]) -> None:
    for name, kind in _DOCUMENTS.items():
        url = url_of(reader, name, f"/documents/{len(data.get('documents', ()))}/url")
        if url:
            data.setdefault("documents", []).append({"documentType": kind, "url": url})


def _area(reader: RowReader, data: dict[str, Any]) -> None:
    area = {
        "label": reader.line("AreaServedLabel", "/areaServed/label"),
        "uri": url_of(reader, "AreaServedURI", "/areaServed/uri"),
    }
    if any(area.values()):
        data["areaServed"] = {name: text for name, text in area.items() if text}
