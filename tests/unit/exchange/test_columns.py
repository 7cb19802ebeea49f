"""Records as CSV: dotted columns in a steady order, no formula, no number touched, nothing left out."""

from __future__ import annotations

import csv
import io
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange import columns
from exchange.columns import MORE, MOST, csv_lines, gathered, order, row
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


def many(number: int, name: str = "m") -> dict[str, Any]:
    """Give so many members that nobody knows."""
    return {f"{name}{place}": place for place in range(number)}


def test_one_record_makes_no_other_longer_than_a_table_is_wide() -> None:
    """Of 7,000 members of one record a table takes some columns, the record keeps all, and the others their own."""
    others = [item({"title": f"T{number}", "note": "n"}) for number in range(30)]
    found = read(item({"title": "Wide"} | many(7_000)), *others)
    assert (len(found[0]), list(found[0])[-1]) == (MOST, MORE)
    assert [(one["title"], one["note"], one[MORE]) for one in found[1:]] == [
        (f"T{number}", "n", "") for number in range(30)
    ]
    told = {name: int(cell) for name, cell in found[0].items() if name.startswith("m") and name not in ("marks", MORE)}
    assert told | orjson.loads(found[0][MORE]) == many(7_000)
    sizes = [len(line) for line in b"".join(csv_lines(map(orjson.dumps, others))).splitlines()]
    wide = [orjson.dumps(item(many(7_000))), *map(orjson.dumps, others)]
    assert max(len(line) for line in b"".join(csv_lines(wide)).splitlines()[2:]) <= max(sizes) + MOST


def test_what_waits_is_no_larger_than_the_records() -> None:
    """Until the columns are known the records themselves wait, not rows that are as long as all columns are many."""
    items = [orjson.dumps(item(many(2_000, name))) for name in ("a", "b", "c")] + [orjson.dumps(item({}))] * 100
    waiting = io.BytesIO()
    gathered(items, waiting)
    assert len(waiting.getvalue()) <= sum(map(len, items)) + len(items)


def test_a_member_of_which_a_part_has_no_column_stands_whole_in_the_last() -> None:
    """What has columns stands in them; what has not all of them is JSON in `more`, as it was published."""
    suppliers = [{"name": f"S{place}", "sme": True} for place in range(600)]
    found = read(item({"title": "A", "suppliers": suppliers}), item({"title": "B", "suppliers": suppliers[:2]}))
    assert orjson.loads(found[0][MORE]) == {"suppliers": suppliers}
    assert found[0]["suppliers.1.name"] == found[1]["suppliers.1.name"] == "S1"
    assert (found[0]["title"], found[1]["title"], found[1][MORE]) == ("A", "B", "")


def test_the_columns_that_most_records_have_stay() -> None:
    """However many members come first, those that more records have keep their columns, in their usual order."""
    wide = [item({"title": "W"} | many(990, name)) for name in "abcdefghijklmnopqrstuvwxyz"]
    found = read(*wide, *(item({"title": "T", "zeta": 1, "alpha": 2}) for _ in range(3)))
    assert {"title", "alpha", "zeta"} <= found[0].keys()
    assert len(found[0]) == MOST
    assert (found[-1]["zeta"], found[-1]["alpha"], found[-1][MORE]) == ("1", "2", "")
    assert list(found[0])[5] == "title"


def test_only_so_many_names_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million different names cost no more memory than some thousand, and what is in most records has its column."""
    monkeypatch.setattr(columns, "MOST", 20)
    monkeypatch.setattr(columns, "_REMEMBERED", 50)
    wide = [item({"title": f"W{number}"} | many(30, f"{number}-")) for number in range(40)]
    found = read(*wide)
    assert len(found[0]) == 20
    for number, one in enumerate(found):
        assert one["title"] == f"W{number}"
        told = {name: int(cell) for name, cell in one.items() if name.startswith(f"{number}-") and cell}
        assert told | orjson.loads(one[MORE] or "{}") == many(30, f"{number}-")


def test_a_name_that_is_too_long_is_no_column() -> None:
    """A long name that others are built on would be written once for each of them: its member stays together."""
    long = {"x" * 60_000: dict.fromkeys(map(str, range(5_000)), 1), "title": "T"}
    found = row(item(long))
    assert sum(map(len, found)) < 2 * 60_000
    (told,) = read(item(long))
    assert (told["title"], orjson.loads(told[MORE])) == ("T", {"x" * 60_000: long["x" * 60_000]})
    (told,) = read(item({"y" * 250: 5, "z" * 251: 6}))
    assert (told["y" * 250], orjson.loads(told[MORE])) == ("5", {"z" * 251: 6})


def test_a_member_called_more_keeps_its_own_column() -> None:
    """A record's own `more` is not taken for what found no column."""
    assert read(item({"more": "own"}))[0]["data.more"] == "own"


def test_a_record_with_line_breaks_between_its_members_is_one_row() -> None:
    """What waits is told apart by lines, however the publisher has broken his JSON into lines."""
    broken = orjson.dumps(item({"title": "T", "note": "one\ntwo"}), option=orjson.OPT_INDENT_2)
    text = b"".join(csv_lines([broken, broken])).decode("utf-8-sig")
    assert [one["note"] for one in csv.DictReader(io.StringIO(text, newline=""))] == ["one\ntwo"] * 2
