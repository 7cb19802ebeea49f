"""Records as an XLSX workbook: one sheet, the columns of the CSV, each cell of its own type.

A text is written as a text (an inline string), so that no program takes it for a formula, not even where somebody
edits the cell (`quotePrefix`); a number is a number, negative ones too. Nothing in the workbook is computed, linked or
fetched. ECMA-376, part 1; the archive's times are fixed, so that equal records give equal bytes.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from tempfile import SpooledTemporaryFile
from typing import Any

from exchange.cells import guarded, runs
from exchange.columns import gathered, laid_out

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_CHARACTERS = 32_767
"""What a cell holds in Excel: beyond it, it calls the workbook damaged."""
_IN_MEMORY, _BLOCK = 8_000_000, 65_536
_BEGINNING = (1980, 1, 1, 0, 0, 0)
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="Records" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf xfId="0"/><xf xfId="0" quotePrefix="1"/></cellXfs></styleSheet>',
}


def workbook(items: Iterable[bytes]) -> Iterator[bytes]:
    """A workbook of list items (JSON), in blocks.

    A text beyond what a cell holds is cut, and ends in an ellipsis: whoever needs all of it asks for JSON.
    """
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as waiting, SpooledTemporaryFile(max_size=_IN_MEMORY) as book:
        columns = gathered(items, waiting)
        with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in _PARTS.items():
                archive.writestr(_member(name), _HEAD + text)
            with archive.open(_member("xl/worksheets/sheet1.xml"), "w", force_zip64=True) as sheet:
                for part in _sheet(columns, laid_out(waiting, columns)):
                    sheet.write(part)
        book.seek(0)
        while block := book.read(_BLOCK):
            yield block


def _member(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, _BEGINNING)
    made.compress_type = zipfile.ZIP_DEFLATED
    return made


def _sheet(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    yield f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'.encode()
    yield _row(dict(zip(columns, columns, strict=True)), columns)
    for row in rows:
        yield _row(row, columns)
    yield b"</sheetData></worksheet>"


def _row(row: Mapping[str, Any], columns: Sequence[str]) -> bytes:
    """A row with a cell for each column, empty ones too: so a cell need not say which it is."""
    return f"<row>{''.join([_cell(row.get(column)) for column in columns])}</row>".encode()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return _text(value) if value else "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{value:d}</v></c>'
    if isinstance(value, int | float):
        return f"<c><v>{value!r}</v></c>"
    return "<c/>"


def _text(text: str) -> str:
    """A text. One that begins with an apostrophe gets a second, for `exchange/cells.py` takes off one in reading."""
    shown = guarded(text) if text.startswith("'") else text
    if len(shown) > MOST_CHARACTERS:
        shown = shown[: MOST_CHARACTERS - 1] + "…"
    style = ' s="1"' if runs(text) else ""
    inner = escape(_ESCAPED.sub("_x005F_", _NO_XML.sub("\ufffd", shown)), quote=False).replace("\r", "&#13;")
    return f'<c t="inlineStr"{style}><is><t xml:space="preserve">{inner}</t></is></c>'
