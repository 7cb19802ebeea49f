"""Council, region and nation as real processes on loopback: published, crawled, crawled again, withdrawn."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from folkmoot.__main__ import main

ROOT = Path(__file__).parents[2]
CONTRACTS = "reference,title,startDate,endDate\nC-1,Waste collection,2026-01-01,2028-12-31\nC-2,Grounds,2026-01-01,\n"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _ended() -> int:
    try:
        main()
    except SystemExit as done:
        return int(done.code or 0)
    return 0


@dataclass
class Server:
    """One installation: a folder, a port, and the command line with its settings."""

    folder: Path
    role: str
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FOLKMOOT_")}
        return kept | {
            "FOLKMOOT_DATA_DIR": str(self.folder),
            "FOLKMOOT_PUBLIC_URL": self.url,
            "FOLKMOOT_PORT": str(self.port),
            "FOLKMOOT_ALLOW_PRIVATE": "1",
            "FOLKMOOT_MIN_POLL_SECONDS": "1",
            "FOLKMOOT_CONTACT_EMAIL": "digital@exampleshire.example",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command in this process, as its own would: quicker by the second that importing takes."""
        told, complained = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, self.environment(), clear=True),
            patch.object(sys, "argv", ["folkmoot", *words]),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(told),
            contextlib.redirect_stderr(complained),
        ):
            assert _ended() == code, told.getvalue() + complained.getvalue()
        return told.getvalue()

    def start(self) -> None:
        command = [sys.executable, "-m", "folkmoot", self.role, "serve"]
        log = (self.folder / "serve.log").open("wb")
        with log:
            self.process = subprocess.Popen(command, env=self.environment(), cwd=self.folder, stdout=log, stderr=log)

    def wait(self) -> None:
        until(lambda: bool(ask(f"{self.url}/.well-known/folkmoot")))

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


def ask(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def items(server: Server) -> dict[str, dict[str, Any]]:
    """The whole feed by id, read to its end."""
    found: dict[str, dict[str, Any]] = {}
    url = f"{server.url}/v1/changes?afterChangeNumber=0"
    while True:
        page = ask(url)
        found.update({item["id"]: item for item in page["items"]})
        if page["next"] == url:
            return found
        url = page["next"]


@pytest.fixture
def tiers(tmp_path: Path) -> Iterator[tuple[Server, Server, Server]]:
    """Yield a council with two contracts, a region that crawls it and a nation that crawls the region."""
    made = []
    for name, role, publisher in (
        ("council", "node", "GB-LAE-EXA"),
        ("region", "aggregator", "XM-TEST-REGION"),
        ("nation", "aggregator", "XM-TEST-NATION"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        server = Server(folder, role)
        server.run("publisher", "add", publisher, "--name", f"The {name}")
        made.append(server)
    (tmp_path / "council" / "contracts.csv").write_text(CONTRACTS)
    council, region, nation = made
    _publish(council)
    try:
        for server in (council, region):
            server.start()
        council.wait()
        region.wait()
        yield council, region, nation
    finally:
        for server in made:
            server.stop()


def _publish(council: Server) -> None:
    council.run("import", "contracts.csv", "--kind", "contract", "--publisher", "GB-LAE-EXA", "--confirm-removals")


def test_three_tiers(tiers: tuple[Server, Server, Server]) -> None:
    """A contract passes two hops unaltered, its via naming both; a change and a withdrawal follow it.

    What another process wrote is in a server's feed within 250 ms (docs/protocol.md).
    """
    council, region, nation = tiers
    assert " kept.\nAdded." in region.run("node", "add", council.url)
    region.run("crawl", "--once")
    nation.run("node", "add", region.url, "--aggregator")
    nation.run("crawl", "--once")
    nation.start()
    nation.wait()
    first, second = f"{council.url}/id/GB-LAE-EXA/contract/C-1", f"{council.url}/id/GB-LAE-EXA/contract/C-2"
    published, arrived = items(council)[first], items(nation)[first]
    assert {name: arrived[name] for name in ("id", "kind", "data", "origin")} == {
        name: published[name] for name in ("id", "kind", "data", "origin")
    }
    assert [hop["node"] for hop in arrived["via"]] == [f"{s.url}/.well-known/folkmoot" for s in (region, nation)]

    lines = CONTRACTS.replace("Waste", "Refuse").splitlines(keepends=True)
    (council.folder / "contracts.csv").write_text("".join(lines[:2]))
    _publish(council)
    _follows(council, first)
    for server in (region, nation):
        server.run("crawl", "--once", "--now")
        _follows(server, first)
    found = items(nation)
    assert found[first]["data"]["title"] == "Refuse collection"
    assert (found[second]["state"], "data" in found[second]) == ("deleted", False)


def _follows(server: Server, contract: str) -> None:
    until(lambda: items(server)[contract]["data"]["title"] == "Refuse collection")


def test_nodes_are_told(tiers: tuple[Server, Server, Server]) -> None:
    """`/v1/nodes` tells state, counts and problems; pausing and removing show there; exit codes tell programs."""
    council, region, _nation = tiers
    key = f"127.0.0.1_{council.port}"
    assert "No node is known yet" in region.run("crawl", "--once")
    region.run("node", "add", council.url)
    region.run("node", "add", council.url, code=2)
    region.run("node", "add", f"http://127.0.0.1:{_free_port()}", code=2)
    region.run("node", "check", council.url, "--aggregator", code=1)
    region.run("crawl", "--once")
    assert "No node is due" in region.run("crawl", "--once")
    (node,) = ask(f"{region.url}/v1/nodes")["items"]
    assert (node["key"], node["state"], node["records"], node["refused"], node["behind"]) == (key, "active", 3, 0, 0)
    assert ask(f"{region.url}/v1/nodes/{key}") == {**node, "withdrawn": []}
    assert (node["problems"], node["publishers"][0]["name"]) == ([], "The council")
    region.run("node", "pause", key)
    assert ask(f"{region.url}/v1/nodes/{key}")["state"] == "paused"
    region.run("node", "resume", key)
    assert key in region.run("node", "list")
    assert "active" in region.run("node", "show", council.url)
    region.run("node", "remove", key, "--yes")
    assert ask(f"{region.url}/v1/nodes")["items"] == []
    until(lambda: items(region)[f"{council.url}/id/GB-LAE-EXA/contract/C-1"].get("reason") == "dropped")


def test_stopped_council_stays_served(tiers: tuple[Server, Server, Server]) -> None:
    """A council that goes down keeps its records at the region, and the crawl says why it failed."""
    council, region, _nation = tiers
    region.run("node", "add", council.url)
    region.run("crawl", "--once")
    council.stop()
    for _visit in range(3):
        assert "failed" in region.run("crawl", "--once", "--now", code=1)
    (node,) = ask(f"{region.url}/v1/nodes")["items"]
    assert (node["state"], node["records"], node["staleSince"]) == ("stale", 3, node["lastGoodVisit"])
    assert [problem["rule"] for problem in node["problems"]] == ["reachable"]
    council.start()
    council.wait()
    region.run("crawl", "--once", "--now")
    assert ask(f"{region.url}/v1/nodes")["items"][0]["state"] == "active"
