"""A real register, published twice: 5,483 rows, read here once more by other means."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import unquote

import pytest

from federation import publishers, register
from federation.database import Database
from federation.register import Outcome
from federation.wishes import File, Wish
from tests.services import NODE, NOW

REFERENCE, VALUE, COMPANY = 3, 20, 24
NORFOLK = {"name": "Norfolk County Council", "identifiers": [{"scheme": "GB-LAE", "id": "NFK"}]}
Row = tuple[str, ...]
# A small process between: one that is forked off a large one begins with the peak of its parent.
MEASURED = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def _bring(database: Database, body: bytes) -> Outcome:
    file = File(body, "norfolk.csv", "contract", "GB-LAE-NFK")
    return register.run(database, file, Wish(), node=NODE, now=NOW)


def _rows(body: bytes, encoding: str) -> dict[str, set[Row]]:
    """The rows that hold anything, by reference, read with nothing but the csv module."""
    found: dict[str, set[Row]] = defaultdict(set)
    for cells in list(csv.reader(io.StringIO(body.decode(encoding), newline="")))[1:]:
        if any(cell.strip() for cell in cells):
            row = _same_words([" ".join(cell.split()) for cell in cells])
            found[row[REFERENCE]].add(row)
    return found


def _same_words(row: list[str]) -> Row:
    """Two ways of writing one value: a company number with and without its leading zeros, `1,234.50` and `1234.5`."""
    if re.fullmatch(r"\d{1,8}", row[COMPANY]):
        row[COMPANY] = row[COMPANY].zfill(8)
    try:
        row[VALUE] = str(Decimal(row[VALUE].replace(",", "")).normalize())
    except InvalidOperation:
        return tuple(row)
    return tuple(row)


def _references(ids: list[str]) -> set[str]:
    """The references that ids stand for; a derived one stands for none."""
    names = (unquote(record.rpartition("/")[2]) for record in ids)
    return {"" if name.startswith("derived-") else re.sub(r"~[a-z2-7]{8}$", "", name) for name in names}


def test_every_row_is_accounted_for_and_only_real_changes_are_published(database: Database, real_data: Path) -> None:
    """Accepted, refused, empty and merged rows add up; again changes nothing; later, only rows that differ change."""
    march = (real_data / "registers/norfolk-2015-march.csv").read_bytes()
    later = (real_data / "registers/norfolk-2015-later.csv").read_bytes()
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=NORFOLK, now=NOW)

    first = _bring(database, march)
    report = first.report
    assert report.rows == 5483
    assert (report.empty, first.state) == (1, "done")
    assert report.refused <= 54
    assert report.created == len(first.reading.records)
    assert report.merged == sum(fault.code == "repeated-row" for fault in report.problems)

    again = _bring(database, march)
    assert (again.plan.changes, again.report.unchanged) == ([], report.created)

    second = _bring(database, later)
    changed = second.plan.created + second.plan.updated + second.plan.deleted
    before, after = _rows(march, "cp1252"), _rows(later, "utf-8-sig")
    differing = {name for name in before.keys() | after.keys() if before[name] != after[name]}
    assert _references(changed) == differing
    assert len(second.plan.updated) + len(second.plan.created) == sum(len(after[n] - before[n]) for n in differing)
    assert len(second.plan.updated) + len(second.plan.deleted) == sum(len(before[n] - after[n]) for n in differing)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_command_takes_seconds_and_little_memory(database: Database, tmp_path: Path, real_data: Path) -> None:
    """`folkmoot import` of the whole register: under 5 s of processor time, its own start included, and 300 MB."""
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=NORFOLK, now=NOW)
    settings = {"DATABASE_URL": database.url, "DATA_DIR": str(tmp_path), "PUBLIC_URL": NODE}
    environment = os.environ | {f"FOLKMOOT_{name}": value for name, value in settings.items()}
    file = real_data / "registers/norfolk-2015-march.csv"
    command = [sys.executable, "-c", MEASURED, "-m", "folkmoot", "import", str(file), "--kind", "contract", "--json"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    seconds, kilobytes = (float(figure) for figure in done.stdout.split())
    assert seconds < 5
    assert kilobytes < 300 * 1024
