"""The outside judge on our own servers: a live node and a live aggregator that crawled it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from folkmoot.demo.processes import Server
from tests.contract.feed_judge import verdicts

TOOLS = 1_200  # three pages
GONE = 100  # fewer than the removal guard holds back


def register(folder: Path, numbers: range) -> Path:
    path = folder / f"tools-{len(numbers)}.ndjson"
    path.write_text("".join(json.dumps({"reference": f"T{n}", "name": f"Tool {n}"}) + "\n" for n in numbers))
    return path


def _latest(server: Server) -> int:
    with urllib.request.urlopen(f"{server.url}/v1/changes?afterChangeNumber={2**53 - 1}") as reply:
        latest: int = json.load(reply)["latest"]
    return latest


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """A node whose feed has several pages and tombstones, and an aggregator that has crawled it; both serve."""
    made = []
    for name, role in (("council", "node"), ("region", "aggregator")):
        (tmp_path / name).mkdir()
        made.append(Server(name, role, tmp_path / name))
    node, aggregator = made
    with ExitStack() as ending:
        node.run("publisher", "add", "GB-LAE-EXA", "--name", "Exampleshire County Council")
        for numbers in (range(TOOLS), range(TOOLS - GONE)):
            node.run("import", str(register(tmp_path, numbers)), "--kind", "tool")
        for server in made:
            ending.callback(server.stop)
        node.start()
        node.wait()
        aggregator.run("publisher", "add", "XM-TEST-REGION", "--name", "Wessex Regional Office")
        aggregator.run("node", "add", node.url)
        aggregator.run("crawl", "--once")
        aggregator.start()
        aggregator.wait()
        yield node, aggregator


def test_the_validator_finds_no_failure_on_either_role(federation: tuple[Server, Server]) -> None:
    """@openactive/rpde-validator: 0 failures on a node and on an aggregator, each walked to its end."""
    for server, verdict in zip(federation, verdicts(*(f"{s.url}/v1/changes" for s in federation)), strict=True):
        assert verdict["failures"] == [], server.role
        assert verdict["pages"] >= TOOLS // 500 + 1, server.role
        warnings = [other for other in verdict["others"] if other["severity"] == "warning"]
        assert [w["type"] for w in warnings] == ["missing_cache_control"], warnings  # its own artefact: feed_judge
        assert warnings[0]["page"] == f"{server.url}/v1/changes?afterChangeNumber={_latest(server)}"
