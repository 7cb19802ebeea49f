"""The main job on a real register: published by a node, crawled by an aggregator, found by a developer."""

from __future__ import annotations

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

COUNCIL = "GB-LAE-NFK"


@pytest.fixture
def region(tmp_path: Path, real_data: Path) -> Iterator[Server]:
    """An aggregator that has crawled a node that has published the register, all as processes of their own."""
    node = Server("Norfolk", "node", tmp_path / "node")
    moot = Server("Region", "aggregator", tmp_path / "region", {"FOLKMOOT_ROLE": "aggregator"})
    try:
        for server in (node, moot):
            server.folder.mkdir()
        register = real_data / "registers/norfolk-2015-march.csv"
        node.run("publisher", "add", COUNCIL, "--name", "Norfolk County Council")
        node.run("import", str(register), "--kind", "contract", "--publisher", COUNCIL)
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
    found = {record["id"]: record["data"] for record in _all(region, "/v1/contracts?format=ndjson")}
    assert ask(region.url + "/v1/contracts?limit=1")["count"] == {"value": len(once), "exact": True}
    assert len(found) == len(once)
    total = sum((Decimal(str(data["value"]["amount"])) for data in found.values() if "value" in data), Decimal(0))
    assert total == sum((pounds(cells[VALUE]) for cells in once.values()), Decimal(0))
    word = "elizabeth fitzroy"
    named = {cells[REFERENCE].strip() for cells in once.values() if word in " ".join(cells).lower()}
    hits = ask(region.url + "/v1/contracts?q=%22elizabeth+fitzroy%22&limit=100")["items"]
    assert named
    assert {hit["data"]["reference"] for hit in hits} == named


def _all(server: Server, path: str) -> Iterator[dict[str, Any]]:
    with urllib.request.urlopen(server.url + path, timeout=60) as answer:
        for line in answer:
            yield json.loads(line)
