"""Records as a workbook: each cell of its own type, within what a workbook holds."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import orjson
import pytest
from python_calamine import CalamineWorkbook

from exchange import xlsx
from exchange.columns import AROUND, MORE, MOST


def book(*records: dict[str, Any]) -> bytes:
    """Write records as a workbook."""
    around = {"id": "https://x.example/1", "kind": "contract", "origin": {"publisher": "GB-LAE-EXA"}}
    return b"".join(xlsx.workbook(orjson.dumps(around | {"data": data}) for data in records))


def cells(*records: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what a reader of workbooks finds, by column."""
    made = CalamineWorkbook.from_filelike(io.BytesIO(book(*records)))
    (sheet,) = made.sheet_names
    header, *rows = made.get_sheet_by_name(sheet).to_python()
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def test_each_value_is_a_cell_of_its_own_type() -> None:
    """Texts, numbers and truth stay what they are; null, empty objects and what a record lacks are empty cells."""
    data = {"title": "Lawns", "sme": True, "vcse": False, "value": {"amount": -5.5, "minimum": 0}, "note": None}
    first, second = cells(data | {"tools": [], "local": {}}, {"title": "2026-11-02"})
    assert {name: first[name] for name in first if name not in AROUND} == {
        "title": "Lawns", "sme": True, "vcse": False, "value.amount": -5.5, "value.minimum": 0, "note": "", "tools": "",
        "local": "",
    }  # fmt: skip
    assert [type(first[name]) for name in ("title", "sme", "vcse", "value.amount")] == [str, bool, bool, float]
    assert {second[name] for name in first if name not in (*AROUND, "title")} == {""}
    assert second["title"] == "2026-11-02"


@pytest.mark.parametrize(("start", "shown"), [("", ""), ("=", "="), ("'=", "''=")])
def test_a_text_longer_than_a_cell_is_cut_and_says_so(start: str, shown: str) -> None:
    """A text as long as a cell stays whole; a longer one ends in an ellipsis, and is no longer than a cell."""
    room = 32_767 - len(shown)
    whole, cut = cells({"description": start + "x" * room}, {"description": start + "x" * (room + 1)})
    assert whole["description"] == shown + "x" * room
    assert cut["description"] == shown + "x" * (room - 1) + "\u2026"


def test_a_workbook_is_no_wider_than_a_csv() -> None:
    """As many members as there are columns fit; of more, what has none is JSON in the last column."""
    most = {f"m{number}": number for number in range(MOST - len(AROUND))}
    with zipfile.ZipFile(io.BytesIO(book(most))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    assert sheet.count(b"<c") == 2 * MOST
    (found, other) = cells(most, most | {"onemore": 1, "another": 2})
    assert len(found) == MOST
    assert orjson.loads(found[MORE]) == {"m994": 994}
    assert orjson.loads(other[MORE]) == {"m994": 994, "onemore": 1, "another": 2}
    assert {name: found[name] for name in found if name in most} == {
        name: most[name] for name in most if name != "m994"
    }
