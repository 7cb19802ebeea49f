"""`folkmoot index`: rebuild and verify, as an operator runs them, with another process serving."""

from __future__ import annotations

import orjson
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from folkmoot.commands.index import app
from tests.integration.search.conftest import World


@pytest.fixture
def run(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return a runner whose settings are those of the world."""
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", database_url)
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(world.index.root.parent))
    return CliRunner()


def test_rebuild_then_verify(world: World, run: CliRunner) -> None:
    """A rebuild beside a server that holds the index ends well, verify finds no difference, the server goes on."""
    rebuilt = run.invoke(app, ["rebuild", "--json"])
    assert rebuilt.exit_code == 0, rebuilt.output
    told = orjson.loads(rebuilt.stdout)
    assert (told["changeNumber"], told["documents"]) == (123, len(world.made))
    world.follower.catch_up()
    verified = run.invoke(app, ["verify"])
    assert verified.exit_code == 0, verified.output
    assert "0 differences" in verified.stdout
    assert world.index.count() == len(world.made)


def test_verify_tells_differences_by_kind(world: World, run: CliRunner) -> None:
    """Where the two differ the exit code is 1, and each difference is counted by kind and named."""
    with world.database.write() as session:
        session.connection().execute(text("DELETE FROM record WHERE kind = 'tool'"))
    verified = run.invoke(app, ["verify", "--json"])
    assert verified.exit_code == 1, verified.output
    told = orjson.loads(verified.stdout)
    tools = sum(one.kind == "tool" for one in world.made.values())
    assert told["extra"] == {"tool": tools}
    assert told["missing"] == {}
    assert told["differences"] == tools
    assert told["examples"][0].startswith("too many: http://moot.test/id/")
    plain = run.invoke(app, ["verify"])
    assert f"tool: 0 in the database, 0 missing in the index, {tools} too many" in plain.stdout
