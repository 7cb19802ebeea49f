"""A contracts register in the LGA's layout, imported as an officer would."""

from __future__ import annotations

import csv
import random
import statistics
from pathlib import Path

from benchmarks.equality import held
from benchmarks.figures import Measured
from benchmarks.generate import Feed, Json, contract
from benchmarks.ours import OWN, Moot
from benchmarks.places import free_port, fresh
from benchmarks.scene import Scene
from benchmarks.words import SEED
from exchange.lga_columns import HEADER

ROWS, QUICK, ROUNDS = 100_000, 10_000, 3


def register(path: Path, rows: int) -> None:
    """Write a register of made-up contracts, one a row, always the same."""
    buyer = Feed("http://127.0.0.1", 0).publishers[0]
    rng = random.Random(SEED)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, HEADER, restval="")
        writer.writeheader()
        writer.writerows(_row(contract(number, buyer, rng)) for number in range(1, rows + 1))


def _row(made: Json) -> dict[str, str]:
    supplier = made["suppliers"][0]
    return {
        "OrganisationLabel": "Exampleshire County Council",
        "ContractReference": made["reference"],
        "ContractTitle": made["title"],
        "Description": made["description"],
        "ContractType": made["contractType"],
        "OrganisationalUnit": made["department"],
        "CPVCode": made["classifications"][0]["id"],
        "StartDate": made["startDate"],
        "EndDate": made["endDate"],
        "ReviewDate": made["reviewDate"],
        "ContractValue": f"{made['value']['amount']:.2f}",
        "SupplierName": supplier["name"],
        "CompaniesHouseRegistrationNumber": supplier["identifiers"][0]["id"],
        "SMESupplier": "1" if supplier["sme"] else "0",
    }


def measure(scene: Scene) -> list[Measured]:
    """Give the figures of an import."""
    rows = QUICK if scene.quick else ROWS
    folder = fresh("import")
    file = folder / "register.csv"
    register(file, rows)
    print(f"Importing {rows:,} rows", flush=True)
    seconds: list[float] = []
    memory: list[float] = []
    for number in range(min(scene.rounds, ROUNDS)):
        moot = Moot(fresh("import-node"), free_port())
        moot.run("publisher", "add", OWN, "--name", "Exampleshire County Council")
        spent = moot.run("import", str(file), "--kind", "contract", "--publisher", OWN)
        live = moot.sql("SELECT count(*) FROM record WHERE kind = 'contract' AND NOT deleted")[0][0]
        held(f"import {number}: records", live, rows)
        seconds.append(spent.seconds)
        memory.append(spent.peak_mb)
        print(f"  {rows / spent.seconds:9,.0f} rows/s, {spent.peak_mb:.0f} MB", flush=True)
    rate = rows / statistics.median(seconds)
    note = f"{rows:,} rows in {statistics.median(seconds):.1f} s"
    return [
        Measured("import.rate", {"x": rate}, rows, note, {"seconds": seconds}),
        Measured("import.memory", {"x": statistics.median(memory)}, rows, f"{rows:,} rows", {"MB": memory}),
    ]
