"""`folkmoot node add`: a gate for what does not pass, a preview for what is to pass later."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from federation import checks
from folkmoot import wiring
from folkmoot.cli import command_line
from folkmoot.commands import node as commands
from folkmoot.settings import load
from tests.integration.crawl.world import NOW, FakeNode, World, node_row, problems


@pytest.fixture
def bad(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, world: World) -> FakeNode:
    """Return a node whose first record is another's, looked at through a world without a network."""
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FOLKMOOT_PUBLIC_URL", "https://moot.example")

    def examined(_settings: object, url: str, *, aggregator: bool) -> checks.Report:
        import asyncio

        return asyncio.run(checks.examine(world.get, url, now=NOW, aggregator=aggregator))

    monkeypatch.setattr(commands, "_examine", examined)
    monkeypatch.setattr(wiring, "now", lambda: NOW)
    node = world.node()
    record = node.put("contract", "C-1")
    node.items[record]["id"] = "https://else.example/id/GB-LAE-EXA/contract/C-1"
    return node


def test_what_does_not_pass_is_refused_or_a_preview(bad: FakeNode) -> None:
    """Without --preview nothing is kept and the exit code is 1; with it the node is a preview, and the code is 0."""
    run = CliRunner()
    refused = run.invoke(command_line(), ["node", "add", bad.url])
    assert (refused.exit_code, "Not accepted" in refused.output) == (1, True)
    assert "stops\tid-prefix" in refused.output
    taken = run.invoke(command_line(), ["node", "add", bad.url, "--preview"])
    assert (taken.exit_code, "Added as a preview" in taken.output) == (0, True)
    base = wiring.database(load())
    assert node_row(base).state == "preview"
    assert problems(base) == []
    base.dispose()
