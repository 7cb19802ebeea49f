"""Notices as Contracts Finder writes them: 69 slash-path columns (a flattened OCDS release), or columns in words.

One record for each award, else for the tender (protocol section 7). A tender period is not the contract's period.
Addresses, and what only describes the publication itself, are not part of a contract: told of once a column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from exchange.cells import heading
from exchange.drafts import Draft, Problems, PublisherFacts, RowReader
from exchange.lga_parties import contact
from exchange.lga_words import url_of
from exchange.money import read_money
from exchange.suppliers import identifier
from exchange.table import Columns, Table, placed

_RELEASE = {
    "uri": "notice.url", "publishedDate": "notice.date", "ocid": "ocid", "tender/id": "tender.id",
    "tender/title": "tender.title", "tender/description": "tender.description", "tender/status": "tender.status",
    "tender/value/amount": "tender.value", "tender/value/currency": "tender.currency", "buyer/name": "buyer.name",
    "buyer/identifier/scheme": "buyer.scheme", "buyer/identifier/id": "buyer.id",
    "buyer/contactPoint/name": "ContactName", "buyer/contactPoint/email": "ContactEmail",
    "buyer/contactPoint/uri": "ContactURL",
}  # fmt: skip
_AWARD = {
    "title": "title", "description": "description", "date": "date", "value/amount": "value",
    "value/currency": "currency", "contractPeriod/startDate": "start", "contractPeriod/endDate": "end",
}  # fmt: skip
_NOTICE = {
    "Notice ID": "tender.id", "Published Date": "notice.date", "Buyer Name": "buyer.name",
    "Buyer ID-scheme": "buyer.scheme", "Buyer ID": "buyer.id", "Supplier Name": "award0.supplier0.name",
    "Supplier ID-scheme": "award0.supplier0.scheme", "Supplier ID": "award0.supplier0.id",
    "Date Contract Awarded": "award0.date", "Contract Start Date": "award0.start", "Contract End Date": "award0.end",
    "Award Title": "award0.title", "Award Description": "award0.description", "Award Documents URL": "document.url",
    "Classification Scheme": "item0.scheme", "Classification Code": "item0.id",
    "Classification Description": "item0.description", "Award Value": "award0.value",
    "Award Value - currency": "award0.currency", "Tender Title": "tender.title",
    "Tender Description": "tender.description", "Tender Value": "tender.value",
    "Tender Value-currency": "tender.currency",
}  # fmt: skip
_NOTICES = {heading(title): name for title, name in _NOTICE.items()}
_PLACE = r"(0|[1-9][0-9]{0,3})"
_SUPPLIER = re.compile(rf"suppliers/{_PLACE}/(?:identifier/(scheme|id)|(name))")
_ITEM = re.compile(rf"tender/items/{_PLACE}/classification/(scheme|id|description)")
_CPV = re.compile(r"(\d{8})(?:-\d)?")
_OPEN = frozenset({"active", "planned", "planning"})
_SEE_TENDER = heading("See description of related tender")
_OVERRULED = "What the award says stands; what this column says is left out"
_UNUSED = "Not part of a contract's record: the cells are left out."


def _field(title: str) -> str:
    """Name the field of a slash-path column, "" where it has none."""
    path = re.sub(r"^releases/\d+/", "", title.strip())
    award, _, rest = path.removeprefix("awards/").partition("/")
    if path.startswith("awards/") and re.fullmatch(_PLACE, award):
        found = _SUPPLIER.fullmatch(rest)
        name = f"supplier{found[1]}.{found[2] or found[3]}" if found else _AWARD.get(rest)
        return f"award{award}.{name}" if name else ""
    item = _ITEM.fullmatch(path)
    return f"item{item[1]}.{item[2]}" if item else _RELEASE.get(path, "")


def score_releases(header: Sequence[str]) -> int:
    """Count the slash-path columns that mean something to a contract."""
    if not any(title.strip().startswith("releases/") for title in header):
        return 0
    return len({name for title in header if (name := _field(title))})


def score_notices(header: Sequence[str]) -> int:
    """Count the columns of the layout in words; 0 without a notice's number and title."""
    found = placed(header, _NOTICES)
    titled = found.keys() & {"award0.title", "tender.title"}
    return len(found) if titled and "tender.id" in found else 0


def read_releases(table: Table, publisher: PublisherFacts, problems: Problems) -> list[Draft]:
    """Read rows of flattened releases."""
    places: dict[str, list[int]] = {}
    for place, title in enumerate(table.header):
        name = _field(title)
        if name:
            places.setdefault(name, []).append(place)
    return _read(table, places, publisher, problems)


def read_notices(table: Table, publisher: PublisherFacts, problems: Problems) -> list[Draft]:
    """Read rows of notices in words."""
    return _read(table, placed(table.header, _NOTICES), publisher, problems)


def _read(
    table: Table, places: Mapping[str, Sequence[int]], publisher: PublisherFacts, problems: Problems
) -> list[Draft]:
    columns = Columns(table, places)
    known = {place for found in places.values() for place in found}
    for place in sorted(set(range(len(table.header))) - known):
        if any(place < len(row.cells) and row.cells[place].strip() for row in table.rows):
            problems.tell(table.header_row, table.column(place), _UNUSED, code="unused-column")
    drafts: list[Draft] = []
    passed_over: Counter[str] = Counter()
    for row in table.rows:
        reader = RowReader(columns, row, problems, publisher)
        readers = {f"award{n}": RowReader(columns, row, problems, publisher) for n in _groups(reader, "award")}
        readers = readers or {"": reader}
        drafts += [_record(one, award) for award, one in readers.items()]
        passed_over.update(_filled(reader) - set().union(*(one.asked for one in readers.values())))
    for name, count in sorted(passed_over.items()):
        problems.tell(table.header_row, columns.header(name), f"{_OVERRULED} ({count} cells).", code="overruled")
    return drafts


def _filled(reader: RowReader) -> set[str]:
    """Name the fields of which this row says something."""
    cells = reader.row.cells
    return {n for n, found in reader.columns.places.items() if any(p < len(cells) and cells[p].strip() for p in found)}


def _groups(reader: RowReader, prefix: str) -> list[int]:
    """Give the numbers of the awards (suppliers, items) of which this row says something."""
    found = (re.match(rf"{re.escape(prefix)}(\d+)\.", name) for name in _filled(reader))
    return sorted({int(match[1]) for match in found if match})


def _record(reader: RowReader, award: str) -> Draft:
    data = reader.draft.data
    ocid = reader.line("ocid", "/ocid")
    reader.draft.reference = reader.line("tender.id", "/reference") or ocid
    title = reader.title("/title", *([f"{award}.title"] if award else []), "tender.title")
    if title:
        data["title"] = title
    _described(reader, data, award)
    if ocid:
        data["ocid"] = ocid
    _buyer(reader, data)
    if award:
        _awarded(reader, data, award)
    else:
        _tendered(reader, data)
    _valued(reader, data, award or "tender")
    _classified(reader, data)
    _published(reader, data, ocid)
    contact(reader, data)
    return reader.draft


def _described(reader: RowReader, data: dict[str, Any], award: str) -> None:
    own = reader.text(f"{award}.description", "/description") if award else ""
    text = own if own and heading(own) != _SEE_TENDER else reader.text("tender.description", "/description")
    if text:
        data["description"] = text


def _buyer(reader: RowReader, data: dict[str, Any]) -> None:
    buyer: dict[str, Any] = {}
    name = reader.line("buyer.name", "/buyers/0/name")
    if name:
        buyer["name"] = name
    number = _number(reader, "buyer", "/buyers/0/identifiers/0")
    if number:
        buyer["identifiers"] = [number]
    if buyer:
        data["buyers"] = [buyer]


def _number(reader: RowReader, who: str, pointer: str) -> dict[str, str] | None:
    scheme, number = reader.line(f"{who}.scheme", f"{pointer}/scheme"), reader.line(f"{who}.id", f"{pointer}/id")
    found = identifier(scheme, number) if scheme and number else None
    if not found and (scheme or number):
        reader.warn(
            f"{who}.id" if number else f"{who}.scheme", "This is no identifier with its scheme; it is left out.",
            value=f"{scheme} {number}".strip(), expected="a scheme such as GB-COH and a number of it",
            pointer=pointer, code="identifier",
        )  # fmt: skip
    return found


def _awarded(reader: RowReader, data: dict[str, Any], award: str) -> None:
    suppliers: list[dict[str, Any]] = []
    for number in _groups(reader, f"{award}.supplier"):
        at, who = f"/suppliers/{len(suppliers)}", f"{award}.supplier{number}"
        supplier: dict[str, Any] = {}
        name = reader.line(f"{who}.name", f"{at}/name")
        if name:
            supplier["name"] = name
        found = _number(reader, who, f"{at}/identifiers/0")
        if found:
            supplier["identifiers"] = [found]
        if supplier:
            suppliers.append(supplier)
    if suppliers:
        data["suppliers"] = suppliers
    for name, member in (("date", "dateAwarded"), ("start", "startDate"), ("end", "endDate")):
        day = reader.date(f"{award}.{name}", f"/{member}")
        if day:
            data[member] = day


def _tendered(reader: RowReader, data: dict[str, Any]) -> None:
    status = reader.line("tender.status", "/tenderStatus")
    if status:
        data["tenderStatus"] = status
    if not status or heading(status) in _OPEN:
        data["stage"] = "pipeline" if status and heading(status) != "active" else "tender"


def _valued(reader: RowReader, data: dict[str, Any], who: str) -> None:
    text, currency = reader.cell(f"{who}.value"), reader.cell(f"{who}.currency")
    money = read_money(text) if text else None
    if text and not money:
        reader.warn(f"{who}.value", "This is not a sum of money; it is left out.", value=text,
                    expected="a sum such as 1234.50", pointer="/value", code="money")  # fmt: skip
    if not money:
        return
    reader.feed("/value", f"{who}.value")
    data["value"] = money.as_value()
    if currency:
        reader.feed("/value/currency", f"{who}.currency")
        data["value"]["currency"] = currency
    if money.negative:
        reader.warn(f"{who}.value", "The value is negative; it is kept as told.", value=text, expected="0 or more",
                    pointer="/value/amount", code="negative")  # fmt: skip


def _classified(reader: RowReader, data: dict[str, Any]) -> None:
    found: list[dict[str, str]] = []
    for number in _groups(reader, "item"):
        at = f"/classifications/{len(found)}"
        scheme = reader.line(f"item{number}.scheme", f"{at}/scheme")
        code = reader.line(f"item{number}.id", f"{at}/id")
        label = reader.line(f"item{number}.description", f"{at}/description")
        match = _CPV.fullmatch(code)
        if heading(scheme) == "cpv" and match:
            one = {"scheme": "CPV", "id": match[1]}
        elif code or label:
            one = {"scheme": "local"} | ({"id": f"{scheme} {code}".strip()} if code else {})
        else:
            continue
        found.append(one | ({"description": label} if label else {}))
    if found:
        data["classifications"] = found


def _published(reader: RowReader, data: dict[str, Any], ocid: str) -> None:
    url, day = url_of(reader, "notice.url", "/notices/0/url"), reader.date("notice.date", "/notices/0/date")
    notice = {name: value for name, value in (("ocid", ocid), ("url", url), ("date", day)) if value}
    if url or day:
        data["notices"] = [notice]
    document = url_of(reader, "document.url", "/documents/0/url")
    if document:
        data["documents"] = [{"documentType": "awardNotice", "url": document}]
