"""A real register of 5,483 rows, and the same register published again: figures by an independent reading."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from exchange.lga_export import write
from exchange.reading import PublisherFacts, Reading, read_register
from tests.unit.exchange.making import live

ROOT = Path(__file__).resolve().parents[3]
NORFOLK = PublisherFacts("GB-LAE-NFK", "Norfolk County Council", "https://norfolk.example/id/GB-LAE-NFK/")
REFERENCE, TITLE, START, VALUE, SUPPLIER, COMPANY = 3, 5, 16, 20, 23, 24
OF_SUPPLIERS = range(23, 30)


def rows(path: Path, encoding: str) -> list[list[str]]:
    """Read the data rows with the standard library alone."""
    return list(csv.reader(io.StringIO(path.read_bytes().decode(encoding), newline="")))[1:]


def imported(path: Path, published: dict[str, Any] | None = None) -> Reading:
    """Read a register as the council's own."""
    return read_register(path.read_bytes(), filename=path.name, kind="contract", publisher=NORFOLK, published=published)


def pounds(cell: str) -> Decimal:
    """Read a value in the one way that this file writes them."""
    digits = Decimal(re.sub(r"[^0-9.]", "", cell) or "0")
    return -digits if "(" in cell else digits


def plain(cells: list[str]) -> tuple[str, ...]:
    """Give what a row says, apart from how its numbers are printed."""
    out = [" ".join(cell.split()) for cell in cells]
    out[VALUE] = str(pounds(out[VALUE]).normalize()) if out[VALUE] else ""
    if out[COMPANY].isdigit():
        out[COMPANY] = out[COMPANY].zfill(8)
    return tuple(out)


@lru_cache(maxsize=1)
def march(folder: Path) -> Reading:
    """Read the earlier register once for all tests."""
    return imported(folder / "registers/norfolk-2015-march.csv")


def letters(text: str) -> str:
    """Give the letters and digits of a text."""
    return "".join(c for c in text.lower() if c.isalnum())


def things(data: list[list[str]]) -> set[tuple[str, ...]]:
    """Say independently which rows are one contract: all but the supplier's columns, where there is a reference."""
    found = set()
    for cells in data:
        said = [letters(cell) for cell in plain(cells)]
        shared = [cell for place, cell in enumerate(said) if place not in OF_SUPPLIERS]
        found.add((*shared,) if cells[REFERENCE].strip() else tuple(said))
    return found


def test_every_row_of_the_register_is_accounted_for(real_data: Path) -> None:
    """5,483 rows: accepted, refused, empty and merged add up, at most 1 % are refused, each merge has its reason."""
    report = march(real_data).report
    data = rows(real_data / "registers/norfolk-2015-march.csv", "cp1252")
    assert len(data) == 5_483 == report.rows == report.accepted + report.refused + report.empty + report.merged
    assert report.empty == sum(not any(cells) for cells in data) == 1
    assert report.refused <= 54
    said = Counter(tuple(letters(cell) for cell in plain(cells)) for cells in data if any(cells))
    assert report.merged == sum(said.values()) - len(said)
    told = {fault.row for fault in report.problems if fault.code == "repeated-row"}
    assert len(told) == report.merged
    assert all(plain(data[n - 2])[REFERENCE] in {"", data[n - 2][REFERENCE].strip()} for n in told if n)


def test_every_contract_of_the_register_is_a_record(real_data: Path) -> None:
    """The records are as many as there are different things in the file, each under an id of its own."""
    data = [cells for cells in rows(real_data / "registers/norfolk-2015-march.csv", "cp1252") if any(cells)]
    reading = march(real_data)
    assert len(reading.records) == len({record.id for record in reading.records}) == len(things(data))
    given = {" ".join(cells[REFERENCE].split()) for cells in data} - {""}
    assert {r.reference for r in reading.records if not r.reference.startswith("derived-")} == given


def test_the_total_value_is_that_of_an_independent_reading(real_data: Path) -> None:
    """To the penny, negatives included, over the rows that made each record's first claim."""
    data = rows(real_data / "registers/norfolk-2015-march.csv", "cp1252")
    reading = march(real_data)
    expected = sum(pounds(data[record.rows[0] - 2][VALUE]) for record in reading.records)
    joined = sum(pounds(data[n - 2][VALUE]) for record in reading.records for n in record.rows[1:])
    total = sum(Decimal(str(record.data["value"]["amount"])) for record in reading.records if "value" in record.data)
    assert total == expected
    assert expected + joined == sum(pounds(cells[VALUE]) for cells in data)


def test_nothing_but_the_told_cells_is_missing(real_data: Path) -> None:
    """Start dates, company numbers and suppliers stand in the records as often as in the rows."""
    data = rows(real_data / "registers/norfolk-2015-march.csv", "cp1252")
    reading = march(real_data)
    codes = {fault.code for fault in reading.report.problems}
    assert codes == {"extra-column", "negative", "repeated-row", "same-reference"}
    for member, place in (("startDate", START), ("endDate", 17), ("reviewDate", 18), ("maxExtensionDate", 19)):
        expected = sum(bool(data[record.rows[0] - 2][place].strip()) for record in reading.records)
        assert sum(member in record.data for record in reading.records) == expected
    numbers = {
        i["id"]
        for r in reading.records
        for s in r.data["suppliers"]
        for i in s.get("identifiers", ())
        if i["scheme"] == "GB-COH"
    }
    assert numbers == {c[COMPANY].removeprefix("gb/").upper().strip().zfill(8) for c in data if c[COMPANY].strip()}


def test_reading_it_again_changes_nothing(real_data: Path) -> None:
    """The same file over what it published is the same ids and the same data."""
    before = live(march(real_data))
    assert live(imported(real_data / "registers/norfolk-2015-march.csv", before)) == before


def test_only_rows_that_really_differ_become_changes(real_data: Path) -> None:
    """The later file: no id comes or goes, and the changed records are exactly those of the rows that differ."""
    before = live(march(real_data))
    later = imported(real_data / "registers/norfolk-2015-later.csv", before)
    after = live(later)
    old = rows(real_data / "registers/norfolk-2015-march.csv", "cp1252")
    new = rows(real_data / "registers/norfolk-2015-later.csv", "utf-8")
    differ = {n for n, (a, b) in enumerate(zip(old, new, strict=False), 2) if plain(a) != plain(b)}
    assert after.keys() == before.keys()
    changed = {record.id for record in later.records if record.data != before[record.id]}
    expected = {record.id for record in later.records if differ & set(record.rows)}
    assert changed == expected
    assert len(changed) > 500


def test_our_own_export_of_it_is_no_change(real_data: Path) -> None:
    """The register that we write out, imported over what it came from, changes nothing that the layout can say."""
    before = live(march(real_data))
    after = live(
        read_register(
            write(before.values()).encode(), filename="x.csv", kind="contract", publisher=NORFOLK, published=before
        )
    )
    assert {id_: {k: v for k, v in data.items() if k != "local"} for id_, data in before.items()} == after


MEASURED = """
import json, sys, time
from pathlib import Path
from exchange.reading import PublisherFacts, read_register
facts = PublisherFacts("GB-LAE-NFK", "Norfolk County Council", "https://norfolk.example/id/GB-LAE-NFK/")
reading = read_register(Path(sys.argv[1]).read_bytes(), filename="x.csv", kind="contract", publisher=facts)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([len(reading.records), time.process_time(), int(peak.split()[1]) / 1024]))
"""


def test_it_is_read_fast_and_small(real_data: Path) -> None:
    """The whole file is read in under 4 seconds of processor time and 250 MB, the start of Python included."""
    path = str(real_data / "registers/norfolk-2015-march.csv")
    done = subprocess.run([sys.executable, "-c", MEASURED, path], cwd=ROOT, capture_output=True, check=True, env={})
    records, seconds, megabytes = json.loads(done.stdout)
    assert records == len(march(real_data).records)
    assert seconds < 4
    assert megabytes < 250
