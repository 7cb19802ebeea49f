"""Rows of the LGA layout that hold nothing odd, made into JSON piece by piece; the others are left to `read_row`.

A register says the same few things over and over. So the fields that belong together (a supplier, a contact, a date)
are read by the layout's own functions and checked by the schema once for each combination of their cells. Only what
differs in every row (reference, title, description, sum, addresses of documents) is read each time, and only in its
plain form. Whatever a person should be told of makes the row odd. A property test holds the two ways together.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from exchange.checking import Ready
from exchange.drafts import PublisherFacts
from exchange.extras import Extras
from exchange.identity import derived_reference
from exchange.lga_parties import buyer, contact, supplier
from exchange.lga_row import DOCUMENTS, area, category, documents, labels, services
from exchange.lga_terms import DATES, classified, dated, valued
from exchange.pieces import ODD, Addresses, Day, Group, Joined, Part, Step, Sum, Text, plain_text, quick
from exchange.table import Columns
from exchange.tabular import Row
from schema.base import MAX_BYTES, MAX_TEXT, MAX_TITLE
from schema.identifiers import MAX_REFERENCE

_FREE = ("ContractReference", "ContractTitle", "OpenContractingID", "Description", "ContractValue", *DOCUMENTS)
_SUPPLIER = (
    "SupplierName", "CompaniesHouseRegistrationNumber", "CharityCommissionNumber", "OtherSupplierID", "SMESupplier",
    "VCSESupplier", "VCSESupplierType",
)  # fmt: skip
_CLASSES = (("ProcurementCategory",), ("CPVLabel", "CPVCode"), ("ProclassLabel", "ProclassCode"))
_BESIDE = ("FixedCost", "IrrecoverableVAT")


class Swift:
    """Reads the rows of one table. `ready` gives None for a row that is odd in any way."""

    def __init__(self, columns: Columns, extras: Extras, publisher: PublisherFacts) -> None:
        self._columns = columns
        self._publisher = publisher
        self._width = len(columns.table.header)
        self._at = {name: places[0] for name, places in columns.places.items()}
        # Two columns for one of these fields, or for one member of `local`: nothing is plain in such a table.
        self._apt = all(len(columns.places.get(name, ())) < 2 for name in _FREE) and extras.distinct
        steps = list(self._all(extras)) if self._apt else []
        self._steps = quick(step for _, step in steps)
        place = {name: place for place, (name, _) in enumerate(steps)}
        self._start, self._end = place.get("StartDate"), place.get("EndDate")
        self._buyer = place.get("OrganisationLabel", place.get("OrganisationURI"))
        self._buyers: dict[bytes, tuple[str, ...]] = {b"": ()}

    def _all(self, extras: Extras) -> Iterator[tuple[str, Step]]:
        """The steps in the order of `read_row`, each under the field that it begins with."""
        yield from self._text("ContractTitle", "title", MAX_TITLE)
        yield from self._text("OpenContractingID", "ocid", MAX_TITLE)
        yield from self._group(labels, "OrganisationalUnit")
        yield from self._group(labels, "ContractType", "ProcessType")
        yield from self._text("Description", "description", MAX_TEXT, line=False)
        yield from self._group(buyer, "OrganisationLabel", "OrganisationURI")
        yield from self._group(services, "ServiceCategoryURI")
        before, after = b',"classifications":[', b"]"
        inner = slice(len(before), -len(after))
        found = [one for names in _CLASSES for _, one in self._group(classified, *names, inner=inner)]
        if found:
            yield "classifications", Joined(before, found, after)
        for name, member in DATES.items():
            yield from self._day(name, member)
        yield from self._worth()
        yield from self._group(contact, "ContactName", "ContactEmail", "ContactURL")
        for name, step in self._group(documents, *DOCUMENTS):
            yield name, Addresses([(self._at[one], sort) for one, sort in DOCUMENTS.items() if one in self._at], step)
        yield from self._group(area, "AreaServedLabel", "AreaServedURI")
        yield from self._group(supplier, *_SUPPLIER)
        yield from self._local(extras)

    def _local(self, extras: Extras) -> Iterator[tuple[str, Step]]:
        before, after = b',"local":{', b"}"
        inner = slice(len(before), -len(after))
        found = [one for _, one in self._group(category, "ServiceCategoryLabel", inner=inner)]
        found += [Group(extras.keep, [place], self._columns, self._publisher, inner) for place in extras.columns]
        if found:
            yield "local", Joined(before, found, after)

    def _text(self, name: str, member: str, longest: int, *, line: bool = True) -> Iterator[tuple[str, Step]]:
        if name in self._at:
            yield name, Text(member, self._at[name], longest, line=line)

    def _group(self, part: Part, *names: str, inner: slice = slice(None)) -> Iterator[tuple[str, Step]]:
        places = [place for name in names for place in self._columns.places.get(name, ())]
        if places:
            yield names[0], Group(part, places, self._columns, self._publisher, inner)

    def _day(self, name: str, member: str) -> Iterator[tuple[str, Step]]:
        for _, step in self._group(dated, name):
            alone = len(self._columns.places[name]) == 1
            yield name, Day(member, name, self._columns, step) if alone else step

    def _worth(self) -> Iterator[tuple[str, Step]]:
        beside = list(self._group(valued, *_BESIDE))
        if "ContractValue" not in self._at:
            yield from beside
            return
        for name, step in self._group(valued, "ContractValue", *_BESIDE):
            yield name, Sum(self._at[name], beside[0][1] if beside else None, step)

    def ready(self, row: Row) -> Ready | None:
        """Make a row ready, as `read_row` and the check of its draft would."""
        cells = row.cells
        if not self._apt or len(cells) != self._width:
            return None
        pieces = []
        for key, known, read in self._steps:
            piece = known(key(cells))
            if piece is None:
                piece = read(cells)
            if piece is ODD:
                return None
            pieces.append(piece)
        if not pieces[0] or self._ends_early(pieces):
            return None
        return self._whole(row, b"".join(pieces), self._named(pieces))

    def _named(self, pieces: list[bytes]) -> tuple[str, ...]:
        piece = pieces[self._buyer] if self._buyer is not None else b""
        found = self._buyers.get(piece)
        if found is None:
            named = orjson.loads(b"{%b}" % piece[1:])["buyers"]
            found = self._buyers[piece] = tuple(one["name"] for one in named if "name" in one)
        return found

    def _ends_early(self, pieces: list[bytes]) -> bool:
        """Whether the end stands before the start, which a person is told of."""
        if self._start is None or self._end is None:
            return False
        start, end = pieces[self._start], pieces[self._end]
        return bool(start) and bool(end) and end[-11:] < start[-11:]

    def _whole(self, row: Row, members: bytes, buyers: tuple[str, ...]) -> Ready | None:
        cell = row.cells[self._at["ContractReference"]] if "ContractReference" in self._at else ""
        given = bool(cell)
        if given:
            reference = plain_text(cell, MAX_REFERENCE, line=True)
            if reference in {"", ".", ".."}:
                return None
        else:
            reference = derived_reference(orjson.loads(b"{%b}" % members[1:]))
        body = b'{"reference":%b%b}' % (orjson.dumps(reference), members)
        if len(body) > MAX_BYTES:
            return None
        return Ready(row.sheet, row.number, reference, given, alone=True, buyers=buyers, body=body)
