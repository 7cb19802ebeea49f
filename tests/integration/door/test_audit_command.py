"""`folkmoot audit` and `folkmoot token rotate`: the operator's own hands."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from folkmoot.cli import command_line

URL = "https://moot.exampleshire.example"


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FOLKMOOT_PUBLIC_URL", URL)


def run(*words: str, code: int = 0) -> Result:
    """Run a command as the shell would."""
    done = CliRunner().invoke(command_line(), list(words))
    assert done.exit_code == code, done.output
    return done


def test_what_was_done_by_command_is_listed_and_exported(tmp_path: Path) -> None:
    """The list names who, what and which record; the exports hold all of it, and no cell of theirs is a formula."""
    run("publisher", "add", "GB-LAE-EXA", "--name", "Exampleshire")
    run("token", "create", "--publisher", "GB-LAE-EXA", "--name", "=1+1")
    register = tmp_path / "tools.csv"
    register.write_text("reference,name\nT,PlanRight\n")
    run("import", str(register), "--kind", "tool")
    lines = run("audit", "list").stdout.splitlines()
    assert [line.split("\t")[2] for line in lines] == ["keys.new", "publisher.add", "create", "token.create", "create"]
    assert lines[-1].split("\t")[3] == f"{URL}/id/GB-LAE-EXA/tool/T"
    assert run("audit", "list", "--last", "1", "--record", f"{URL}/id/GB-LAE-EXA/tool/T").stdout.count("\n") == 1
    out = tmp_path / "audit.ndjson"
    run("audit", "export", "--out", str(out))
    rows = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5]
    table = list(csv.DictReader(io.StringIO(run("audit", "export", "--format", "csv").stdout)))
    assert [row["action"] for row in table] == [row["action"] for row in rows]
    assert run("audit", "export", "--format", "xml", code=1).exception is not None


def test_a_token_is_rotated_with_an_overlap() -> None:
    """`token rotate` prints a new secret and leaves the old token good for the overlap; one that ended is refused."""
    run("publisher", "add", "GB-LAE-EXA", "--name", "Exampleshire")
    run("token", "create", "--publisher", "GB-LAE-EXA", "--name", "system", "--kinds", "tool,contract")
    new = run("token", "rotate", "1", "--overlap-days", "3").stdout.strip().splitlines()[-1]
    assert new.startswith("fmt_")
    first, second = run("token", "list").stdout.splitlines()
    assert first.split("\t")[1:4] == second.split("\t")[1:4]
    assert first.split("\t")[5] < second.split("\t")[5]
    run("token", "revoke", "2")
    assert run("token", "rotate", "2", code=1).exception is not None


def test_who_rotates_a_token_is_told_its_own_end() -> None:
    """The old token's end is that of the overlap, or its own where that is sooner."""
    run("publisher", "add", "GB-LAE-EXA", "--name", "Exampleshire")
    for days, overlap, end in ((300, 3, 3), (2, 7, 2)):
        run("token", "create", "--publisher", "GB-LAE-EXA", "--name", "system", "--days", str(days))
        number = run("token", "list").stdout.splitlines()[-1].split("\t")[0]
        before = datetime.now(UTC)
        told = run("token", "rotate", number, "--overlap-days", str(overlap)).output
        found = re.search(r"which is good until (\S+ \S+) UTC", told)
        assert found is not None, told
        ends = datetime.strptime(found[1], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        assert abs(ends - before - timedelta(days=end)) < timedelta(minutes=2)
    assert "which has ended" in run("token", "rotate", "4", "--overlap-days", "0").output
