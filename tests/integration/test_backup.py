"""`folkmoot backup` and `restore`: a copy of one moment, and a database that never gives a number twice."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from sqlalchemy import select, update
from typer.testing import CliRunner

import migrations
from federation import audit, backup, keys, log, publishers, tokens
from federation.database import Database, table
from folkmoot import wiring
from folkmoot.commands import safekeeping
from folkmoot.serving import ready
from folkmoot.settings import Settings
from schema.errors import Conflict, Misconfigured
from schema.tables import Feed, Record
from tests.integration.crawl.world import Aggregator, World, feed, rows
from tests.services import EXAMPLESHIRE, NODE, NOW, PREFIX, PUBLISHER


@pytest.fixture
def app() -> typer.Typer:
    """Return the commands of this subject alone."""
    made = typer.Typer()
    safekeeping.mount(made)
    return made


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return a runner of commands whose settings name the database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", database_url)
    monkeypatch.setenv("FOLKMOOT_DATA_DIR", str(tmp_path / "data"))
    return CliRunner()


def _published(database: Database) -> None:
    with database.write() as session:
        publishers.add(session, public_url=NODE, organisation=EXAMPLESHIRE, now=NOW)
        drafts = [
            log.Draft(f"{PREFIX}contract/C-{n}", "contract", PUBLISHER, b'{"reference":"C-%d","title":"T"}' % n)
            for n in range(5)
        ]
        log.append(session, drafts, node=f"{NODE}/.well-known/folkmoot", now=NOW)
        gone = log.Draft(f"{PREFIX}contract/C-3", "contract", PUBLISHER, None, "error")
        log.append(session, [gone], node=f"{NODE}/.well-known/folkmoot", now=NOW)


def test_t34_a_restored_node_is_the_same_under_other_numbers(
    run: CliRunner, app: typer.Typer, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backup, wipe, restore: the same data and tombstones, another epoch, every number above 2^32, old order kept."""
    _published(database)
    before = rows(database)
    with database.read() as session:
        epoch = publishers.epoch(session)
    done = run.invoke(app, ["backup", "safe.db"])
    assert (done.exit_code, done.output) == (0, "safe.db: 6 records up to change 7.\n")
    assert stat.S_IMODE((tmp_path / "safe.db").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob("*safe*")) == ["safe.db"]
    kept = (tmp_path / "safe.db").read_bytes()
    monkeypatch.setenv("FOLKMOOT_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    done = run.invoke(app, ["restore", "safe.db"])
    assert done.exit_code == 0, done.exception
    assert (tmp_path / "safe.db").read_bytes() == kept
    restored = Database(f"sqlite:///{tmp_path / 'new.db'}")
    after = rows(restored)
    assert {i: (row.data, row.reason, row.deleted) for i, row in after.items()} == {
        i: (row.data, row.reason, row.deleted) for i, row in before.items()
    }
    assert sorted(before, key=lambda i: before[i].number) == sorted(after, key=lambda i: after[i].number)
    assert min(row.number for row in after.values()) == backup.LEAP + 8
    assert all(row.seq == row.number and b'"seq":%d' % row.seq in row.origin for row in after.values())
    with restored.read() as session:
        assert publishers.epoch(session) != epoch
        assert log.latest(session) == backup.LEAP + 7 + 6
    restored.dispose()


def test_t34_a_restore_is_noted_in_the_database_that_it_made(
    run: CliRunner, app: typer.Typer, database: Database, tmp_path: Path, empty_url: str
) -> None:
    """The audit log that came with the backup goes on with one row: who restored it, from what, up to which change."""
    _published(database)
    with database.read() as session:
        before = [audit.shown(row) for row in audit.every(session)]
    assert run.invoke(app, ["backup", "safe.db"]).exit_code == 0
    assert run.invoke(app, ["restore", "safe.db"], env={"FOLKMOOT_DATABASE_URL": empty_url}).exit_code == 0
    restored = Database(empty_url)
    with restored.read() as session:
        *kept, last = [audit.shown(row) for row in audit.every(session)]
    assert kept == before
    assert (last["action"], last["record"]) == ("restore", "safe.db up to change 7")
    assert (last["actor"], last["name"]) == ("operator", audit.operator().name)
    with database.read() as session:
        assert [audit.shown(row) for row in audit.every(session)] == before
    restored.dispose()


def test_t34_a_restore_tells_what_is_to_be_revoked_again(
    run: CliRunner, app: typer.Typer, database: Database, empty_url: str
) -> None:
    """A token revoked after the backup is good again: the command says how many are, and of which time that is."""
    _published(database)
    now = wiring.now()
    with database.write() as session:
        made = [tokens.create(session, publisher=PUBLISHER, name=f"t{n}", now=now) for n in range(3)]
        tokens.revoke(session, made[0].id, now)
        keys.new(session, node=f"{NODE}/.well-known/folkmoot", now=now)
    assert run.invoke(app, ["backup", "safe.db"]).exit_code == 0
    with database.write() as session:
        tokens.revoke(session, made[1].id, now)
    done = run.invoke(app, ["restore", "safe.db"], env={"FOLKMOOT_DATABASE_URL": empty_url})
    assert done.exit_code == 0, done.exception
    told = done.output.replace("\n", " ")
    assert f"The last that the backup knows of was at {now:%Y-%m-%d %H:%M} UTC." in told
    assert "2 tokens and 1 signing key are good now: revoke again what was revoked since" in told
    assert "What was withdrawn as personal data since is published again" in told


def test_t34_a_restore_under_another_public_url_says_what_to_do(
    run: CliRunner, app: typer.Typer, database: Database, empty_url: str
) -> None:
    """A server refuses to start where the settings name another address than the backup: the restore says so first."""
    _published(database)
    run.invoke(app, ["backup", "safe.db"])
    other = "https://b.example"
    done = run.invoke(
        app, ["restore", "safe.db"], env={"FOLKMOOT_DATABASE_URL": empty_url, "FOLKMOOT_PUBLIC_URL": other}
    )
    assert done.exit_code == 0, done.exception
    assert done.output.splitlines()[-1] == (
        f"It cannot be served yet. This node has published as {NODE}, and FOLKMOOT_PUBLIC_URL is {other}. "
        f"Published ids begin with the public URL: set FOLKMOOT_PUBLIC_URL={NODE}, or give every record a new id with: "
        f"folkmoot move {other}"
    )
    restored = Database(empty_url)
    with pytest.raises(Misconfigured, match=f"FOLKMOOT_PUBLIC_URL={NODE}"):
        ready(Settings.model_validate({"public_url": other}), restored)
    ready(Settings.model_validate({"public_url": NODE}), restored)
    restored.dispose()


def test_t34_a_restore_under_the_same_public_url_says_nothing_of_it(
    run: CliRunner, app: typer.Typer, database: Database, empty_url: str
) -> None:
    """Nothing is to be done where the settings are those of the node; a public URL that is none is refused first."""
    _published(database)
    run.invoke(app, ["backup", "safe.db"])
    new = {"FOLKMOOT_DATABASE_URL": empty_url, "FOLKMOOT_PUBLIC_URL": "b.example"}
    assert isinstance(run.invoke(app, ["restore", "safe.db"], env=new).exception, Misconfigured)
    done = run.invoke(app, ["restore", "safe.db"], env={**new, "FOLKMOOT_PUBLIC_URL": f"{NODE}/"})
    assert done.exit_code == 0, done.exception
    assert "PUBLIC_URL" not in done.output


def test_t34_a_copy_goes_into_either_database(database: Database, tmp_path: Path, empty_url: str) -> None:
    """What was taken of one database is restored into the other, and new rows get numbers of their own."""
    _published(database)
    aside = f"sqlite:///{tmp_path / 'aside.db'}"
    for url in (aside, empty_url):
        migrations.upgrade(url)
    source, target = Database(aside), Database(empty_url)
    with source.write() as session:
        assert backup.copy(database, session).records == 6
    assert backup.restore(source, target, now=NOW).records == 6
    with target.write() as session:
        new = log.Draft(f"{PREFIX}contract/C-9", "contract", PUBLISHER, b'{"reference":"C-9","title":"T"}')
        assert log.append(session, [new], node="n", now=NOW).created == [new.id]
        assert (
            session.connection().execute(select(table(Record).c.row).order_by(table(Record).c.row)).scalars().all()[-1]
            == 7
        )
    with pytest.raises(Conflict, match="holds records already"):
        backup.restore(source, target, now=NOW)
    for base in (source, target):
        base.dispose()


def test_t34_a_restored_aggregator_keeps_its_nodes_and_nobodys_lease(
    moot: Aggregator, world: World, tmp_path: Path
) -> None:
    """Nodes and cursors come back, origins untouched; leases do not, and no old worker's fence is given again."""
    node = world.node()
    record_id = node.put("contract", "C-1")
    moot.add(node)
    moot.crawl()
    with moot.database.write() as session:
        session.connection().execute(update(table(Feed)).values(owner="dead", leased_until=world.now))
    before, held = feed(moot.database), rows(moot.database)[record_id]
    urls = [f"sqlite:///{tmp_path / name}" for name in ("aside.db", "new.db")]
    for url in urls:
        migrations.upgrade(url)
    source, target = map(Database, urls)
    with source.write() as session:
        backup.copy(moot.database, session)
    backup.restore(source, target, now=NOW)
    after, again = feed(target), rows(target)[record_id]
    assert (after.cursor, after.position, after.owner, after.leased_until) == (
        before.cursor,
        before.position,
        None,
        None,
    )
    assert after.fence == before.fence + backup.LEAP
    assert (again.data, again.origin, again.via, again.seq) == (held.data, held.origin, held.via, held.seq)
    assert again.number > backup.LEAP
    for base in (source, target):
        base.dispose()


def test_t34_what_is_no_backup_is_refused(run: CliRunner, app: typer.Typer, database: Database, tmp_path: Path) -> None:
    """Another file, a damaged one, an empty database, a name that is taken: each in a sentence, nothing changed."""
    done = run.invoke(app, ["backup", "safe.db"])
    assert isinstance(done.exception, Misconfigured)
    assert list(tmp_path.glob("*safe*")) == []
    _published(database)
    (tmp_path / "other").write_text("a letter")
    assert isinstance(run.invoke(app, ["restore", "other"]).exception, Misconfigured)
    assert isinstance(run.invoke(app, ["backup", "other"]).exception, Conflict)
    assert isinstance(run.invoke(app, ["restore", "nowhere"]).exception, FileNotFoundError)
    assert run.invoke(app, ["backup", "safe.db"]).exit_code == 0
    assert isinstance(run.invoke(app, ["restore", "safe.db"]).exception, Conflict)
    assert len(rows(database)) == 6


def _wrong_header(whole: bytearray) -> None:
    whole[36:40] = (5).to_bytes(4, "big")  # how many pages are free, says the header


def _holes(whole: bytearray) -> None:
    for page in range(8_192, len(whole), 4_096):
        whole[page : page + 200] = b"\xff" * 200


@pytest.mark.parametrize("damage", [_wrong_header, _holes])
@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_t34_a_damaged_backup_is_not_restored(
    run: CliRunner,
    app: typer.Typer,
    database: Database,
    tmp_path: Path,
    damage: Callable[[bytearray], None],
) -> None:
    """A copy that no longer holds together is refused with what is wrong with it, and nothing is restored."""
    _published(database)
    assert run.invoke(app, ["backup", "safe.db"]).exit_code == 0
    whole = bytearray((tmp_path / "safe.db").read_bytes())
    damage(whole)
    (tmp_path / "safe.db").write_bytes(whole)
    new = {"FOLKMOOT_DATABASE_URL": f"sqlite:///{tmp_path / 'new.db'}"}
    refused = run.invoke(app, ["restore", "safe.db"], env=new).exception
    assert isinstance(refused, Misconfigured)
    assert refused.detail.startswith("The backup is damaged: ")
    restored = Database(f"sqlite:///{tmp_path / 'new.db'}")
    assert rows(restored) == {}
    restored.dispose()


@pytest.fixture
def world() -> World:
    """Return a world in which nobody lives yet."""
    return World()


@pytest.fixture
def moot(database: Database, world: World) -> Aggregator:
    """Return an aggregator of that world."""
    return Aggregator(database, world)
