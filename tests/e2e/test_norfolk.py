"""The main job on a real register: published by a node, crawled by an aggregator, found by a developer."""

from __future__ import annotations

import csv
import json
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from folkmoot.demo.processes import Server
from folkmoot.demo.tour import ask
from tests.unit.exchange.test_norfolk import REFERENCE, VALUE, pounds, rows, things

COUNCIL, CITY = "GB-LAE-NFK", "GB-LAE-LND"


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Iterator[Server]:
    """An aggregator that has crawled a node that has published the register, all as processes of their own."""
    tmp_path = tmp_path_factory.mktemp("norfolk")
    node = Server("Norfolk", "node", tmp_path / "node")
    moot = Server("Region", "aggregator", tmp_path / "region", {"FOLKMOOT_ROLE": "aggregator"})
    try:
        for server in (node, moot):
            server.folder.mkdir()
        register = real_data / "registers/norfolk-2015-march.csv"
        node.run("publisher", "add", COUNCIL, "--name", "Norfolk County Council")
        node.run("import", str(register), "--kind", "contract", "--publisher", COUNCIL)
        awards = real_data / "registers/contracts-finder-awards-2020-07-01.csv"
        node.run("publisher", "add", CITY, "--name", "City of London Corporation")
        node.run("import", str(awards), "--kind", "contract", "--publisher", CITY)
        node.start()
        moot.run("publisher", "add", "XM-DEMO-EAST", "--name", "East Office")
        node.wait()
        moot.run("node", "add", node.url)
        moot.run("crawl", "--once")
        moot.start()
        moot.wait()
        yield moot
    finally:
        moot.stop()
        node.stop()


def test_what_is_found_is_what_the_file_says(region: Server, real_data: Path) -> None:
    """Count, total value and a search word agree with an independent reading of the file."""
    data = [cells for cells in rows(real_data / "registers/norfolk-2015-march.csv", "cp1252") if any(cells)]
    once = {things([cells]).pop(): cells for cells in reversed(data)}
    found = {
        record["id"]: record["data"] for record in _all(region, f"/v1/contracts?format=ndjson&publisher={COUNCIL}")
    }
    assert ask(f"{region.url}/v1/contracts?limit=1&publisher={COUNCIL}")["count"] == {"value": len(once), "exact": True}
    assert len(found) == len(once)
    total = sum((Decimal(str(data["value"]["amount"])) for data in found.values() if "value" in data), Decimal(0))
    assert total == sum((pounds(cells[VALUE]) for cells in once.values()), Decimal(0))
    word = "elizabeth fitzroy"
    named = {cells[REFERENCE].strip() for cells in once.values() if word in " ".join(cells).lower()}
    hits = ask(region.url + "/v1/contracts?q=%22elizabeth+fitzroy%22&limit=100")["items"]
    assert named
    assert {hit["data"]["reference"] for hit in hits} == named


def test_awards_of_contracts_finder_are_found_as_in_their_file(region: Server, real_data: Path) -> None:
    """Count and total value of the awards agree with the file read by the standard library alone."""
    name = "registers/contracts-finder-awards-2020-07-01.csv"
    with (real_data / name).open(encoding="utf-8", newline="") as file:
        raw = [row for row in csv.DictReader(file) if any(row.values())]
    found = [record["data"] for record in _all(region, f"/v1/contracts?format=ndjson&publisher={CITY}")]
    assert len(found) == len(raw)
    amounts = [Decimal(row["releases/0/awards/0/value/amount"] or "0") for row in raw]
    assert sum(Decimal(str(data.get("value", {}).get("amount", 0))) for data in found) == sum(amounts)


def _all(server: Server, path: str) -> Iterator[dict[str, Any]]:
    with urllib.request.urlopen(server.url + path, timeout=60) as answer:
        for line in answer:
            yield json.loads(line)
