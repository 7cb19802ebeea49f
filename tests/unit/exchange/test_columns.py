"""Records as CSV: dotted columns in a steady order, no formula, no number touched, nothing left out."""

from __future__ import annotations

import csv
import io
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.columns import csv_lines, order, row
from tests.strategies import unknown_values


def item(data: dict[str, Any], **around: Any) -> dict[str, Any]:
    origin = {"node": "http://node.test/x", "publisher": "GB-LAE-EXA", "seq": 1, "time": "2026-11-02T09:00:00Z"}
    return {"id": "http://node.test/id/1", "kind": "contract", "data": data, "origin": origin, **around}


def read(*items: dict[str, Any]) -> list[dict[str, str]]:
    text = b"".join(csv_lines(map(orjson.dumps, items))).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_nested_members_are_dotted() -> None:
    """Objects and lists become columns by their path; what is around the record comes first."""
    found = row(item({"title": "T", "value": {"amount": 5}, "suppliers": [{"name": "A"}, {"name": "B"}]}))
    assert found["suppliers.1.name"] == "B"
    assert found["value.amount"] == "5"
    assert order(found)[:5] == ["id", "kind", "publisher", "published", "marks"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_text_that_would_run_gets_an_apostrophe(start: str) -> None:
    """What a spreadsheet would take as a formula is made text, in cells and in names of columns."""
    found = read(item({"title": f"{start}1+1", f"{start}cmd": "x"}))
    assert found[0]["title"] == f"'{start}1+1"
    assert found[0][f"'{start}cmd"] == "x"


@given(st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_number_is_never_touched(number: float) -> None:
    """A negative amount stays a number: no apostrophe, no rounding."""
    cell = read(item({"value": {"amount": number}}))[0]["value.amount"]
    assert orjson.loads(cell) == number
    assert not cell.startswith("'")


def test_true_false_and_nothing() -> None:
    """Booleans are words, null and empty lists are empty cells."""
    found = read(item({"sme": True, "vcse": False, "note": None, "tools": [], "value": {}}))[0]
    assert (found["sme"], found["vcse"], found["note"], found["tools"], found["value"]) == ("true", "false", "", "", "")


@pytest.mark.parametrize("data", [{}, None])
def test_a_record_without_members_is_a_row_of_what_is_around_it(data: Any) -> None:
    """A record of which nothing is told has its id, kind, publisher and time, and no column of its own."""
    found = read(item(data), item({"title": "T"}))
    assert (found[0]["id"], found[0]["publisher"], found[0]["title"]) == ("http://node.test/id/1", "GB-LAE-EXA", "")
    assert list(found[0]) == ["id", "kind", "publisher", "published", "marks", "title"]


def test_a_member_called_as_what_is_around_keeps_its_own_column() -> None:
    """A record's own `id` or `kind` does not hide the record's id or kind."""
    found = read(item({"id": "own", "kind": "own"}, marks=["stale", "vouched"]))[0]
    assert (found["id"], found["data.id"], found["data.kind"]) == ("http://node.test/id/1", "own", "own")
    assert found["marks"] == "stale vouched"


def test_columns_of_all_rows_are_in_the_header() -> None:
    """A column that only the last row has stands in the header, in the schema's order; list positions count up."""
    long = {"title": "T", "suppliers": [{"name": str(n)} for n in range(12)], "zeta": 1, "reference": "R"}
    columns = list(read(item({"title": "T"}), item(long))[0])
    assert columns[5:7] == ["reference", "title"]
    assert columns.index("suppliers.9.name") + 1 == columns.index("suppliers.10.name")
    assert columns[-1] == "zeta"


@given(st.lists(st.dictionaries(st.text(min_size=1, max_size=5), unknown_values(), max_size=3), max_size=4))
def test_any_records_make_a_table(records: list[dict[str, Any]]) -> None:
    """Whatever members records have, each is one row with a cell for every column."""
    text = b"".join(csv_lines(orjson.dumps(item(data)) for data in records)).decode("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert len(rows) == len(records)
    assert {len(cells) for cells in rows} <= {len(header)}
