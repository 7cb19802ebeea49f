"""The contracts register in the LGA layout, read row by row; `exchange/lga_export.py` writes it.

The columns: exchange/lga_columns.py; the members they become: exchange/lga_row.py. A column that is not one of the 38
is told of once and its cells are kept under `local`, unless they look personal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exchange.checking import Ready
from exchange.drafts import Draft, Problems, PublisherFacts, RowReader
from exchange.extras import Extras
from exchange.lga_columns import COLUMNS, HEADER, NAMES
from exchange.lga_row import read_row
from exchange.lga_swift import Swift
from exchange.lga_terms import DATES
from exchange.table import Columns, Table, placed

__all__ = ["COLUMNS", "HEADER", "read", "score"]


def score(header: Sequence[str]) -> int:
    """Count the columns of the layout in a header; 0 where a title is not among them."""
    places = placed(header, NAMES)
    return len(places) if "ContractTitle" in places else 0


def read(table: Table, publisher: PublisherFacts, problems: Problems) -> Iterator[Draft | Ready]:
    """Read every row of a register, one after another."""
    columns = Columns(table, placed(table.header, NAMES), tuple(DATES))
    extras = Extras(table, {place for places in columns.places.values() for place in places}, problems)
    swift = Swift(columns, extras, publisher)
    for row in table.rows:
        yield swift.ready(row) or read_row(RowReader(columns, row, problems, publisher), extras)
