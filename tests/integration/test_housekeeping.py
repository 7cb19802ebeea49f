"""`folkmoot migrate`, `openapi` and `doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import migrations
from federation import publishers
from federation.database import Database
from folkmoot import wiring
from folkmoot.commands import housekeeping
from folkmoot.settings import Settings
from tests.services import EXAMPLESHIRE, NODE, NOW


@pytest.fixture
def run(empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return a runner of commands whose settings name a database that is empty yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", empty_url)
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FOLKMOOT_PUBLIC_URL", NODE)
    return CliRunner()


@pytest.fixture
def app() -> typer.Typer:
    """Return the commands of this subject alone."""
    made = typer.Typer()
    housekeeping.mount(made)
    return made


def _checks(run: CliRunner, app: typer.Typer) -> tuple[int, dict[str, bool]]:
    done = run.invoke(app, ["doctor", "--json"])
    return done.exit_code, {check["name"]: check["ok"] for check in json.loads(done.stdout)["checks"]}


def test_migrate_brings_a_database_to_the_head_and_back(run: CliRunner, app: typer.Typer, empty_url: str) -> None:
    """`migrate` makes the tables, twice is as good as once, and the database tells its revision."""
    assert migrations.current(empty_url) is None
    for done in (run.invoke(app, ["migrate"]), run.invoke(app, ["migrate"])):
        assert done.exit_code == 0, done.output
        assert migrations.HEAD in done.output
    assert migrations.current(empty_url) == migrations.HEAD
    migrations.downgrade(empty_url, "base")
    assert migrations.current(empty_url) is None
    assert run.invoke(app, ["migrate"]).exit_code == 0


def test_migrations_make_the_tables_that_the_code_speaks_of(empty_url: str) -> None:
    """`alembic check`: a migrated database lacks nothing of schema/tables.py and has nothing besides."""
    migrations.upgrade(empty_url)
    migrations.check(empty_url)


def test_the_doctor_says_what_is_amiss_and_what_to_do(run: CliRunner, app: typer.Typer, empty_url: str) -> None:
    """Exit code 1 until tables, publisher and public URL are there; then 0."""
    code, checks = _checks(run, app)
    assert (code, checks["settings"], checks["database"], checks["publishers"]) == (1, True, False, False)
    assert "folkmoot migrate" in run.invoke(app, ["doctor"]).output
    run.invoke(app, ["migrate"])
    assert _checks(run, app)[1]["database"]
    assert "folkmoot publisher add" in run.invoke(app, ["doctor"]).output
    database = Database(empty_url)
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
    database.dispose()
    assert _checks(run, app) == (0, dict.fromkeys(housekeeping.LOOKS.keys() - {"replica"}, True))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "behind a proxy nobody is limited: FOLKMOOT_TRUSTED_PROXIES names none"),
        ({"FOLKMOOT_TRUSTED_PROXIES": "127.0.0.1"}, "the clients of 127.0.0.1/32 are told apart"),
        ({"FOLKMOOT_RATE_LIMIT": "off"}, "off: anybody may ask as often as they like"),
    ],
)
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_doctor_says_whom_the_limits_reach(
    run: CliRunner, app: typer.Typer, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], told: str
) -> None:
    """Limits that reach nobody, for a proxy stands in front that is not named, are told before somebody needs them."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert told in run.invoke(app, ["doctor"]).output


def test_the_doctor_knows_another_public_url(
    run: CliRunner, app: typer.Typer, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that has published under one address is not in order under another."""
    run.invoke(app, ["migrate"])
    database = Database(empty_url)
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
    database.dispose()
    monkeypatch.setenv("FOLKMOOT_PUBLIC_URL", "https://moved.example")
    code, checks = _checks(run, app)
    assert (code, checks["public URL"]) == (1, False)


def test_openapi_is_written_for_a_role_or_for_both(run: CliRunner, app: typer.Typer, tmp_path: Path) -> None:
    """The description goes to a file, to a folder or to the screen, and needs no database."""
    out = tmp_path / "there" / "node.json"
    assert run.invoke(app, ["openapi", "--role", "node", "--out", str(out)]).exit_code == 0
    assert json.loads(out.read_text())["openapi"] == "3.1.0"
    assert run.invoke(app, ["openapi", "--write", str(tmp_path / "both")]).exit_code == 0
    assert (tmp_path / "both" / "node.json").read_bytes() == out.read_bytes()
    assert "/v1/nodes" in (tmp_path / "both" / "aggregator.json").read_text()
    assert "/v1/nodes" not in json.loads(out.read_text())["paths"]
    assert run.invoke(app, ["openapi", "--role", "both"]).exit_code == 2
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("role", "inside", "count"), [("node", True, 4), ("aggregator", False, 5), ("aggregator", True, 6)]
)
def test_only_an_aggregator_that_was_told_to_crawls_inside(
    database: Database, tmp_path: Path, role: str, *, inside: bool, count: int
) -> None:
    """Imports, bulk files, the index and erasure are seen to beside every server, checks and messages at aggregators.

    The crawl is only where the settings say so.
    """
    told = {"role": role, "crawl_inside": inside, "data_dir": tmp_path, "public_url": NODE}
    settings = Settings.model_validate(told)
    workers = wiring.background(settings, database, wiring.services(settings, database))
    assert len(workers) == count
    works = [worker.worker for worker in workers if isinstance(worker, wiring.Once)]
    assert len(works) == count
    assert any(isinstance(work, wiring.CrawlInside) for work in works) is (count == 6)
