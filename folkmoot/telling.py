"""How an import is told to a person: a table on a terminal, plain lines elsewhere, CSV to open beside the file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from exchange.drafts import UNSTORED
from exchange.report import Report, RowFault
from federation.register import Outcome
from folkmoot.files import replacing
from folkmoot.words import clean, counted

SHOWN = 50
LISTED = 300
"""Characters of the names that one line lists."""
_OF_COLUMNS = {"extra-column", "unused-column"}  # said of a column, and so of many columns in the same words
_SIGNS = {"created": "+", "updated": "~", "deleted": "-"}


def as_json(report: Report | None, error: str) -> str:
    """The object of protocol section 7, with `error` where there is one; zeros where nothing could be read."""
    told = (report or Report()).as_json() | ({"error": error} if error else {})
    return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()


def write_csv(report: Report, path: Path) -> None:
    """The problems as CSV; it begins with a byte order mark, by which spreadsheets know UTF-8."""
    with replacing(path) as file:
        file.write(report.as_csv().encode("utf-8-sig"))


def tell_problems(report: Report, console: Console) -> None:
    """Every problem by row, column, value and what was expected, errors first; what says the same, in one line."""
    ranked = _together(sorted(report.problems, key=lambda fault: (fault.severity != "error", fault.row or 0)))
    if not console.is_terminal:
        for same in ranked:
            sys.stdout.write(_line(same) + "\n")
        return
    if not ranked:
        return
    table = Table("Row", "", "Column", "Value", "Expected", "What is wrong", header_style="bold")
    for same in ranked[:SHOWN]:
        fault = same[0]
        style = "red" if fault.severity == "error" else "yellow"
        told = fault.as_dict()
        cells = (_columns(same), fault.value, fault.expected, told["message"])
        table.add_row(_rows(same), Text(fault.severity, style=style), *(Text(clean(str(cell))) for cell in cells))
    console.print(table)
    if len(ranked) > SHOWN:
        console.print(Text(f"... and {len(ranked) - SHOWN} more: --faults-csv FILE writes them all."))


def _together(faults: Iterable[RowFault]) -> list[list[RowFault]]:
    """Put together what is said in the same words of several columns of one header, or of several cells of a column.

    All else stands alone.
    """
    groups: dict[object, list[RowFault]] = {}
    for number, fault in enumerate(faults):
        key: object = number
        if fault.code in _OF_COLUMNS:
            key = (fault.row, fault.message, fault.sheet)
        elif fault.code == UNSTORED:
            key = (fault.column, fault.severity, fault.sheet)
        groups.setdefault(key, []).append(fault)
    return list(groups.values())


def _columns(same: Sequence[RowFault]) -> str:
    names = list(dict.fromkeys(fault.column for fault in same))
    return _listed(names) if names[1:] else names[0]


def _rows(same: Sequence[RowFault]) -> str:
    rows = list(dict.fromkeys(str(fault.row) for fault in same if fault.row is not None))
    return ", ".join(rows[:5]) + (f" and {len(rows) - 5:,} more" if rows[5:] else "")


def _listed(names: Sequence[str]) -> str:
    """Name as many as a line has room for, and say how many more there are."""
    shown: list[str] = []
    for name in names:
        shown.append(f"'{name if len(name) <= 40 else name[:39] + '…'}'")
        if len(", ".join(shown)) > LISTED:
            shown.pop()
            break
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more (--faults-csv FILE names them all)" if more else "")


def tell_counts(report: Report, *, changes: bool = True) -> Iterator[str]:
    """What was read, and what changed; a mere check changes nothing."""
    yield (
        f"{counted(report.rows, 'row')}: {report.accepted} accepted ({report.warned} with a warning), "
        f"{report.refused} refused, {report.empty} empty, {report.merged} merged"
    )
    if changes:
        yield _changes(report)


def _changes(report: Report) -> str:
    return f"{report.created} created, {report.updated} updated, {report.deleted} deleted, {report.unchanged} unchanged"


def difference(outcome: Outcome) -> Iterator[str]:
    """What a dry run would change: a line a record, with each member that differs."""
    said = {candidate.id: candidate for candidate in outcome.reading.records}
    for name, sign in _SIGNS.items():
        for record in getattr(outcome.plan, name):
            before = dict(outcome.before.data(record) or {})
            after = said[record].data if record in said else {}
            label = str((after or before).get("title") or (after or before).get("name") or "")
            yield clean(f"{sign} {record}  {label}")
            if sign == "~":
                yield from _members(before, after)


def _members(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for member in sorted(before.keys() | after.keys()):
        old, new = before.get(member), after.get(member)
        if old != new:
            yield clean(f"    {member}: {_short(old)} -> {_short(new)}")


def _short(value: Any) -> str:
    text = "nothing" if value is None else orjson.dumps(value).decode()
    return text if len(text) <= 120 else text[:119] + "…"


def _line(same: list[RowFault]) -> str:
    fault = same[0]
    rows, columns = len({one.row for one in same}), len({one.column for one in same})
    place = "file" if fault.row is None else f"{'rows' if rows > 1 else 'row'} {_rows(same)}"
    parts = [f"{fault.severity}: {place}"]
    if columns > 1:
        parts += [f"{columns} columns {_columns(same)}"]
    elif fault.column:
        parts += [f"column '{fault.column}'"]
    parts += [f"value '{fault.value}'"] if fault.value else []
    parts += [f"expected {fault.expected}"] if fault.expected else []
    return clean(f"{', '.join(parts)}: {fault.as_dict()['message']}")
